//! Operations through the API: made, queued, sent, answered, withdrawn, found again, and seen by whoever may.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::support::scene::{MAC, SECRET, Scene};
use super::support::wait::until_equal;
use super::support::{Client, Firmware, Reply, soon};

pub(super) const PATH: &str = "/api/operations";

pub(super) fn wakeup(agent: i64) -> Value {
    json!({"kind": "command", "agentID": agent, "command": "WAKEUP",
        "payload": {"macAddress": "AA:BB:CC:DD:EE:FF", "port": 9}})
}

fn ask(agent: i64) -> Value {
    json!({"kind": "command", "agentID": agent, "command": "GET_STATUS", "payload": {"address": "10.0.0.1"}})
}

pub(super) fn wake(device: i64) -> Value {
    json!({"kind": "wake", "deviceID": device})
}

pub(super) fn with(mut body: Value, more: Value) -> Value {
    let (body_map, more) = (body.as_object_mut().unwrap(), more.as_object().unwrap().clone());
    body_map.extend(more);
    body
}

pub(super) async fn made(client: &Client, body: Value) -> String {
    let reply = client.post(PATH, body).await.expect(202);
    reply.data()["id"].as_str().expect("a UUID").to_owned()
}

pub(super) async fn get(client: &Client, id: &str) -> Value {
    client.get(&format!("{PATH}/{id}")).await.expect(200).data().clone()
}

async fn state(client: &Client, id: &str) -> String {
    get(client, id).await["state"].as_str().unwrap().to_owned()
}

pub(super) async fn until_state(client: &Client, id: &str, wanted: &str) -> Value {
    until_equal(&format!("the state of {id}"), wanted.to_owned(), async || state(client, id).await).await;
    get(client, id).await
}

