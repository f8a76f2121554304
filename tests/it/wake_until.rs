//! Waking a device until it is seen: what proves it, why it fails, and what survives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::support::firmware::Message;
use super::support::scene::{MAC, SECRET, Scene};
use super::support::wait::until;
use super::support::{Agent, Client, Reply, Server, sqlite};

/// What an agent on the device's network sees.
pub(super) struct Lan {
    /// When the first packet came.
    pub(super) woken: Option<Instant>,
    packets: u32,
    /// How long after it the device answers; none for never.
    pub(super) boots_after: Option<Duration>,
    /// What PROBE answers instead, or that the agent lacks it.
    probe: Probe,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Probe {
    Answers,
    OtherMac,
    CannotTell,
    Lacking,
}

pub(super) type Shared = Arc<Mutex<Lan>>;

pub(super) fn lan(boots_after: Option<Duration>, probe: Probe) -> Shared {
    Arc::new(Mutex::new(Lan { woken: None, packets: 0, boots_after, probe }))
}

/// Connects an agent to this network; it answers until its task is aborted.
pub(super) async fn connect(server: &Server, agent: i64, lan: &Shared) -> tokio::task::JoinHandle<()> {
    connect_at(server.address(), agent, lan).await
}

/// Connects an agent to this network, and to the server at an address.
pub(super) async fn connect_at(address: SocketAddr, agent: i64, lan: &Shared) -> tokio::task::JoinHandle<()> {
    let Agent { mut socket } = Agent::connect(address, agent, SECRET).await;
    let lan = lan.clone();
    tokio::spawn(async move {
        while let Some(Ok(frame)) = socket.next().await {
            let Frame::Text(text) = frame else { continue };
            let message = Message::parse(&text);
            let json = answer(&lan, &message);
            let reply = format!("{}:{}:{json}", message.command, message.id);
            if socket.send(Frame::text(reply)).await.is_err() {
                return;
            }
        }
    })
}

fn answer(lan: &Shared, message: &Message) -> Value {
    let mut lan = lan.lock();
    let up = lan.woken.zip(lan.boots_after).is_some_and(|(woken, after)| woken.elapsed() >= after);
    let online = if up { "online" } else { "offline" };
    let unknown = json!({"status": "ERROR", "message": "Unknown command"});
    match (message.command.as_str(), lan.probe) {
        ("WAKEUP", _) => {
            lan.woken.get_or_insert_with(Instant::now);
            lan.packets += 1;
            json!({"status": "OK", "message": "eth7 sent it"})
        }
        ("PROBE", Probe::Lacking) => unknown,
        ("PROBE", Probe::CannotTell) => {
            json!({"status": "OK", "message": "eth7 cannot", "online": "unknown"})
        }
        ("PROBE", Probe::OtherMac) => {
            json!({"status": "OK", "message": "eth7 sees another", "online": "offline",
            "address": "192.0.2.9", "macAddress": "02:00:00:00:00:09"})
        }
        ("PROBE", Probe::Answers) if up => {
            json!({"status": "OK", "message": "eth7 sees it", "online": online,
            "method": "tcp", "address": "192.0.2.7", "macAddress": MAC, "port": 22, "latencyMs": 3})
        }
        ("PROBE" | "GET_STATUS", _) => json!({"status": "OK", "message": "eth7 says so", "online": online}),
        ("HEARTBEAT", _) => json!({}),
        _ => unknown,
    }
}

fn path(device: i64) -> String {
    format!("/api/devices/{device}/wakeup")
}

async fn wake(client: &Client, device: i64, timeout: u64) -> Reply {
    client.post(&path(device), json!({"until": "online", "timeout": timeout})).await
}

/// An answer about an operation that did not succeed, which alone among errors has data.
#[track_caller]
fn failed(reply: &Reply, code: &str) -> Value {
    assert_eq!((reply.status, reply.code()), (504, code), "{}", reply.text);
    assert_eq!(reply.body["status"], "ERROR");
    assert_eq!(reply.data()["reason"], code, "{}", reply.text);
    reply.data().clone()
}

async fn presence(client: &Client, device: i64) -> String {
    let device = client.get(&format!("/api/devices/{device}")).await.expect(200);
    device.data()["presence"]["state"].as_str().unwrap().to_owned()
}

async fn trail(server: &Server) -> Vec<String> {
    let path = netignite::store::database_path(server.data());
    sqlite::texts(&path, "SELECT event FROM operation_trail ORDER BY operation, number").await
}

#[tokio::test]
async fn a_device_that_boots_is_seen() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let lan = lan(Some(Duration::from_secs(3)), Probe::Answers);
    let _agent = connect(&server, agent, &lan).await;
    let waking = {
        let admin = admin.clone();
        tokio::spawn(async move { wake(&admin, device, 60).await })
    };
    until("waking", || async { (presence(&admin, device).await == "waking").then_some(()) }).await;
    let reply = waking.await.unwrap().expect(200);
    assert_eq!(reply.message(), "Device is online");
    let operation = reply.data();
    assert_eq!((&operation["kind"], &operation["state"]), (&json!("wake"), &json!("succeeded")));
    assert!(operation["message"].as_str().unwrap().starts_with("Online after "), "{operation}");
    let evidence = &operation["evidence"];
    let after = evidence["onlineAfterMs"].as_i64().unwrap();
    assert!((3000..30_000).contains(&after), "{evidence}");
    let expected = json!({"onlineAfterMs": after, "wasOnline": false, "agentID": agent, "method": "tcp",
        "address": "192.0.2.7", "mac": MAC, "port": 22, "packets": 1});
    assert_eq!(evidence, &expected);
    let by = json!({"kind": "user", "id": 1, "name": "admin"});
    assert_eq!((&operation["createdBy"], &operation["deviceID"]), (&by, &json!(device)));
    until("online", || async { (presence(&admin, device).await == "online").then_some(()) }).await;
    let trail = trail(&server).await;
    assert_eq!(trail[..3], ["agent_chosen", "packet_sent", "looked"], "{trail:?}");
    assert_eq!(trail.last().unwrap(), "succeeded");

