//! The status of devices, asked of their agents.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::firmware::Message;
use super::support::wait::within;
use super::support::{Client, Firmware, Reply, Server, soon};

const SECRET: &str = "a secret of an agent";

fn mac(n: u8) -> String {
    format!("AA:BB:CC:DD:EE:{n:02X}")
}

/// Asks for the status while something else goes on.
fn asking(client: &Client, query: &str) -> tokio::task::JoinHandle<Reply> {
    let (client, path) = (client.clone(), format!("/api/devices/status{query}"));
    tokio::spawn(async move { client.get(&path).await.expect(200) })
}

/// The next question of the server, and about which address.
async fn question(agent: &mut Firmware) -> (Message, String) {
    let command = agent.command().await;
    assert_eq!(command.command, "GET_STATUS");
    let address = command.json["address"].as_str().unwrap().to_owned();
    (command, address)
}

async fn answer(agent: &mut Firmware, question: &Message, online: &str) {
    agent.reply(question, &format!(r#"{{"status":"OK","message":"","online":"{online}"}}"#)).await;
}

/// An agent with `count` devices: its ID, the devices' IDs.
async fn with_devices(admin: &Client, kind: &str, count: u8) -> (i64, Vec<i64>) {
    let agent = admin.create_agent(kind, SECRET).await;
    let mut devices = Vec::new();
    for n in 0..count {
        devices.push(admin.create_device(agent, &mac(n)).await);
    }
    (agent, devices)
}

fn all(devices: &[i64], status: &str) -> Value {
    devices.iter().map(|id| (id.to_string(), json!(status))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn an_agent_is_asked_by_mac_address_and_its_words_are_passed_on() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (agent, devices) = with_devices(&admin, "microcontroller", 3).await;
    let mut agent = Firmware::connect(server.address(), agent, SECRET).await;
    let asked = asking(&admin, "");
    for (n, online) in ["online", "offline", "unknown"].into_iter().enumerate() {
        let (question, address) = question(&mut agent).await;
        assert_eq!(address, mac(u8::try_from(n).unwrap()), "one after the other, in the order of their IDs");
        answer(&mut agent, &question, online).await;
    }
    let reply = soon("the status", asked).await.unwrap();
    let expected = json!({devices[0].to_string(): "online", devices[1].to_string(): "offline",
        devices[2].to_string(): "unknown"});
    assert_eq!(reply.data(), &expected);
}

#[tokio::test]
async fn only_the_devices_asked_for_are_listed() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (_, devices) = with_devices(&admin, "server", 3).await;
    let [a, b, _] = devices[..] else { panic!() };
    for (query, expected) in [
        (String::new(), all(&devices, "unknown")),
        (format!("?ids={a},{b}"), all(&devices[..2], "unknown")),
        (format!("?ids={b},x,-1,,4711"), all(&devices[1..2], "unknown")),
        ("?ids=".to_owned(), json!({})),
        ("?ids=junk".to_owned(), json!({})),
    ] {
        let reply = admin.get(&format!("/api/devices/status{query}")).await.expect(200);
        assert_eq!(reply.data(), &expected, "{query}");
    }
}

#[tokio::test]
async fn offline_agents_cost_no_time() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (_, devices) = with_devices(&admin, "microcontroller", 5).await;
    let began = Instant::now();
    assert_eq!(soon("the status", asking(&admin, "")).await.unwrap().data(), &all(&devices, "unknown"));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn all_agents_are_asked_at_the_same_time() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mut agents = Vec::new();
    for _ in 0..4 {
        let (id, _) = with_devices(&admin, "microcontroller", 1).await;
        agents.push(Firmware::connect(server.address(), id, SECRET).await);
    }
    let asked = asking(&admin, "");
    let mut questions = Vec::new();
    // All have their question before any answers.
    for agent in &mut agents {
        questions.push(question(agent).await.0);
    }
    for (agent, question) in agents.iter_mut().zip(&questions) {
        answer(agent, question, "online").await;
    }
    let reply = soon("the status", asked).await.unwrap();
    assert!(reply.data().as_object().unwrap().values().all(|status| status == "online"), "{}", reply.text);
}

#[tokio::test]
async fn a_servers_devices_are_asked_at_the_same_time() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (agent, devices) = with_devices(&admin, "server", 5).await;
    let mut agent = Firmware::connect(server.address(), agent, SECRET).await;
    let asked = asking(&admin, "");
    let mut questions = Vec::new();
    for _ in 0..5 {
        questions.push(question(&mut agent).await.0);
    }
    for question in &questions {
        answer(&mut agent, question, "online").await;
    }
    assert_eq!(soon("the status", asked).await.unwrap().data(), &all(&devices, "online"));
}

