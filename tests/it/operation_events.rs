//! What live events say of operations: every change that is stored, to whoever sees the operation in the list.

use serde_json::{Value, json};

use super::support::events::{Event, Stream};
use super::support::scene::{MAC, SECRET, Scene};
use super::support::{Client, Server};

const PATH: &str = "/api/operations";
const ONLY: &str = "?types=operation.changed";

fn wakeup(agent: i64) -> Value {
    json!({"kind": "command", "agentID": agent, "command": "WAKEUP",
        "payload": {"macAddress": MAC, "port": 9}, "maxAttempts": 1})
}

async fn made(client: &Client, body: Value) -> String {
    client.post(PATH, body).await.expect(202).data()["id"].as_str().unwrap().to_owned()
}

/// The next event, which must be about this operation in this state.
async fn next(stream: &mut Stream, id: &str, state: &str) -> Event {
    let event = stream.event().await;
    let found = (event.kind.as_str(), &event.data["id"], &event.data["state"]);
    assert_eq!(found, ("operation.changed", &json!(id), &json!(state)), "{}", event.data);
    event
}

/// The events of operations up to the one of an operation that is made now, which is left out.
async fn so_far(maker: &Client, agent: i64, stream: &mut Stream) -> Vec<Event> {
    let mark = made(maker, wakeup(agent)).await;
    let mut before = Vec::new();
    loop {
        let event = stream.event().await;
        if event.data["id"] == json!(mark) {
            return before;
        }
        before.push(event);
    }
}

async fn listed(client: &Client, id: &str) -> Value {
    let list = client.get(PATH).await.expect(200);
    list.data().as_array().unwrap().iter().find(|one| one["id"] == id).expect("it is listed").clone()
}

#[tokio::test]
async fn every_change_of_an_operation_is_passed_on_as_lists_show_it() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let mut stream = Stream::open(admin, ONLY).await;
    let id = made(admin, wakeup(scene.agent)).await;
    let queued = next(&mut stream, &id, "queued").await;
    assert_eq!(queued.data, listed(admin, &id).await);

    let mut firmware = scene.firmware().await;
    let sent = firmware.command().await;
    assert_eq!(next(&mut stream, &id, "running").await.data, listed(admin, &id).await);
    firmware.reply_ok(&sent).await;
    assert_eq!(next(&mut stream, &id, "succeeded").await.data, listed(admin, &id).await);

    // Not answered in time, and answered late.
    let mut short = wakeup(scene.agent);
    short["runTimeout"] = json!(1);
    let late = made(admin, short).await;
    let sent = firmware.command().await;
    for state in ["queued", "running", "timed_out"] {
        next(&mut stream, &late, state).await;
    }
    firmware.reply_ok(&sent).await;
    assert_eq!(next(&mut stream, &late, "succeeded").await.data, listed(admin, &late).await);

    // Answered directly.
    let asked = scene.wake();
    let sent = firmware.command().await;
    firmware.reply_ok(&sent).await;
    asked.answer().await.expect(200);
    let recorded = stream.event().await;
    let found = (&recorded.data["kind"], &recorded.data["state"], &recorded.data["deviceID"]);
    assert_eq!(found, (&json!("wake"), &json!("succeeded"), &json!(scene.device)));

    // A lost connection, time that is over, a withdrawal and the end of the agent.
    let lost = made(admin, wakeup(scene.agent)).await;
    firmware.command().await;
    drop(firmware);
    for state in ["queued", "running", "failed"] {
        next(&mut stream, &lost, state).await;
    }
    let mut short = wakeup(scene.agent);
    short["deliverWithin"] = json!(1);
    let expired = made(admin, short).await;
    next(&mut stream, &expired, "queued").await;
    next(&mut stream, &expired, "expired").await;
    let canceled = made(admin, wakeup(scene.agent)).await;
    next(&mut stream, &canceled, "queued").await;
    admin.post(&format!("{PATH}/{canceled}/cancel"), json!({})).await.expect(200);
    assert_eq!(next(&mut stream, &canceled, "canceled").await.data, listed(admin, &canceled).await);
    let wake = made(admin, json!({"kind": "wake", "deviceID": scene.device})).await;
    next(&mut stream, &wake, "queued").await;
    admin.delete(&format!("/api/devices/{}", scene.device)).await.expect(200);
    assert_eq!(next(&mut stream, &wake, "canceled").await.data["reason"], "device_deleted");
    let orphan = made(admin, wakeup(scene.agent)).await;
    next(&mut stream, &orphan, "queued").await;
    admin.delete(&format!("/api/agents/{}", scene.agent)).await.expect(200);
    assert_eq!(next(&mut stream, &orphan, "canceled").await.data["reason"], "agent_deleted");
    scene.server.stop().await;
}