pub(super) fn events(operation: &Value) -> Vec<&str> {
    operation["trail"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

/// Sends with headers.
pub(super) async fn post_with(client: &Client, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let mut request = client.http.request(Method::POST, client.url(path)).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

#[tokio::test]
async fn a_command_waits_for_its_agent_and_is_done_when_that_connects() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let before = scene.server.host().clock.now();
    let reply = admin.post(PATH, wakeup(scene.agent)).await.expect(202);
    assert_eq!(reply.message(), "Operation accepted");
    let operation = reply.data();
    let id = operation["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), Some(format!("{PATH}/{id}").as_str()));
    for (field, value) in [
        ("kind", json!("command")),
        ("state", json!("queued")),
        ("reason", Value::Null),
        ("agentID", json!(scene.agent)),
        ("deviceID", Value::Null),
        ("command", json!("WAKEUP")),
        ("result", Value::Null),
        ("evidence", Value::Null),
        ("attempts", json!(0)),
        ("maxAttempts", json!(3)),
        ("startedAt", Value::Null),
        ("endedAt", Value::Null),
        ("createdBy", json!({"kind": "user", "id": admin.user, "name": "admin"})),
        ("parentID", Value::Null),
    ] {
        assert_eq!(operation[field], value, "{field}");
    }
    let created = operation["createdAt"].as_i64().unwrap();
    assert!(created >= before && operation["deliverBy"] == json!(created + 300_000), "{operation}");
    assert_eq!(operation["payload"]["macAddress"], "AA:BB:CC:DD:EE:FF");

    let mut firmware = scene.firmware().await;
    let frame = firmware.command().await;
    assert_eq!(frame.command, "WAKEUP");
    assert_eq!(state(admin, &id).await, "running");
    firmware.reply_ok(&frame).await;
    let done = until_state(admin, &id, "succeeded").await;
    assert_eq!(events(&done), ["created", "sent", "answered"]);
    assert_eq!(done["attempts"], 1);
    assert_eq!(done["result"]["message"], "Magic packet sent");
    assert!(done["startedAt"].is_i64() && done["endedAt"].is_i64());
}

#[tokio::test]
async fn a_queue_is_worked_off_in_order_actions_first() {
    let scene = Scene::new("microcontroller").await;
    let admin = &scene.admin;
    let question = made(admin, ask(scene.agent)).await;
    let mut actions = Vec::new();
    for port in 1..=5 {
        let mut body = wakeup(scene.agent);
        body["payload"]["port"] = json!(port);
        actions.push(made(admin, body).await);
    }
    let mut firmware = scene.firmware().await;
    for (at, id) in actions.iter().enumerate() {
        let frame = firmware.command().await;
        assert_eq!(frame.json["port"], json!(at + 1), "first in, first out");
        assert_eq!(state(admin, id).await, "running");
        for later in &actions[at + 1..] {
            assert_eq!(state(admin, later).await, "queued", "one at a time");
        }
        firmware.reply_ok(&frame).await;
    }
    let frame = firmware.command().await;
    assert_eq!(frame.command, "GET_STATUS");
    firmware.reply_ok(&frame).await;
    until_state(admin, &question, "succeeded").await;
}

#[tokio::test]
async fn a_wake_is_an_operation_of_its_device() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let id = made(admin, wake(scene.device)).await;
    let mut firmware = scene.firmware().await;
    let frame = firmware.command().await;
    let payload = &frame.json;
    assert_eq!((frame.command.as_str(), &payload["macAddress"]), ("WAKEUP", &json!("AA:BB:CC:DD:EE:FF")));
    firmware.reply_ok(&frame).await;
    let done = until_state(admin, &id, "succeeded").await;
    assert_eq!((&done["kind"], &done["deviceID"]), (&json!("wake"), &json!(scene.device)));
    // What is stored of the device by then counts.
    firmware.vanish();
    until_equal("offline", "offline".to_owned(), async || admin.agent_status(scene.agent).await).await;
    let gone = made(admin, wake(scene.device)).await;
    admin.delete(&format!("/api/devices/{}", scene.device)).await.expect(200);
    let gone = get(admin, &gone).await;
    assert_eq!((&gone["state"], &gone["reason"]), (&json!("canceled"), &json!("device_deleted")));
    let left = made(admin, wakeup(scene.agent)).await;
    admin.delete(&format!("/api/agents/{}", scene.agent)).await.expect(200);
    let left = get(admin, &left).await;
    assert_eq!((&left["state"], &left["reason"]), (&json!("canceled"), &json!("agent_deleted")));
}

#[tokio::test]
async fn a_refusal_ends_it_with_the_agents_words() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let id = made(&scene.admin, wakeup(scene.agent)).await;
    let frame = firmware.command().await;
    firmware.reply(&frame, r#"{"status":"ERROR","message":"no <network>"}"#).await;
    let failed = until_state(&scene.admin, &id, "failed").await;
    assert_eq!(failed["reason"], "command_failed");
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("no ") && message.contains("network") && !message.contains('<'), "{message}");
    let id = made(&scene.admin, wakeup(scene.agent)).await;
    let frame = firmware.command().await;
    firmware.reply(&frame, "17").await;
    assert_eq!(until_state(&scene.admin, &id, "failed").await["reason"], "bad_reply");
}

#[tokio::test]
async fn a_late_answer_ends_it_otherwise() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let id = made(&scene.admin, with(wakeup(scene.agent), json!({"runTimeout": 1}))).await;
    let frame = firmware.command().await;
    let late = until_state(&scene.admin, &id, "timed_out").await;
    assert_eq!(late["reason"], "agent_timeout");
    assert!(late["endedAt"].is_i64());
    firmware.reply_ok(&frame).await;
    let done = until_state(&scene.admin, &id, "succeeded").await;
    assert_eq!(events(&done), ["created", "sent", "timed_out", "answered_late"]);
    assert_eq!((&done["reason"], &done["result"]["status"]), (&Value::Null, &json!("OK")));
}

