//! Operations at their edges: headers of answers that wait, keys that meet other words of the contract, rights that end in
//! the middle, rows that are not visible, firmware that lacks a command.

use std::time::Duration;

use serde_json::{Value, json};

use super::operations::{PATH, events, get, made, post_with, until_state, wake, wakeup, with};
use super::support::scene::{MAC, SECRET, Scene};
use super::support::wait::{until, until_equal};
use super::support::{Client, Firmware, Reply, Server, soon};
use super::wake_until::{Probe, connect, lan};

async fn listed(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("{PATH}{query}")).await.expect(200).data().as_array().unwrap().clone()
}

/// A token of a user, and its ID.
async fn token(of: &Client, permissions: &[&str]) -> (String, i64) {
    let body = json!({"name": "t", "permissions": permissions});
    let made = of.post("/api/account/tokens", body).await.expect(201);
    (made.data()["token"].as_str().unwrap().to_owned(), made.data()["id"].as_i64().unwrap())
}

async fn get_as(server: &Server, token: &str, path: &str) -> Reply {
    let nobody = server.anonymous();
    nobody.send(nobody.http.get(nobody.url(path)).bearer_auth(token)).await
}

/// The path of an operation that an answer is about.
#[track_caller]
fn about(reply: &Reply) -> String {
    let path = format!("{PATH}/{}", reply.data()["id"].as_str().expect("an operation"));
    assert_eq!(reply.header("location"), Some(path.as_str()), "{:?}", reply.headers);
    assert_eq!(reply.header("vary"), Some("Prefer"));
    path
}

#[tokio::test]
async fn answers_that_wait_for_a_device_say_where_the_operation_is() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let path = format!("/api/devices/{device}/wakeup");
    let body = json!({"until": "online", "timeout": 60});
    let brief = post_with(&admin, &path, &json!({"until": "online", "timeout": 1}), &[]).await;
    assert_eq!(brief.status, 504);
    about(&brief);
    // Whoever would wait no longer is not kept longer.
    let begun = std::time::Instant::now();
    let reply = post_with(&admin, &path, &body, &[("Prefer", "wait=1")]).await.expect(202);
    assert_eq!((reply.message(), reply.header("preference-applied")), ("Operation accepted", Some("wait=1")));
    assert!((Duration::from_secs(1)..Duration::from_secs(40)).contains(&begun.elapsed()), "{begun:?}");
    admin.post(&format!("{}/cancel", about(&reply)), json!({})).await.expect(200);
    let _agent = connect(&server, agent, &lan(Some(Duration::ZERO), Probe::Answers)).await;
    let key = [("Idempotency-Key", "k"), ("Prefer", "wait=60")];
    let first = post_with(&admin, &path, &body, &key).await.expect(200);
    assert_eq!((first.message(), first.header("preference-applied")), ("Device is online", Some("wait=60")));
    let again = post_with(&admin, &path, &body, &key).await.expect(200);
    assert_eq!((about(&first), again.header("idempotent-replayed")), (about(&again), Some("true")));
}

#[tokio::test]
async fn a_look_at_what_is_not_visible_goes_on_to_what_is() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let seen = made(admin, json!({"kind": "command", "agentID": scene.agent, "command": "HEARTBEAT"})).await;
    // Newer, and of a device: a token that is for agents alone does not see them.
    for _ in 0..49 {
        made(admin, wake(scene.device)).await;
    }
    let (token, _) = token(admin, &["agents:read"]).await;
    for query in ["?limit=1".to_owned(), "?limit=2".to_owned(), format!("?limit=1&agentID={}", scene.agent)] {
        let page = get_as(&scene.server, &token, &format!("{PATH}{query}")).await.expect(200);
        let ids: Vec<_> = page.data().as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        assert_eq!((ids, page.header("link")), (vec![json!(seen)], None), "{query}");
    }
    let devices =
        get_as(&scene.server, &token, &format!("{PATH}?deviceID={}", scene.device)).await.expect(200);
    assert_eq!(devices.data(), &json!([]));
}

#[tokio::test]
async fn which_agent_a_shared_device_has_cannot_be_asked_either() {
    let scene = Scene::new("server").await;
    let bob = scene.server.user(&scene.admin, "bob", "user").await;
    let shares = format!("/api/devices/{}/shares", scene.device);
    let body = json!({"username": "bob", "permissions": ["view", "wake"]});
    scene.admin.post(&shares, body).await.expect(201);
    let id = made(&bob, wake(scene.device)).await;
    assert_eq!(listed(&bob, "").await[0]["id"], json!(id));
    assert_eq!(listed(&bob, &format!("?deviceID={}", scene.device)).await[0]["id"], json!(id));
    for agent in 0..=scene.agent + 1 {
        let query = format!("?agentID={}", agent.max(1));
        assert_eq!(listed(&bob, &query).await, Vec::<Value>::new(), "{query}");
    }
    assert_eq!(listed(&scene.admin, &format!("?agentID={}", scene.agent)).await.len(), 1);
}