#[tokio::test]
async fn a_stream_goes_on_from_the_list_of_operations_and_shows_each_state_as_it_was() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let list = admin.get(PATH).await.expect(200);
    let from = list.header("NetIgnite-Event-ID").expect("the event after which it was read").to_owned();
    let id = made(admin, wakeup(scene.agent)).await;
    let mut firmware = scene.firmware().await;
    let sent = firmware.command().await;
    firmware.reply_ok(&sent).await;
    let mut all = Stream::open(admin, ONLY).await;
    let seen = so_far(admin, scene.agent, &mut all).await;
    assert!(seen.iter().all(|event| event.data["id"] == json!(id) && event.data["state"] == "succeeded"));

    let query = format!("{ONLY}&lastEventID={from}");
    let mut stream = Stream::open(admin, &query).await;
    let queued = next(&mut stream, &id, "queued").await;
    assert_eq!((&queued.data["attempts"], &queued.data["result"]), (&json!(0), &Value::Null));
    let running = next(&mut stream, &id, "running").await;
    assert_eq!((&running.data["attempts"], &running.data["endedAt"]), (&json!(1), &Value::Null));
    assert_eq!(next(&mut stream, &id, "succeeded").await.data, listed(admin, &id).await);

    // What was running when the server stopped: its new start says what became of it.
    let mark = firmware.command().await;
    firmware.reply_ok(&mark).await;
    let running = made(admin, wakeup(scene.agent)).await;
    firmware.command().await;
    let (name, password) = (admin.username.clone(), admin.password.clone());
    let directory = scene.server.stop().await;
    drop(firmware);
    let server = Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), &name, &password).await;
    let list = admin.get(PATH).await.expect(200);
    let (run, _) = list.header("NetIgnite-Event-ID").unwrap().split_once('-').unwrap();
    let mut stream = Stream::open(&admin, &format!("{ONLY}&lastEventID={run}-0")).await;
    let recovered = loop {
        let event = stream.event().await;
        if event.data["id"] == json!(running) && event.data["state"] == "failed" {
            break event;
        }
    };
    assert_eq!(recovered.data["reason"], "server_restarted");
    server.stop().await;
}

#[tokio::test]
async fn operations_are_passed_on_to_whom_the_list_shows_them_and_no_more_of_them() {
    let scene = Scene::new("server").await;
    let (server, admin, agent) = (&scene.server, &scene.admin, scene.agent);
    let (sharee, stranger) =
        (server.user(admin, "olga", "user").await, server.user(admin, "ulla", "user").await);
    let second = server.user(admin, "anton", "admin").await;
    let share = json!({"username": "olga", "permissions": ["wake"]});
    admin.post(&format!("/api/devices/{}/shares", scene.device), share).await.expect(201);
    let other = admin.create_device(agent, "AA:BB:CC:DD:EE:01").await;
    let token = json!({"name": "a token", "permissions": ["devices:read"], "deviceIDs": [other]});
    let token = admin.post("/api/account/tokens", token).await.expect(201).data()["token"].clone();
    let token = token.as_str().unwrap();
    let anonymous = server.anonymous();
    let request = anonymous.http.get(anonymous.url(&format!("/api/events{ONLY}"))).bearer_auth(token);
    let mut restricted = Stream::of(request).await;
    let mut by_sharee = Stream::open(&sharee, ONLY).await;
    let mut by_stranger = Stream::open(&stranger, &format!("{ONLY}&adminMode=true")).await;
    let mut by_second = Stream::open(&second, ONLY).await;
    let mut by_admin = Stream::open(&second, &format!("{ONLY}&adminMode=true")).await;

    let secret = "10.1.2.3 said no";
    let refuse = async |asked: &Client, device: i64| {
        let id = made(asked, json!({"kind": "wake", "deviceID": device, "maxAttempts": 1})).await;
        let mut firmware = scene.firmware().await;
        let sent = firmware.command().await;
        firmware.reply(&sent, &format!(r#"{{"status":"ERROR","message":"{secret}"}}"#)).await;
        super::support::wait::until_equal("its end", json!("failed"), async || {
            let shown = asked.get(&format!("{PATH}/{id}")).await.expect(200);
            shown.data()["state"].clone()
        })
        .await;
        id
    };
    let of_agent = made(admin, wakeup(agent)).await;
    admin.post(&format!("{PATH}/{of_agent}/cancel"), json!({})).await.expect(200);
    let by_owner = refuse(admin, scene.device).await;
    let asked = refuse(&sharee, scene.device).await;
    let of_other = refuse(admin, other).await;

    for id in [&by_owner, &asked] {
        let mut last = Value::Null;
        for state in ["queued", "running", "failed"] {
            last = next(&mut by_sharee, id, state).await.data;
            assert_eq!(last["agentID"], Value::Null);
        }
        assert_eq!(last, listed(&sharee, id).await, "as the list shows it");
        assert!(!last.to_string().contains(secret), "{last}");
        assert_eq!(last["createdBy"]["name"].is_string(), *id == asked, "{last}");
    }
    for state in ["queued", "running", "failed"] {
        next(&mut restricted, &of_other, state).await;
    }
    // Without the mode one's own alone, and with it where the role allows no more.
    let seen: Vec<_> = so_far(&second, second.create_agent("server", SECRET).await, &mut by_second).await;
    assert_eq!(seen, []);
    let seen = so_far(&stranger, stranger.create_agent("server", SECRET).await, &mut by_stranger).await;
    assert_eq!(seen, []);
    for (id, states) in [
        (&of_agent, ["queued", "canceled"].as_slice()),
        (&by_owner, &["queued", "running", "failed"]),
        (&asked, &["queued", "running", "failed"]),
    ] {
        for state in states {
            let event = next(&mut by_admin, id, state).await;
            assert_eq!(event.data["agentID"], json!(agent));
            if *state == "failed" {
                assert!(event.data["message"].as_str().unwrap().contains(secret), "{}", event.data);
            }
        }
    }
    scene.server.stop().await;
}