#[tokio::test]
async fn a_lost_connection_is_tried_again_where_that_does_no_harm() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let mut firmware = scene.firmware().await;
    let id = made(admin, wakeup(scene.agent)).await;
    firmware.command().await;
    firmware.vanish();
    let waiting = until_state(admin, &id, "queued").await;
    assert_eq!(waiting["reason"], "connection_lost");
    let mut firmware = scene.firmware().await;
    let again = firmware.command().await;
    firmware.reply_ok(&again).await;
    let done = until_state(admin, &id, "succeeded").await;
    assert_eq!(events(&done), ["created", "sent", "connection_lost", "queued", "sent", "answered"]);
    assert_eq!(done["attempts"], 2);
    // With no attempt left.
    let id = made(admin, with(wakeup(scene.agent), json!({"maxAttempts": 1}))).await;
    firmware.command().await;
    firmware.vanish();
    let failed = until_state(admin, &id, "failed").await;
    assert_eq!(failed["reason"], "connection_lost");
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let Scene { server, admin, agent, .. } = Scene::new("server").await;
    let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
    let running = made(&admin, wakeup(agent)).await;
    firmware.command().await;
    firmware.vanish();
    let waiting =
        made(&admin, with(wakeup(agent), json!({"payload": {"macAddress": "AA:BB:CC:DD:EE:01", "port": 9}})))
            .await;
    let password = server.password.clone();
    let directory = server.stop().await;
    let server = super::support::Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &password).await;
    let firmware = Firmware::connect(server.address(), agent, SECRET).await;
    let serving = tokio::spawn(firmware.serve());
    for id in [&running, &waiting] {
        until_state(&admin, id, "succeeded").await;
    }
    let trail = get(&admin, &running).await;
    assert!(
        events(&trail).iter().any(|event| ["connection_lost", "server_restarted"].contains(event)),
        "{trail}"
    );
    serving.abort();
}