#[tokio::test]
async fn what_was_sent_for_somebody_is_recorded_though_they_lose_the_right() {
    let scene = Scene::new("microcontroller").await;
    let admin = &scene.admin;
    let mut firmware = scene.firmware().await;
    let (token, id) = token(admin, &["agents:command", "devices:wake"]).await;
    let call = |path: String, body: Value| {
        let nobody = scene.server.anonymous();
        let request = nobody.http.post(nobody.url(&path)).bearer_auth(&token).json(&body);
        tokio::spawn(async move { nobody.send(request).await })
    };
    let payload = json!({"macAddress": "AA:BB:CC:DD:EE:01", "port": 9});
    let sent = call(format!("/api/agents/{}/commands/WAKEUP", scene.agent), payload);
    let frame = firmware.command().await;
    assert_eq!(frame.json["macAddress"], "AA:BB:CC:DD:EE:01");
    // This one waits in line, and is not sent.
    let waits = call(format!("/api/devices/{}/wakeup", scene.device), json!({}));
    tokio::time::sleep(Duration::from_millis(300)).await;
    admin.delete(&format!("/api/account/tokens/{id}")).await.expect(200);
    for call in [sent, waits] {
        let reply = soon("the refusal", call).await.unwrap();
        assert_eq!((reply.status, reply.code()), (401, "invalid_token"));
    }
    until_equal("what is recorded", 1, async || listed(admin, "").await.len()).await;
    let recorded = listed(admin, "").await.remove(0);
    let found = ["kind", "state", "reason"].map(|field| recorded[field].clone());
    assert_eq!(json!(found), json!(["command", "timed_out", "not_allowed"]), "{recorded}");
    firmware.reply_ok(&frame).await;
    let id = recorded["id"].as_str().unwrap();
    let done = until_state(admin, id, "succeeded").await;
    assert_eq!(events(&done), ["created", "sent", "timed_out", "answered_late"]);
    scene.assert_nothing_more(&mut firmware).await;
    assert_eq!(listed(admin, "?kind=wake").await, Vec::<Value>::new(), "it was never sent");
}

#[tokio::test]
async fn what_only_waited_in_line_was_not_sent() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let first = scene.wake();
    firmware.command().await;
    let second = scene.wake_mac("AA:BB:CC:DD:EE:01");
    let third = scene.ask("10.0.0.1");
    tokio::time::sleep(Duration::from_millis(300)).await;
    firmware.vanish();
    for call in [first, second, third] {
        assert_eq!(call.answer().await.expect(503).code(), "agent_disconnected");
    }
    until_equal("what is recorded", 1, async || listed(&scene.admin, "").await.len()).await;
    // Whatever else was to be recorded would be by now.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let recorded = listed(&scene.admin, "").await;
    assert_eq!((recorded.len(), &recorded[0]["kind"]), (1, &json!("wake")), "{recorded:?}");
}

#[tokio::test]
async fn a_command_that_firmware_does_not_know_failed_for_that() {
    const UNKNOWN: &str = r#"{"status":"ERROR","message":"Unknown command"}"#;
    let scene = Scene::new("microcontroller").await;
    let admin = &scene.admin;
    for direct in [false, true] {
        // It is remembered until it connects again.
        let mut firmware = scene.firmware().await;
        let probe = json!({"kind": "command", "agentID": scene.agent, "command": "PROBE", "payload": {"address": "10.0.0.1"}});
        let id = if direct {
            let client = admin.clone();
            let agent = scene.agent;
            let asked =
                tokio::spawn(
                    async move { client.command(agent, "PROBE", json!({"address": "10.0.0.1"})).await },
                );
            let frame = firmware.command().await;
            firmware.reply(&frame, UNKNOWN).await;
            assert_eq!(asked.await.unwrap().expect(409).code(), "command_not_supported");
            until_equal("the record", 2, async || listed(admin, "").await.len()).await;
            listed(admin, "").await[0]["id"].as_str().unwrap().to_owned()
        } else {
            let id = made(admin, probe).await;
            let frame = firmware.command().await;
            firmware.reply(&frame, UNKNOWN).await;
            id
        };
        let failed = until_state(admin, &id, "failed").await;
        assert_eq!(failed["reason"], "command_not_supported", "{failed}");
        assert!(failed["message"].as_str().unwrap().contains("does not know this command"), "{failed}");
        firmware.vanish();
        until_equal("offline", "offline".to_owned(), async || admin.agent_status(scene.agent).await).await;
    }
}

