//! Watched devices: looked at without anybody asking, gently, and written down only when something changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::support::firmware::Message;
use super::support::scene::{SECRET, Scene};
use super::support::wait::{until, until_equal};
use super::support::{Agent, Binary, Client, Server, binary, sqlite};

const FIRST: &str = "AA:BB:CC:DD:EE:01";
const SECOND: &str = "AA:BB:CC:DD:EE:02";
const INTERVAL: Duration = Duration::from_secs(10);

/// What an agent on the devices' network sees: of each MAC address whether it is up, and how often that was asked.
#[derive(Default)]
struct Lan {
    online: HashMap<String, &'static str>,
    looks: HashMap<String, u32>,
}

type Shared = Arc<Mutex<Lan>>;

fn set(lan: &Shared, mac: &str, online: &'static str) {
    lan.lock().online.insert(mac.to_owned(), online);
}

fn looks(lan: &Shared, mac: &str) -> u32 {
    lan.lock().looks.get(mac).copied().unwrap_or(0)
}

async fn connect(server: &Server, agent: i64, lan: &Shared) -> tokio::task::JoinHandle<()> {
    let Agent { mut socket } = Agent::connect(server.address(), agent, SECRET).await;
    let lan = lan.clone();
    tokio::spawn(async move {
        while let Some(Ok(frame)) = socket.next().await {
            let Frame::Text(text) = frame else { continue };
            let message = Message::parse(&text);
            let reply = format!("{}:{}:{}", message.command, message.id, answer(&lan, &message));
            if socket.send(Frame::text(reply)).await.is_err() {
                return;
            }
        }
    })
}

fn answer(lan: &Shared, message: &Message) -> Value {
    if message.command != "PROBE" {
        return Value::Null;
    }
    let mac = message.json["macAddress"].as_str().unwrap_or_default().to_owned();
    let mut lan = lan.lock();
    let online = lan.online.get(&mac).copied().unwrap_or("offline");
    *lan.looks.entry(mac).or_default() += 1;
    json!({"status": "OK", "message": "", "online": online})
}

fn body(agent: i64, mac: &str, interval: Value) -> Value {
    json!({"name": "Device", "type": "desktop", "macAddress": mac, "agentID": agent, "watchInterval": interval})
}

async fn watched(admin: &Client, agent: i64, mac: &str) -> i64 {
    admin.post("/api/devices", body(agent, mac, json!(10))).await.expect(201).id()
}

/// Lets an interval pass, and waits until a device has been looked at since.
async fn interval(server: &Server, lan: &Shared, mac: &str) {
    let before = looks(lan, mac);
    server.host().clock.advance(INTERVAL);
    until(&format!("a look at {mac}"), || async { (looks(lan, mac) > before).then_some(()) }).await;
}

async fn transitions(server: &Server, device: i64) -> Vec<String> {
    let path = netignite::store::database_path(server.data());
    let query =
        format!("SELECT state || ' ' || why FROM device_presence WHERE deviceID = {device} ORDER BY id");
    sqlite::texts(&path, &query).await
}

#[tokio::test]
async fn a_watched_device_comes_and_goes_without_anybody_asking() {
    let scene = Scene::new("server").await;
    let (server, admin, agent) = (&scene.server, &scene.admin, scene.agent);
    let lan = Shared::default();
    set(&lan, FIRST, "online");
    let connection = connect(server, agent, &lan).await;
    let device = watched(admin, agent, FIRST).await;
    let online = admin.becomes(device, "online").await;
    assert_eq!((&online["method"], &online["why"]), (&json!("icmp"), &json!("seen")));

    // Looked at again and again, and nothing is written.
    until_equal("what is written", vec!["online seen".to_owned()], || transitions(server, device)).await;
    let version = server.host().store.version();
    for _ in 0..5 {
        interval(server, &lan, FIRST).await;
    }
    assert_eq!(server.host().store.version(), version, "something was committed though nothing changed");
    let still = admin.presence(device).await;
    assert_eq!(still["since"], online["since"]);
    assert!(still["checkedAt"].as_i64() > online["checkedAt"].as_i64(), "{still}");

    // Missed once, which is nothing, and twice, which is.
    set(&lan, FIRST, "offline");
    interval(server, &lan, FIRST).await;
    set(&lan, FIRST, "online");
    interval(server, &lan, FIRST).await;
    set(&lan, FIRST, "offline");
    interval(server, &lan, FIRST).await;
    assert_eq!(admin.presence(device).await["state"], "online");
    interval(server, &lan, FIRST).await;
    assert_eq!(admin.becomes(device, "offline").await["why"], "not_seen");
    set(&lan, FIRST, "online");
    interval(server, &lan, FIRST).await;
    admin.becomes(device, "online").await;

    // Without its agent nobody can tell, which takes two looks, too.
    connection.abort();
    let _ = connection.await;
    until_equal("the agent's status", "offline".to_owned(), || admin.agent_status(agent)).await;
    for _ in 0..2 {
        let before = admin.presence(device).await["checkedAt"].as_i64();
        server.host().clock.advance(INTERVAL);
        until("a look", || async {
            (admin.presence(device).await["checkedAt"].as_i64() > before).then_some(())
        })
        .await;
    }
    assert_eq!(admin.becomes(device, "unknown").await["why"], "agent_offline");
    let _connection = connect(server, agent, &lan).await;
    interval(server, &lan, FIRST).await;
    admin.becomes(device, "online").await;
    let expected = ["online seen", "offline not_seen", "online seen", "unknown agent_offline", "online seen"];
    until_equal("what is written", expected.map(str::to_owned).to_vec(), || transitions(server, device))
        .await;
}