#[tokio::test]
async fn time_alone_ends_what_is_never_sent() {
    let scene = Scene::new("server").await;
    let id = made(&scene.admin, with(wakeup(scene.agent), json!({"deliverWithin": 1}))).await;
    let expired = until_state(&scene.admin, &id, "expired").await;
    assert_eq!((&expired["reason"], &expired["attempts"]), (&json!("agent_offline"), &json!(0)));
    // An agent that comes later is sent nothing.
    let mut firmware = scene.firmware().await;
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn what_was_found_due_ends_though_the_clock_is_set_back_before_that_is_stored() {
    let scene = Scene::new("server").await;
    let id = made(&scene.admin, with(wakeup(scene.agent), json!({"deliverWithin": 1}))).await;
    // Whoever would store that it ended waits.
    let host = scene.server.host().clone();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holding = tokio::spawn(async move { host.store.write(move |_| Ok(released.recv())).await });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    scene.server.host().clock.set_by(-60 * 60 * 1000);
    release.send(()).unwrap();
    holding.await.unwrap().unwrap().unwrap();
    let expired = until_state(&scene.admin, &id, "expired").await;
    assert_eq!(expired["reason"], "agent_offline");
}

#[tokio::test]
async fn what_does_not_get_its_turn_in_time_says_that_its_agent_was_busy() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let before = made(&scene.admin, wakeup(scene.agent)).await;
    let command = firmware.command().await;
    let id = made(&scene.admin, with(wakeup(scene.agent), json!({"deliverWithin": 1}))).await;
    let expired = until_state(&scene.admin, &id, "expired").await;
    assert_eq!((&expired["reason"], &expired["attempts"]), (&json!("agent_busy"), &json!(0)));
    assert_eq!(expired["message"], "Its turn did not come in time: it was never sent");
    firmware.reply_ok(&command).await;
    until_state(&scene.admin, &before, "succeeded").await;
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn what_was_not_sent_can_be_withdrawn() {
    let scene = Scene::new("microcontroller").await;
    let admin = &scene.admin;
    let id = made(admin, wakeup(scene.agent)).await;
    let cancel = async |id: &str| admin.post(&format!("{PATH}/{id}/cancel"), json!({})).await;
    let reply = cancel(&id).await.expect(200);
    assert_eq!((reply.message(), &reply.data()["state"]), ("Operation canceled", &json!("canceled")));
    let again = cancel(&id).await;
    assert_eq!((again.status, again.code()), (409, "operation_ended"));
    assert_eq!(again.data()["id"], json!(id), "an error about an operation carries it");
    let mut firmware = scene.firmware().await;
    scene.assert_nothing_more(&mut firmware).await;
    // One is sent, the next still waits for its turn.
    let first = made(admin, wakeup(scene.agent)).await;
    let frame = firmware.command().await;
    let second = made(admin, wakeup(scene.agent)).await;
    let running = cancel(&first).await;
    assert_eq!((running.status, running.code()), (409, "operation_running"));
    assert_eq!(running.data()["state"], "running");
    cancel(&second).await.expect(200);
    firmware.reply_ok(&frame).await;
    until_state(admin, &first, "succeeded").await;
    scene.assert_nothing_more(&mut firmware).await;
    // Who asked and who withdrew is in the audit log.
    until_equal("what was noted", [3, 2], async || {
        let mut counts = [0, 0];
        for (count, action) in counts.iter_mut().zip(["operation.create", "operation.cancel"]) {
            let page = admin.get(&format!("/api/admin/audit?action={action}")).await.expect(200);
            let entries = page.data()["entries"].as_array().unwrap();
            *count = entries.iter().map(|entry| entry["count"].as_i64().unwrap()).sum();
        }
        counts
    })
    .await;
}

#[tokio::test]
async fn a_caller_may_wait_for_the_end() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let unmet =
        post_with(admin, PATH, &wakeup(scene.agent), &[("Prefer", "wait=1, foo=bar")]).await.expect(202);
    assert_eq!(unmet.header("preference-applied"), Some("wait=1"));
    assert_eq!(unmet.header("vary"), Some("Prefer"));
    assert_eq!(unmet.data()["state"], "queued");
    let firmware = scene.firmware().await;
    let serving = tokio::spawn(firmware.serve());
    let body = wakeup(scene.agent);
    let met = post_with(admin, PATH, &body, &[("Prefer", "wait=60")]);
    let met = soon("the end", met).await.expect(200);
    assert_eq!(met.data()["state"], "succeeded");
    let path = format!("/api/agents/{}/commands/WAKEUP", scene.agent);
    let payload = json!({"macAddress": "AA:BB:CC:DD:EE:FF", "port": 9});
    let accepted = post_with(admin, &path, &payload, &[("Prefer", "respond-async")]).await.expect(202);
    assert_eq!(accepted.header("preference-applied"), Some("respond-async"));
    until_state(admin, accepted.data()["id"].as_str().unwrap(), "succeeded").await;
    serving.abort();
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_done_once() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let key = [("Idempotency-Key", "\"the-same\"")];
    let body = wakeup(scene.agent);
    let many = (0..8).map(|_| post_with(admin, PATH, &body, &key));
    let replies = futures_util::future::join_all(many).await;
    let id = replies[0].data()["id"].clone();
    let replayed = replies.iter().filter(|reply| reply.header("idempotent-replayed") == Some("true")).count();
    assert_eq!(replayed, 7);
    assert!(replies.iter().all(|reply| reply.status == 202 && reply.data()["id"] == id));
    let bare =
        post_with(admin, PATH, &wakeup(scene.agent), &[("Idempotency-Key", "the-other")]).await.expect(202);
    assert_ne!(bare.data()["id"], id);
    let other = post_with(admin, PATH, &ask(scene.agent), &key).await;
    assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"));
    let bob = scene.server.user(admin, "bob", "user").await;
    let foreign = post_with(&bob, PATH, &wakeup(scene.agent), &key).await;
    assert_eq!(foreign.status, 404, "another user's key is another key");
    // A refused request is not kept.
    let bad = [("Idempotency-Key", "fresh")];
    post_with(admin, PATH, &wakeup(scene.agent + 99), &bad).await.expect(404);
    post_with(admin, PATH, &wakeup(scene.agent), &bad).await.expect(202);
    for key in ["", "with space", "\"open"] {
        post_with(admin, PATH, &wakeup(scene.agent), &[("Idempotency-Key", key)]).await.expect(400);
    }
    scene.server.host().clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    let late = post_with(admin, PATH, &ask(scene.agent), &key).await;
    assert_ne!(late.status, 422, "kept for a day: {}", late.text);
}

#[tokio::test]
async fn one_that_is_live_stands_for_another() {
    let scene = Scene::new("server").await;
    let body = with(wakeup(scene.agent), json!({"dedupe": "live"}));
    let first = made(&scene.admin, body.clone()).await;
    let same = scene.admin.post(PATH, body.clone()).await.expect(200);
    assert_eq!(same.data()["id"], json!(first));
    scene.admin.post(&format!("{PATH}/{first}/cancel"), json!({})).await.expect(200);
    assert_ne!(made(&scene.admin, body).await, first);
}