#[tokio::test]
async fn that_firmware_does_not_know_a_command_may_be_said_late() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let probe = json!({"kind": "command", "agentID": scene.agent, "command": "PROBE", "payload": {"address": "10.0.0.1"},
        "runTimeout": 1});
    let id = made(&scene.admin, probe.clone()).await;
    let frame = firmware.command().await;
    until_state(&scene.admin, &id, "timed_out").await;
    firmware.reply(&frame, r#"{"status":"ERROR","message":"Unknown command"}"#).await;
    let failed = until_state(&scene.admin, &id, "failed").await;
    assert_eq!(failed["reason"], "command_not_supported", "{failed}");
    assert_eq!(events(&failed), ["created", "sent", "timed_out", "answered_late"]);
    // As what is said in time, it is remembered.
    let refused = scene.admin.post(PATH, probe).await.expect(409);
    assert_eq!(refused.code(), "command_not_supported");
}

#[tokio::test]
async fn a_key_is_good_for_what_stood_for_the_request() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let body = with(wakeup(scene.agent), json!({"dedupe": "live"}));
    let first = made(admin, body.clone()).await;
    let key = [("Idempotency-Key", "k")];
    let same = post_with(admin, PATH, &body, &key).await.expect(200);
    assert_eq!((&same.data()["id"], same.header("idempotent-replayed")), (&json!(first), None));
    admin.post(&format!("{PATH}/{first}/cancel"), json!({})).await.expect(200);
    // As it stands now, and none other is made.
    let again = post_with(admin, PATH, &body, &key).await;
    assert_eq!(
        (&again.data()["id"], &again.data()["state"]),
        (&json!(first), &json!("canceled")),
        "{}",
        again.text
    );
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    // A slash at the end is no other path; another body is another request.
    let slash = post_with(admin, &format!("{PATH}/"), &body, &key).await;
    assert_eq!((&slash.data()["id"], slash.header("idempotent-replayed")), (&json!(first), Some("true")));
    let other = post_with(admin, PATH, &wakeup(scene.agent), &key).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"));
    // Another path, another user and a token of the same user.
    let path = format!("/api/devices/{}/wakeup", scene.device);
    let elsewhere =
        post_with(admin, &path, &json!({}), &[key[0], ("Prefer", "respond-async")]).await.expect(202);
    assert_eq!(elsewhere.header("idempotent-replayed"), None);
    let (token, _) = token(admin, &["agents:command"]).await;
    let nobody = scene.server.anonymous();
    let request =
        nobody.http.post(nobody.url(PATH)).bearer_auth(&token).header("Idempotency-Key", "k").json(&body);
    let by_token = nobody.send(request).await;
    assert_eq!(
        (&by_token.data()["id"], by_token.header("idempotent-replayed")),
        (&json!(first), Some("true"))
    );
}

#[tokio::test]
async fn a_key_outlives_a_restart_and_the_end_of_its_operation() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let serving = tokio::spawn(Firmware::connect(server.address(), agent, SECRET).await.serve());
    let path = format!("/api/devices/{device}/wakeup");
    let key = [("Idempotency-Key", "\"of the wake\"".trim_matches(' '))];
    let refused = post_with(&admin, &path, &json!({}), &key).await;
    assert_eq!(refused.status, 400, "a blank is no visible character");
    let key = [("Idempotency-Key", "\"of-the-wake\"")];
    let first = post_with(&admin, &path, &json!({}), &key).await.expect(200);
    assert_eq!((first.message(), &first.data()["state"]), ("Operation ended", &json!("succeeded")));
    let password = server.password.clone();
    let server = Server::start_in(server.stop().await, |_| {}).await;
    serving.abort();
    let admin = Client::login(server.address(), "admin", &password).await;
    // Nobody is connected: a new one would be refused.
    let again = post_with(&admin, &path, &json!({}), &key).await.expect(200);
    assert_eq!(again.data()["id"], first.data()["id"]);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(listed(&admin, "").await.len(), 1);
}

#[tokio::test]
async fn whether_a_device_is_up_already_is_asked_before_the_packet_can_have_woken_it() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let lan = lan(Some(Duration::ZERO), Probe::Answers);
    let _agent = connect(&server, agent, &lan).await;
    let body = json!({"until": "online", "timeout": 60});
    let woken = admin.post(&format!("/api/devices/{device}/wakeup"), body).await.expect(200);
    let evidence = &woken.data()["evidence"];
    assert_eq!((&evidence["wasOnline"], &evidence["packets"]), (&json!(false), &json!(1)), "{}", woken.text);
    assert!(woken.data()["message"].as_str().unwrap().starts_with("Online after "), "{}", woken.text);
    let trail = get(&admin, woken.data()["id"].as_str().unwrap()).await;
    assert_eq!(events(&trail)[..3], ["created", "agent_chosen", "packet_sent"]);
    assert_eq!(trail["trail"][3]["found"], "not_seen", "{trail}");
}