#[tokio::test]
async fn a_silent_agent_costs_one_time_out() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (id, devices) = with_devices(&admin, "microcontroller", 5).await;
    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let asked = asking(&admin, "");
    let (first, _) = question(&mut agent).await;
    answer(&mut agent, &first, "online").await;
    let began = Instant::now();
    question(&mut agent).await;
    let reply = within(Duration::from_secs(12), "one time-out", asked).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(6900), "a blocked ping still counts for 7 s");
    let mut expected = all(&devices, "unknown");
    expected[devices[0].to_string()] = json!("online");
    assert_eq!(reply.data(), &expected);
}

#[tokio::test]
async fn a_refusal_or_nonsense_concerns_one_device_only() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (id, devices) = with_devices(&admin, "microcontroller", 3).await;
    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let asked = asking(&admin, "");
    let (first, _) = question(&mut agent).await;
    agent.reply(&first, r#"{"status":"ERROR","message":"no"}"#).await;
    let (second, _) = question(&mut agent).await;
    agent.reply(&second, "nonsense").await;
    let (third, _) = question(&mut agent).await;
    answer(&mut agent, &third, "online").await;
    let mut expected = all(&devices, "unknown");
    expected[devices[2].to_string()] = json!("online");
    assert_eq!(soon("the status", asked).await.unwrap().data(), &expected);
}

#[tokio::test]
async fn an_agent_that_vanishes_ends_the_question_at_once() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (id, devices) = with_devices(&admin, "microcontroller", 3).await;
    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let asked = asking(&admin, "");
    question(&mut agent).await;
    agent.vanish();
    let reply = within(Duration::from_secs(5), "the status", asked).await.unwrap();
    assert_eq!(reply.data(), &all(&devices, "unknown"));
}

#[tokio::test]
async fn an_address_is_asked_first_and_the_mac_address_when_it_is_refused() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent_id = admin.create_agent("microcontroller", SECRET).await;
    let body =
        json!({"name": "n", "type": "nas", "macAddress": mac(1), "agentID": agent_id, "address": "fe80::1"});
    let id = admin.post("/api/devices", body).await.expect(201).id();
    let mut agent = Firmware::connect(server.address(), agent_id, SECRET).await;
    let asked = asking(&admin, "");
    let (by_address, address) = question(&mut agent).await;
    assert_eq!(address, "fe80::1");
    agent.reply(&by_address, r#"{"status":"ERROR","message":"Invalid address"}"#).await;
    let (by_mac, address) = question(&mut agent).await;
    assert_eq!(address, mac(1));
    answer(&mut agent, &by_mac, "online").await;
    assert_eq!(soon("the status", asked).await.unwrap().data(), &all(&[id], "online"));
}

#[tokio::test]
async fn an_agent_that_is_asked_about_an_address_learns_whose_it_should_be() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent_id = admin.create_agent("server", SECRET).await;
    let body = json!({"name": "n", "type": "nas", "macAddress": mac(1), "agentID": agent_id, "address": "192.0.2.1"});
    admin.post("/api/devices", body).await.expect(201);
    let mut agent = Firmware::connect(server.address(), agent_id, SECRET).await;
    let _asked = asking(&admin, "");
    let by_address = agent.command().await;
    assert_eq!(by_address.json, json!({"address": "192.0.2.1", "macAddress": mac(1)}));
    agent.reply(&by_address, r#"{"status":"ERROR","message":"Invalid address"}"#).await;
    // Who is asked about the card itself needs no more.
    assert_eq!(agent.command().await.json, json!({"address": mac(1)}));
}