#[tokio::test]
async fn there_are_bounds() {
    let scene = Scene::new("server").await;
    let offline = scene.admin.post(PATH, with(wakeup(scene.agent), json!({"queue": false}))).await;
    assert_eq!((offline.status, offline.code()), (503, "agent_offline"));
    let all = scene.admin.get(PATH).await.expect(200);
    assert_eq!(all.data(), &json!([]), "nothing is stored");
    for _ in 0..50 {
        made(&scene.admin, wakeup(scene.agent)).await;
    }
    let full = scene.admin.post(PATH, wakeup(scene.agent)).await;
    assert_eq!((full.status, full.code()), (429, "too_many_operations"));
    assert!(full.header("retry-after").is_some());
    for (body, field) in [
        (json!({}), "kind"),
        (json!({"kind": "dance"}), "kind"),
        (json!({"kind": "command", "command": "WAKEUP"}), "agentID"),
        (json!({"kind": "wake"}), "deviceID"),
        (with(wakeup(1), json!({"deliverWithin": 86_401})), "deliverWithin"),
        (with(wakeup(1), json!({"maxAttempts": 11})), "maxAttempts"),
        (with(wakeup(1), json!({"runTimeout": 3601})), "runTimeout"),
        (with(wakeup(1), json!({"dedupe": "all"})), "dedupe"),
        (with(wakeup(1), json!({"queue": "no"})), "queue"),
        (with(wakeup(1), json!({"payload": []})), "payload"),
    ] {
        let reply = scene.admin.post(PATH, body.clone()).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], field, "{body}: {}", reply.text);
    }
    scene.admin.post(PATH, with(wakeup(scene.agent), json!({"payload": {"port": 9}}))).await.expect(400);
    scene.admin.get(&format!("{PATH}/17")).await.expect(400);
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    scene.admin.get(&format!("{PATH}/{nobody}")).await.expect(404);
}

#[tokio::test]
async fn lists_come_in_pages_that_are_filtered() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let other = admin.create_agent("server", SECRET).await;
    let mut made_ids = Vec::new();
    for turn in 0..7 {
        let body = match turn % 3 {
            0 => wake(scene.device),
            1 => wakeup(scene.agent),
            _ => wakeup(other),
        };
        made_ids.push(made(admin, body).await);
    }
    admin.post(&format!("{PATH}/{}/cancel", made_ids[0]), json!({})).await.expect(200);
    made_ids.reverse();
    let mut listed = Vec::new();
    let mut next = Some(format!("{PATH}?limit=3"));
    while let Some(path) = next {
        let reply = admin.get(&path).await.expect(200);
        let page = reply.data().as_array().unwrap();
        assert!(page.len() <= 3 && page.iter().all(|one| one.get("trail").is_none()));
        listed.extend(page.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        next = reply.header("link").map(|link| {
            let (target, rel) = link.split_once(">; ").unwrap();
            assert_eq!(rel, "rel=\"next\"");
            target.trim_start_matches('<').to_owned()
        });
    }
    assert_eq!(listed, made_ids);
    let count = async |query: &str| {
        admin.get(&format!("{PATH}?{query}")).await.expect(200).data().as_array().unwrap().len()
    };
    assert_eq!(count("state=live").await, 6);
    assert_eq!(count("state=canceled").await, 1);
    assert_eq!(count("kind=wake").await, 3);
    assert_eq!(count(&format!("agentID={other}")).await, 2);
    assert_eq!(count(&format!("deviceID={}&state=queued", scene.device)).await, 2);
    let now = scene.server.host().clock.now();
    assert_eq!(count(&format!("since={}", now + 60_000)).await, 0);
    assert_eq!(count(&format!("since={}", now - 60_000)).await, 7);
    for (query, field) in [
        ("state=done", "state"),
        ("kind=x", "kind"),
        ("limit=501", "limit"),
        ("limit=0", "limit"),
        ("cursor=1", "cursor"),
        ("since=1700000000", "since"),
        ("agentID=x", "agentID"),
        ("state=live&state=failed", "state"),
    ] {
        let reply = admin.get(&format!("{PATH}?{query}")).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], field, "{query}");
    }
}