    // It is up now, which the first look tells; the packet goes out all the same.
    let again = wake(&admin, device, 60).await.expect(200);
    assert_eq!(again.data()["evidence"]["wasOnline"], true, "{}", again.text);
    assert_eq!(lan.lock().packets, 2);
}

#[tokio::test]
async fn packets_and_looks_come_when_they_are_due_and_the_trail_tells_of_each() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let lan = lan(None, Probe::Answers);
    let _agent = connect(&server, agent, &lan).await;
    let since =
        admin.get(&format!("/api/agents/{agent}")).await.expect(200).data()["presence"]["since"].clone();
    let body = json!({"kind": "wake", "deviceID": device, "until": "online", "timeout": 3600});
    let made = admin.post("/api/operations", body).await.expect(202);
    let operation = format!("/api/operations/{}", made.data()["id"].as_str().unwrap());
    let of = async |event: &str| {
        let shown = admin.get(&operation).await.expect(200);
        let trail = shown.data()["trail"].as_array().unwrap().iter();
        trail.filter(|entry| entry["event"] == event).cloned().collect::<Vec<_>>()
    };
    until("three looks", || async { (of("looked").await.len() >= 3).then_some(()) }).await;
    let looks = of("looked").await;
    let after = |entries: &[Value], at: usize| {
        entries[at]["at"].as_i64().unwrap() - entries[0]["at"].as_i64().unwrap()
    };
    assert!(after(&looks, 1) >= 1990 && after(&looks, 2) >= 3990, "{looks:?}");
    assert!(looks.iter().all(|look| look["found"] == "not_seen" && look["agentID"] == agent), "{looks:?}");
    for (packets, seconds) in [(2, 10), (3, 10), (4, 20), (5, 40), (6, 40)] {
        server.host().clock.advance(Duration::from_secs(seconds));
        until("a packet", || async { (of("packet_sent").await.len() >= packets).then_some(()) }).await;
    }
    let packets = of("packet_sent").await;
    for (at, due) in [0, 10, 20, 40, 80, 120].into_iter().enumerate() {
        // What is noted is when its agent has answered.
        assert!(after(&packets, at) >= due * 1000 - 500, "{packets:?}");
        assert_eq!(packets[at]["message"], format!("Magic packet {} was sent: eth7 sent it", at + 1));
    }
    let chosen = of("agent_chosen").await;
    assert_eq!(chosen.len(), 1, "{chosen:?}");
    assert_eq!((&chosen[0]["agentID"], &chosen[0]["onlineSince"]), (&json!(agent), &since), "{chosen:?}");
}