#[tokio::test]
async fn an_address_that_is_answered_is_not_asked_for_again() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent_id = admin.create_agent("microcontroller", SECRET).await;
    let body = |address: &str| json!({"name": "n", "type": "nas", "macAddress": mac(1), "agentID": agent_id, "address": address});
    let id = admin.post("/api/devices", body("192.0.2.1")).await.expect(201).id();
    let mut agent = Firmware::connect(server.address(), agent_id, SECRET).await;
    let asked = asking(&admin, "");
    let (asks, address) = question(&mut agent).await;
    assert_eq!(address, "192.0.2.1");
    answer(&mut agent, &asks, "offline").await;
    assert_eq!(soon("the status", asked).await.unwrap().data(), &all(&[id], "offline"));
    // Within ten seconds the answer is reused, although nobody answers now.
    assert_eq!(soon("the status", asking(&admin, "")).await.unwrap().data(), &all(&[id], "offline"));
    // Another address is another question.
    admin.put(&format!("/api/devices/{id}"), body("192.0.2.2")).await.expect(200);
    let asked = asking(&admin, "");
    let (asks, address) = question(&mut agent).await;
    assert_eq!(address, "192.0.2.2");
    answer(&mut agent, &asks, "online").await;
    assert_eq!(soon("the status", asked).await.unwrap().data(), &all(&[id], "online"));
    // So is the time after a wakeup.
    let waking = admin.clone();
    let woken =
        tokio::spawn(async move { waking.post(&format!("/api/devices/{id}/wakeup"), json!({})).await });
    let wakeup = agent.command().await;
    agent.reply_ok(&wakeup).await;
    soon("the wakeup", woken).await.unwrap().expect(200);
    let asked = asking(&admin, "");
    let (asks, _) = question(&mut agent).await;
    answer(&mut agent, &asks, "offline").await;
    assert_eq!(soon("the status", asked).await.unwrap().data(), &all(&[id], "offline"));
}

#[tokio::test]
async fn several_pages_asking_at_once_are_one_question() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (id, devices) = with_devices(&admin, "microcontroller", 1).await;
    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let pages: Vec<_> = (0..5).map(|_| asking(&admin, "")).collect();
    let (asks, _) = question(&mut agent).await;
    // Give the others the time to stand in line behind the question before it is answered.
    for _ in 0..5 {
        admin.get("/api/agents").await.expect(200);
    }
    answer(&mut agent, &asks, "online").await;
    for page in pages {
        assert_eq!(soon("the status", page).await.unwrap().data(), &all(&devices, "online"));
    }
}

#[tokio::test]
async fn a_slow_agent_is_answered_for_in_time_and_what_comes_later_is_kept() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (id, devices) = with_devices(&admin, "microcontroller", 9).await;
    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let began = Instant::now();
    let asked = asking(&admin, "");
    let slow = tokio::spawn(async move {
        // A ping of a dead host blocks the firmware for five seconds.
        for _ in 0..9 {
            let (question, _) = question(&mut agent).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            answer(&mut agent, &question, "offline").await;
        }
        agent
    });
    let reply = within(Duration::from_secs(40), "the first answer", asked).await.unwrap();
    let took = began.elapsed().as_secs_f64();
    assert!((20.0..29.0).contains(&took), "answered after {took} s");
    let known = reply.data().as_object().unwrap().values().filter(|status| *status == "offline").count();
    assert!((3..=5).contains(&known), "{}", reply.text);
    // It goes on being asked, each device once, though nobody waits.
    let mut agent = within(Duration::from_secs(60), "all questions", slow).await.unwrap();
    let asked = asking(&admin, "");
    // Only those whose answer was passed on are asked again.
    for _ in 0..known {
        let (asks, _) = question(&mut agent).await;
        answer(&mut agent, &asks, "online").await;
    }
    let statuses = soon("the second answer", asked).await.unwrap();
    let statuses: Vec<_> = devices.iter().map(|id| statuses.data()[id.to_string()].clone()).collect();
    assert_eq!(statuses[..known], vec![json!("online"); known]);
    assert_eq!(statuses[known..], vec![json!("offline"); 9 - known]);
}

#[tokio::test]
async fn a_single_device_is_asked_anew_and_joins_a_question_under_way() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (agent, devices) = with_devices(&admin, "microcontroller", 2).await;
    let mut agent = Firmware::connect(server.address(), agent, SECRET).await;
    let one = format!("?ids={}", devices[1]);
    for online in ["online", "offline"] {
        let asked = asking(&admin, &one);
        let (asks, address) = question(&mut agent).await;
        assert_eq!(address, mac(1));
        // Somebody else presses the button meanwhile.
        let joined = asking(&admin, &one);
        for _ in 0..50 {
            admin.get("/api/agents").await.expect(200);
        }
        answer(&mut agent, &asks, online).await;
        for asked in [asked, joined] {
            assert_eq!(soon("the status", asked).await.unwrap().data(), &all(&devices[1..], online));
        }
    }
    // Who asks for all is served with the newest.
    let asked = asking(&admin, "");
    let (asks, address) = question(&mut agent).await;
    assert_eq!(address, mac(0));
    // A single one does not wait for the others behind it.
    answer(&mut agent, &asks, "online").await;
    let expected = json!({devices[0].to_string(): "online", devices[1].to_string(): "offline"});
    assert_eq!(soon("the status", asked).await.unwrap().data(), &expected);
}