#[tokio::test]
async fn what_is_done_directly_is_recorded() {
    let scene = Scene::new("server").await;
    let firmware = scene.firmware().await;
    let serving = tokio::spawn(firmware.serve());
    scene.wake().answer().await.expect(200);
    scene.wake_mac("AA:BB:CC:DD:EE:01").answer().await.expect(200);
    let admin = &scene.admin;
    until_equal("both are recorded", 2, async || {
        admin.get(PATH).await.expect(200).data().as_array().unwrap().len()
    })
    .await;
    let list = admin.get(PATH).await.expect(200);
    let [command, wake] = [0, 1].map(|at| list.data()[at].clone());
    assert_eq!((&command["kind"], &wake["kind"]), (&json!("command"), &json!("wake")));
    assert_eq!((&command["agentID"], &wake["deviceID"]), (&json!(scene.agent), &json!(scene.device)));
    for one in [command, wake] {
        assert_eq!((&one["state"], &one["attempts"]), (&json!("succeeded"), &json!(1)));
        let whole = get(admin, one["id"].as_str().unwrap()).await;
        assert_eq!(events(&whole), ["created", "sent", "succeeded"]);
    }
    serving.abort();
}

#[tokio::test]
async fn a_late_answer_to_a_direct_call_ends_its_record_otherwise() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let mut firmware = scene.firmware().await;
    let calls = [scene.wake(), scene.wake_mac("AA:BB:CC:DD:EE:01")];
    let frames = [firmware.command().await, firmware.command().await];
    for call in calls {
        assert_eq!(call.answer().await.expect(504).code(), "agent_timeout");
    }
    until_equal("both are recorded", json!(["timed_out", "timed_out"]), async || {
        let list = admin.get(PATH).await.expect(200);
        list.data().as_array().unwrap().iter().map(|one| one["state"].clone()).collect()
    })
    .await;
    for frame in &frames {
        let done = frame.json["macAddress"] == MAC;
        let no = r#"{"status":"ERROR","code":"card_busy","message":"eth7 was busy"}"#;
        firmware.reply(frame, if done { r#"{"status":"OK","message":"sent"}"# } else { no }).await;
    }
    let list = admin.get(PATH).await.expect(200);
    for one in list.data().as_array().unwrap() {
        let (state, reason) = match one["kind"].as_str().unwrap() {
            "wake" => ("succeeded", Value::Null),
            _ => ("failed", json!("command_failed")),
        };
        let done = until_state(admin, one["id"].as_str().unwrap(), state).await;
        assert_eq!(done["reason"], reason, "{done}");
        if state == "failed" {
            assert_eq!(done["evidence"], json!({"agentCode": "card_busy"}), "{done}");
        }
        assert_eq!(events(&done), ["created", "sent", "timed_out", "answered_late"]);
        assert!(done["trail"].as_array().unwrap().is_sorted_by_key(|entry| entry["at"].as_i64()), "{done}");
    }
}

#[tokio::test]
async fn everyone_sees_their_own_and_a_sharee_our_words() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let owner = scene.server.user(admin, "owner", "user").await;
    let (bob, eve) =
        (scene.server.user(admin, "bob", "user").await, scene.server.user(admin, "eve", "user").await);
    let agent = owner.create_agent("server", SECRET).await;
    let device = owner.create_device(agent, "AA:BB:CC:DD:EE:02").await;
    let shares = format!("/api/devices/{device}/shares");
    let share =
        owner.post(&shares, json!({"username": "bob", "permissions": ["view", "wake"]})).await.expect(201);
    let mut firmware = Firmware::connect(scene.server.address(), agent, SECRET).await;
    let theirs = made(&owner, wakeup(agent)).await;
    let frame = firmware.command().await;
    firmware.reply_ok(&frame).await;
    let shared = made(&bob, wake(device)).await;
    let frame = firmware.command().await;
    firmware.reply(&frame, r#"{"status":"ERROR","message":"the cellar is flooded"}"#).await;
    until_state(&owner, &shared, "failed").await;
    let whole = get(&owner, &shared).await;
    assert!(whole.to_string().contains("flooded") && whole["agentID"] == json!(agent), "{whole}");
    let seen = get(&bob, &shared).await;
    assert!(!seen.to_string().contains("flooded"), "an agent's words are its owner's: {seen}");
    assert_eq!((&seen["agentID"], &seen["result"]), (&Value::Null, &Value::Null));
    assert_eq!(seen["createdBy"]["name"], "bob");
    let one = |id: &str| format!("{PATH}/{id}");
    bob.get(&one(&theirs)).await.expect(404);
    eve.get(&one(&shared)).await.expect(404);
    eve.post(&format!("{PATH}/{shared}/cancel"), json!({})).await.expect(404);
    eve.post(PATH, wake(device)).await.expect(404);
    bob.post(PATH, wakeup(agent)).await.expect(404);
    let ids = async |client: &Client, query: &str| {
        let reply = client.get(&format!("{PATH}{query}")).await.expect(200);
        let list = reply.data().as_array().unwrap().iter();
        list.map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&owner, "").await, [shared.clone(), theirs.clone()]);
    assert_eq!(ids(&bob, "").await, std::slice::from_ref(&shared));
    assert_eq!(ids(&eve, "").await, Vec::<String>::new());
    assert_eq!(ids(&eve, &format!("?agentID={agent}")).await, Vec::<String>::new());
    assert_eq!(ids(admin, "").await, Vec::<String>::new());
    assert_eq!(ids(admin, "?adminMode=true").await, [shared.clone(), theirs.clone()]);
    // A token sees what it is for.
    let token = async |body: Value| {
        let made = owner.post("/api/account/tokens", with(body, json!({"name": "t"}))).await.expect(201);
        made.data()["token"].as_str().unwrap().to_owned()
    };
    let call = async |token: &str, path: String| {
        let anonymous = scene.server.anonymous();
        let request = anonymous.http.get(anonymous.url(&path)).bearer_auth(token);
        anonymous.send(request).await.status
    };
    let another = owner.create_device(agent, "AA:BB:CC:DD:EE:03").await;
    for (body, of_device, of_agent) in [
        (json!({"permissions": ["devices:read"]}), 200, 404),
        (json!({"permissions": ["agents:read"]}), 404, 200),
        (json!({"permissions": ["devices:read"], "deviceIDs": [device]}), 200, 404),
        (json!({"permissions": ["devices:read"], "deviceIDs": [another]}), 404, 404),
    ] {
        let text = token(body.clone()).await;
        assert_eq!(call(&text, one(&shared)).await, of_device, "{body}");
        assert_eq!(call(&text, one(&theirs)).await, of_agent, "{body}");
    }
    // A share that is taken back while its wake is queued.
    firmware.vanish();
    until_equal("offline", "offline".to_owned(), async || owner.agent_status(agent).await).await;
    let queued = made(&bob, wake(device)).await;
    let id = share.data()["id"].as_i64().unwrap();
    owner.delete(&format!("{shares}/{id}")).await.expect(200);
    bob.get(&one(&queued)).await.expect(404);
    let firmware = Firmware::connect(scene.server.address(), agent, SECRET).await;
    let serving = tokio::spawn(firmware.serve());
    let refused = until_state(&owner, &queued, "canceled").await;
    assert_eq!((&refused["reason"], &refused["attempts"]), (&json!("not_allowed"), &json!(0)));
    serving.abort();
}

#[tokio::test]
async fn what_a_deleted_user_asked_for_is_withdrawn() {
    let scene = Scene::new("server").await;
    let eve = scene.server.user(&scene.admin, "eve", "admin").await;
    let body = json!({"kind": "command", "agentID": scene.agent, "command": "HEARTBEAT"});
    let queued = eve.post(&format!("{PATH}?adminMode=true"), body).await.expect(202);
    scene.admin.delete(&format!("/api/admin/users/{}", eve.user)).await.expect(200);
    let id = queued.data()["id"].as_str().unwrap();
    let read = scene.admin.get(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!((&read.data()["state"], &read.data()["reason"]), (&json!("canceled"), &json!("not_allowed")));
    let mut firmware = scene.firmware().await;
    scene.assert_nothing_more(&mut firmware).await;
}