#[tokio::test]
async fn each_failure_has_its_reason() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let offline = failed(&wake(&admin, device, 1).await, "agent_offline");
    assert_eq!((&offline["state"], &offline["startedAt"]), (&json!("expired"), &Value::Null));
    for (probe, code) in [
        (Probe::Answers, "not_seen"),
        (Probe::OtherMac, "other_device_answers"),
        (Probe::CannotTell, "cannot_probe"),
    ] {
        let lan = lan(None, probe);
        let connected = connect(&server, agent, &lan).await;
        let reply = wake(&admin, device, 3).await;
        let operation = failed(&reply, code);
        let message = reply.message();
        assert!(message.starts_with(&format!("“Device” (device {device}) was not seen: ")), "{message}");
        assert_eq!(message.matches("not seen").count(), 1, "{message}");
        assert!(code != "not_seen" || message.contains("docs/troubleshooting.md"), "{message}");
        assert_eq!((&operation["state"], &operation["evidence"]), (&json!("failed"), &Value::Null));
        assert!(lan.lock().packets > 0);
        connected.abort();
        until("offline", || async { (admin.agent_status(agent).await == "offline").then_some(()) }).await;
    }
}

#[tokio::test]
async fn a_body_is_checked_and_means_nothing_without_until() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    for body in [
        json!({"until": "later"}),
        json!({"until": 1}),
        json!({"until": "online", "timeout": 0}),
        json!({"until": "online", "timeout": 301}),
        json!({"until": "online", "timeout": "5"}),
    ] {
        assert_eq!(admin.post(&path(device), body).await.expect(400).code(), "invalid_payload");
    }
    let _agent = connect(&server, agent, &lan(None, Probe::Answers)).await;
    for body in
        [json!({}), json!({"until": "sent"}), json!({"timeout": "x"}), json!({"until": null}), json!([1])]
    {
        let reply = admin.post(&path(device), body).await.expect(200);
        assert_eq!((reply.message(), reply.data()), ("Wakeup command sent", &Value::Null));
    }
}

#[tokio::test]
async fn an_agent_that_dies_is_followed_by_its_fallback() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let fallback = admin.create_agent("server", SECRET).await;
    let body = json!({"name": "Device", "type": "desktop", "macAddress": MAC, "agentID": agent, "fallbackAgentIDs": [fallback]});
    admin.put(&format!("/api/devices/{device}"), body).await.expect(200);
    let dead = lan(None, Probe::Answers);
    let dying = connect(&server, agent, &dead).await;
    let waking = {
        let admin = admin.clone();
        tokio::spawn(async move { wake(&admin, device, 60).await })
    };
    until("a packet", || async { (dead.lock().packets > 0).then_some(()) }).await;
    dying.abort();
    until("offline", || async { (admin.agent_status(agent).await == "offline").then_some(()) }).await;
    let alive = lan(Some(Duration::ZERO), Probe::Answers);
    alive.lock().woken = Some(Instant::now());
    let _fallback = connect(&server, fallback, &alive).await;
    let reply = waking.await.unwrap().expect(200);
    assert_eq!(
        (&reply.data()["agentID"], &reply.data()["evidence"]["agentID"]),
        (&json!(fallback), &json!(fallback))
    );
    let chosen = trail(&server).await.into_iter().filter(|event| event == "agent_chosen").count();
    assert_eq!(chosen, 2);
}

#[tokio::test]
async fn old_firmware_is_asked_in_the_old_way() {
    let Scene { server, admin, agent, device } = Scene::new("microcontroller").await;
    let _agent = connect(&server, agent, &lan(Some(Duration::ZERO), Probe::Lacking)).await;
    let reply = wake(&admin, device, 30).await.expect(200);
    assert_eq!(reply.data()["evidence"]["method"], "icmp", "{}", reply.text);
}

#[tokio::test]
async fn the_agent_on_the_device_proves_it() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let host = admin.create_agent("server", SECRET).await;
    let body = json!({"name": "Device", "type": "desktop", "macAddress": MAC, "agentID": agent, "hostAgentID": host});
    admin.put(&format!("/api/devices/{device}"), body).await.expect(200);
    let blind = lan(None, Probe::CannotTell);
    let _agent = connect(&server, agent, &blind).await;
    let waking = {
        let admin = admin.clone();
        tokio::spawn(async move { wake(&admin, device, 60).await })
    };
    until("a packet", || async { (blind.lock().packets > 0).then_some(()) }).await;
    let _host = connect(&server, host, &lan(None, Probe::Answers)).await;
    let reply = waking.await.unwrap().expect(200);
    let evidence = &reply.data()["evidence"];
    assert_eq!((&evidence["method"], &evidence["agentID"]), (&json!("host_agent"), &json!(host)));
}