#[tokio::test]
async fn what_is_live_takes_no_room_of_what_has_ended() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let mut ended = Vec::new();
    for _ in 0..3 {
        let id = made(admin, wakeup(scene.agent)).await;
        admin.post(&format!("{PATH}/{id}/cancel"), json!({})).await.expect(200);
        ended.push(id);
    }
    for _ in 0..4 {
        made(admin, wakeup(scene.agent)).await;
    }
    let host = scene.server.host();
    let bound = |entries: u32| {
        let mut config = (*host.config.load_full()).clone();
        config.operations.max_entries = entries;
        host.config.store(config.into());
    };
    bound(3);
    assert_eq!(netignite::domain::operation::retention::prune(host).await.unwrap(), 0, "three have ended");
    bound(2);
    assert_eq!(netignite::domain::operation::retention::prune(host).await.unwrap(), 1);
    admin.get(&format!("{PATH}/{}", ended[0])).await.expect(404);
    assert_eq!(
        (listed(admin, "?state=canceled").await.len(), listed(admin, "?state=live").await.len()),
        (2, 4)
    );
}

#[tokio::test]
async fn tokens_that_are_for_devices_command_no_agent() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let other = admin.create_device(scene.agent, MAC).await;
    let body =
        json!({"name": "t", "permissions": ["devices:read", "devices:wake"], "deviceIDs": [scene.device]});
    let made = admin.post("/api/account/tokens", body).await.expect(201);
    let token = made.data()["token"].as_str().unwrap().to_owned();
    let post = async |path: &str, body: Value| {
        let nobody = scene.server.anonymous();
        nobody.send(nobody.http.post(nobody.url(path)).bearer_auth(&token).json(&body)).await
    };
    let mine = post(PATH, wake(scene.device)).await.expect(202);
    post(PATH, wake(other)).await.expect(404);
    post(PATH, wakeup(scene.agent)).await.expect(403);
    let theirs = self::made(admin, wake(other)).await;
    let command = self::made(admin, wakeup(scene.agent)).await;
    for id in [&theirs, &command] {
        get_as(&scene.server, &token, &format!("{PATH}/{id}")).await.expect(404);
        post(&format!("{PATH}/{id}/cancel"), json!({})).await.expect(404);
    }
    let list = get_as(&scene.server, &token, PATH).await.expect(200);
    assert_eq!(list.data().as_array().unwrap().len(), 1, "{}", list.text);
    let agents = get_as(&scene.server, &token, &format!("{PATH}?agentID={}", scene.agent)).await.expect(200);
    assert_eq!(agents.data().as_array().unwrap().len(), 1, "{}", agents.text);
    let id = mine.data()["id"].as_str().unwrap().to_owned();
    assert_eq!(mine.data()["createdBy"]["kind"], "token");
    post(&format!("{PATH}/{id}/cancel"), json!({})).await.expect(200);
}

#[tokio::test]
async fn of_withdrawals_that_race_one_is_done_and_of_a_withdrawal_and_a_turn_either() {
    let scene = Scene::new("microcontroller").await;
    let admin = &scene.admin;
    let id = made(admin, wakeup(scene.agent)).await;
    let cancel =
        |id: String| async move { admin.post(&format!("{PATH}/{id}/cancel"), json!({})).await.status };
    let mut all = futures_util::future::join_all((0..8).map(|_| cancel(id.clone()))).await;
    all.sort_unstable();
    assert_eq!(all, [200, 409, 409, 409, 409, 409, 409, 409]);
    let firmware = scene.firmware().await;
    let serving = tokio::spawn(firmware.serve());
    for _ in 0..20 {
        let id = made(admin, wakeup(scene.agent)).await;
        let status = cancel(id.clone()).await;
        let ended = until("the end", || async {
            let one = get(admin, &id).await;
            one["endedAt"].is_i64().then_some(one)
        })
        .await;
        let (state, attempts) = (ended["state"].as_str().unwrap(), ended["attempts"].as_i64().unwrap());
        match status {
            200 => assert_eq!((state, attempts), ("canceled", 0), "{ended}"),
            409 => assert_eq!((state, attempts), ("succeeded", 1), "{ended}"),
            other => panic!("{other}: {ended}"),
        }
    }
    serving.abort();
}