#[tokio::test]
async fn what_is_watched_follows_each_change_and_a_restart() {
    let scene = Scene::new("server").await;
    let (admin, agent) = (scene.admin.clone(), scene.agent);
    let lan = Shared::default();
    let _connection = connect(&scene.server, agent, &lan).await;
    let other = watched(&admin, agent, SECOND).await;
    let device = admin.create_device(agent, FIRST).await;
    for _ in 0..2 {
        interval(&scene.server, &lan, SECOND).await;
    }
    assert_eq!(looks(&lan, FIRST), 0, "it is not watched");

    // Watched at once, by what it is looked for now.
    let path = format!("/api/devices/{device}");
    admin.put(&path, body(agent, FIRST, json!(10))).await.expect(200);
    until("a look", || async { (looks(&lan, FIRST) > 0).then_some(()) }).await;
    let third = "AA:BB:CC:DD:EE:03";
    admin.put(&path, body(agent, third, json!(10))).await.expect(200);
    until("a look for its new address", || async { (looks(&lan, third) > 0).then_some(()) }).await;
    let before = looks(&lan, FIRST);
    for _ in 0..2 {
        interval(&scene.server, &lan, third).await;
    }
    assert_eq!(looks(&lan, FIRST), before, "its address before");

    // Through another agent.
    let (second, its_lan) = (admin.create_agent("server", SECRET).await, Shared::default());
    let _second = connect(&scene.server, second, &its_lan).await;
    admin.put(&path, body(second, third, json!(10))).await.expect(200);
    until("a look by its new agent", || async { (looks(&its_lan, third) > 0).then_some(()) }).await;

    // After a restart.
    let server = Server::start_in(scene.server.stop().await, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &admin.password).await;
    let (_first, _second) = (connect(&server, agent, &lan).await, connect(&server, second, &its_lan).await);
    server.host().clock.advance(Duration::from_secs(30));
    interval(&server, &its_lan, third).await;
    interval(&server, &lan, SECOND).await;

    // No more.
    admin.put(&path, body(second, third, Value::Null)).await.expect(200);
    interval(&server, &lan, SECOND).await;
    let before = looks(&its_lan, third);
    for _ in 0..3 {
        interval(&server, &lan, SECOND).await;
    }
    assert_eq!(looks(&its_lan, third), before, "it is watched no more");
    admin.delete(&format!("/api/devices/{other}")).await.expect(200);
    admin.put(&path, body(agent, third, json!(10))).await.expect(200);
    interval(&server, &lan, third).await;
    let before = looks(&lan, SECOND);
    for _ in 0..3 {
        interval(&server, &lan, third).await;
    }
    assert_eq!(looks(&lan, SECOND), before, "it was deleted");
}

#[tokio::test]
async fn a_microcontroller_is_asked_about_one_device_at_a_time_and_wakes_go_first() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    for mac in [FIRST, SECOND, "AA:BB:CC:DD:EE:03"] {
        watched(&scene.admin, scene.agent, mac).await;
    }
    let online = r#"{"status":"OK","message":"","online":"online"}"#;
    let look = firmware.command().await;
    assert_eq!(look.command, "PROBE");
    // All are due by now, and one is under way: the wake waits for that one, or the next if it came too late.
    scene.server.host().clock.advance(INTERVAL);
    let wake = scene.wake();
    firmware.reply(&look, online).await;
    let mut before = 0;
    loop {
        let next = firmware.command().await;
        if next.command == "WAKEUP" {
            firmware.reply_ok(&next).await;
            break;
        }
        before += 1;
        assert!(before <= 2, "looks went first");
        firmware.reply(&next, online).await;
    }
    wake.answer().await.expect(200);
    let look = firmware.command().await;
    assert_eq!(look.command, "PROBE");
    firmware.reply(&look, online).await;
}

#[tokio::test]
async fn the_real_agent_looks_at_watched_devices() {
    let scene = Scene::new("server").await;
    let (server, admin, agent) = (&scene.server, &scene.admin, scene.agent);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut watched = body(agent, FIRST, json!(10));
    watched["address"] = json!("127.0.0.1");
    watched["probePorts"] = json!([listener.local_addr().unwrap().port()]);
    let device = admin.post("/api/devices", watched).await.expect(201).id();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("http://{}", server.address());
    let id = agent.to_string();
    let arguments = ["agent", "--server", &url, "--id", &id, "--broadcast", "127.255.255.255"];
    let mut command = binary::command(directory.path(), &arguments);
    command.env("NETIGNITE_AGENT_SECRET", SECRET);
    let running = Binary::spawn(command);
    until_equal("the agent's status", "online".to_owned(), || admin.agent_status(agent)).await;
    let pass = async |state: &str| {
        for _ in 0..10 {
            let before = admin.presence(device).await["checkedAt"].as_i64();
            server.host().clock.advance(INTERVAL);
            let looked = || async {
                let now = admin.presence(device).await;
                (now["checkedAt"].as_i64() > before).then_some(now)
            };
            if until("a look", looked).await["state"] == state {
                return;
            }
        }
        panic!("it does not become {state}");
    };
    pass("online").await;
    running.kill().await;
    until_equal("the agent's status", "offline".to_owned(), || admin.agent_status(agent)).await;
    pass("unknown").await;
    // Before its agent was there nobody could tell, which it was unknown for already.
    let expected = ["online seen", "unknown agent_offline"].map(str::to_owned).to_vec();
    until_equal("what is written", expected, || transitions(server, device)).await;
}