#[tokio::test]
async fn a_wake_goes_on_after_a_restart() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let before = lan(None, Probe::Answers);
    let connected = connect(&server, agent, &before).await;
    let request = admin.http.post(admin.url(&path(device))).header("Prefer", "respond-async, wait=5");
    let reply = admin.send(request.json(&json!({"until": "online", "timeout": 120}))).await.expect(202);
    assert_eq!(reply.message(), "Operation accepted");
    let location = format!("/api/operations/{}", reply.data()["id"].as_str().unwrap());
    assert_eq!(reply.header("location"), Some(location.as_str()));
    assert_eq!(
        (reply.header("preference-applied"), reply.header("vary")),
        (Some("respond-async"), Some("Prefer"))
    );
    until("a packet", || async { (before.lock().packets > 0).then_some(()) }).await;
    until("the packet's entry", || async {
        trail(&server).await.contains(&"packet_sent".to_owned()).then_some(())
    })
    .await;
    let directory = server.stop().await;
    connected.abort();

    let server = Server::start_in(directory, |_| {}).await;
    let after = lan(Some(Duration::ZERO), Probe::Answers);
    after.lock().woken = Some(Instant::now());
    let _connected = connect(&server, agent, &after).await;
    let database = netignite::store::database_path(server.data());
    until("the end", || async {
        (sqlite::text(&database, "SELECT state FROM operations").await == "succeeded").then_some(())
    })
    .await;
    assert!(trail(&server).await.contains(&"server_restarted".to_owned()));
}

#[tokio::test]
async fn whom_a_device_is_shared_with_sees_nothing_of_the_agent() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let bob = server.user(&admin, "bob", "user").await;
    wake(&bob, device, 1).await.expect(404);
    let share = json!({"username": "bob", "permissions": ["view"]});
    let share = admin.post(&format!("/api/devices/{device}/shares"), share).await.expect(201);
    wake(&bob, device, 1).await.expect(403);
    admin.delete(&format!("/api/devices/{device}/shares/{}", share.data()["id"])).await.expect(200);
    let share = json!({"username": "bob", "permissions": ["wake"]});
    admin.post(&format!("/api/devices/{device}/shares"), share).await.expect(201);
    let _agent = connect(&server, agent, &lan(Some(Duration::ZERO), Probe::Answers)).await;
    let reply = wake(&bob, device, 30).await.expect(200);
    assert!(!reply.text.contains("eth7"), "{}", reply.text);
    assert_eq!(reply.data()["agentID"], Value::Null);
    assert_eq!(reply.data()["evidence"].get("agentID"), None);
}

#[tokio::test]
async fn a_withdrawn_wake_sends_nothing_more() {
    let scene = Scene::new("server").await;
    let client = &scene.admin;
    let lan = lan(None, Probe::Answers);
    for waits_for_agent in [true, false] {
        let connected =
            if waits_for_agent { None } else { Some(connect(&scene.server, scene.agent, &lan).await) };
        let body = json!({"kind": "wake", "deviceID": scene.device, "until": "online", "timeout": 60});
        let made = client.post("/api/operations", body).await.expect(202);
        let operation = format!("/api/operations/{}", made.data()["id"].as_str().unwrap());
        let state = if waits_for_agent { "queued" } else { "running" };
        until("the wake to be under way", || async {
            let packets = lan.lock().packets;
            let now = client.get(&operation).await.expect(200).data()["state"].clone();
            (now == state && (waits_for_agent || packets > 0)).then_some(())
        })
        .await;
        let before = lan.lock().packets;
        let canceled = client.post(&format!("{operation}/cancel"), json!({})).await.expect(200);
        assert_eq!(canceled.data()["state"], "canceled", "{}", canceled.text);
        until("the device not to be waking any more", || async {
            (presence(client, scene.device).await != "waking").then_some(())
        })
        .await;
        let connected = match connected {
            Some(connected) => connected,
            None => connect(&scene.server, scene.agent, &lan).await,
        };
        // Another wake is through: what the first had left to send would have come before.
        failed(&wake(client, scene.device, 4).await, "not_seen");
        let after = client.get(&operation).await.expect(200);
        assert_eq!(after.data()["state"], "canceled", "{}", after.text);
        let last = after.data()["trail"].as_array().unwrap().last().unwrap()["event"].clone();
        assert_eq!(last, "canceled", "{}", after.text);
        assert_eq!(lan.lock().packets, before + 1, "only the second wake sent");
        connected.abort();
        until("the agent to be gone", || async {
            (client.agent_status(scene.agent).await == "offline").then_some(())
        })
        .await;
    }
}
