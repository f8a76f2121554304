//! Shutting a device down, restarting it or sending it to sleep until it is seen no more: what proves it, why it fails, and
//! what survives.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::support::firmware::{Heard, Message};
use super::support::scene::{MAC, SECRET, Scene};
use super::support::wait::until;
use super::support::{Client, Firmware, Reply, Server, soon, sqlite};
use super::wake_until::{Probe, connect, lan};

/// The agent that runs on the device: it does what it is asked until its task is aborted, which ends its connection.
struct Hosted {
    task: JoinHandle<()>,
    /// What it was asked, but for HEARTBEAT.
    asked: Arc<Mutex<Vec<Message>>>,
}

impl Hosted {
    async fn connect(server: &Server, agent: i64, answer: &'static str) -> Self {
        let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            loop {
                match firmware.next().await {
                    Heard::Text(text) => {
                        let message = Message::parse(&text);
                        if message.command == "HEARTBEAT" {
                            firmware.reply_ok(&message).await;
                            continue;
                        }
                        seen.lock().push(message.clone());
                        firmware.reply(&message, answer).await;
                    }
                    Heard::Ping(_) | Heard::Pong(_) => {}
                    Heard::Close(..) | Heard::Gone => return,
                }
            }
        });
        Self { task, asked }
    }

    fn commands(&self) -> Vec<String> {
        self.asked.lock().iter().map(|message| message.command.clone()).collect()
    }
}

const DOES: &str = r#"{"status":"OK","message":"at once"}"#;
const REFUSES: &str = r#"{"status":"ERROR","message":"eth7 is busy"}"#;

/// A scene whose device has an agent on it, and that agent's ID.
async fn hosted() -> (Scene, i64) {
    let scene = Scene::new("server").await;
    let host = scene.admin.create_agent("server", SECRET).await;
    let body = json!({"name": "Device", "type": "desktop", "macAddress": MAC, "agentID": scene.agent, "hostAgentID": host});
    scene.admin.put(&format!("/api/devices/{}", scene.device), body).await.expect(200);
    (scene, host)
}

fn asking(client: &Client, device: i64, what: &str, body: Value) -> JoinHandle<Reply> {
    let (client, path) = (client.clone(), format!("/api/devices/{device}/{what}"));
    tokio::spawn(async move { client.post(&path, body).await })
}

/// Begins one, and answers where it is.
async fn begin(client: &Client, device: i64, what: &str, body: Value) -> String {
    let path = client.url(&format!("/api/devices/{device}/{what}"));
    let request = client.http.post(path).header("Prefer", "respond-async");
    let reply = client.send(request.json(&body)).await.expect(202);
    assert_eq!(reply.header("preference-applied"), Some("respond-async"));
    reply.header("location").unwrap().to_owned()
}

async fn presence(client: &Client, device: i64) -> String {
    let device = client.get(&format!("/api/devices/{device}")).await.expect(200);
    device.data()["presence"]["state"].as_str().unwrap().to_owned()
}

async fn until_presence(client: &Client, device: i64, wanted: &str) {
    until(wanted, || async { (presence(client, device).await == wanted).then_some(()) }).await;
}

async fn ended(client: &Client, operation: &str) -> Value {
    until("the end", || async {
        let reply = client.get(operation).await.expect(200);
        reply.data()["endedAt"].is_i64().then(|| reply.data().clone())
    })
    .await
}

fn events(operation: &Value) -> Vec<&str> {
    operation["trail"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_device_is_shut_down_until_it_is_seen_no_more() {
    let (Scene { server, admin, agent, device }, host) = hosted().await;
    let lan = lan(None, Probe::Answers);
    let _other = connect(&server, agent, &lan).await;
    let on_it = Hosted::connect(&server, host, DOES).await;
    until_presence(&admin, device, "online").await;
    let asked =
        asking(&admin, device, "shutdown", json!({"until": "offline", "timeout": 60, "delaySeconds": 1}));
    until_presence(&admin, device, "stopping").await;
    until("the command", || async { (!on_it.commands().is_empty()).then_some(()) }).await;
    assert_eq!(on_it.asked.lock()[0].json, json!({"delaySeconds": 1}));
    let live = admin.get("/api/operations?state=live").await.expect(200);
    assert_eq!(live.data()[0]["state"], "running", "{}", live.text);
    let id = live.data()[0]["id"].as_str().unwrap().to_owned();
    // What was sent cannot be taken back.
    let refused = admin.post(&format!("/api/operations/{id}/cancel"), json!({})).await;
    let found = (refused.status, refused.code(), &refused.data()["id"]);
    assert_eq!(found, (409, "operation_running", &json!(id)));
    // Another agent sees nothing of it, and yet it is up as long as its own is connected.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!asked.is_finished(), "the agent on it is still connected");
    assert_eq!(presence(&admin, device).await, "stopping");
    on_it.task.abort();

    let reply = soon("the answer", asked).await.unwrap().expect(200);
    assert_eq!(reply.message(), "Device is offline");
    let operation = reply.data();
    let found = ["state", "kind", "command", "agentID", "deviceID"].map(|key| operation[key].clone());
    assert_eq!(json!(found), json!(["succeeded", "command", "SHUTDOWN", host, device]));
    let evidence = &operation["evidence"];
    assert!(evidence["offlineAfterMs"].as_i64().unwrap() >= 5000, "{evidence}");
    assert_eq!((&evidence["method"], &evidence["agentID"]), (&json!("not_seen"), &json!(agent)));
    assert!(operation["message"].as_str().unwrap().starts_with("Offline after "), "{operation}");
    until_presence(&admin, device, "offline").await;
    let whole = admin.get(&format!("/api/operations/{id}")).await.expect(200);
    let events = events(whole.data());
    assert_eq!(events[..3], ["created", "sent", "answered"], "{events:?}");
    assert_eq!(events.last(), Some(&"succeeded"));
    // Each look is there with what it found: its own agent, and two without it in the end.
    let looks = &whole.data()["trail"].as_array().unwrap()[3..events.len() - 1];
    assert!(looks.len() > 2 && looks.iter().all(|entry| entry["event"] == "looked"), "{looks:?}");
    let (up, gone) = looks.split_at(looks.len() - 2);
    assert!(up.iter().all(|look| look["found"] == "seen" && look["agentID"] == host), "{looks:?}");
    assert!(gone.iter().all(|look| look["found"] == "not_seen" && look["agentID"] == agent), "{looks:?}");
}

#[tokio::test]
async fn the_lost_connection_of_its_agent_proves_it_where_nobody_else_can_look() {
    let (scene, host) = hosted().await;
    let on_it = Hosted::connect(&scene.server, host, DOES).await;
    let asked = asking(&scene.admin, scene.device, "sleep", json!({"until": "offline", "timeout": 60}));
    until("the command", || async { (!on_it.commands().is_empty()).then_some(()) }).await;
    on_it.task.abort();
    let reply = soon("the answer", asked).await.unwrap().expect(200);
    let evidence = &reply.data()["evidence"];
    assert_eq!((&evidence["method"], &evidence["agentID"]), (&json!("host_agent"), &json!(host)));
}

#[tokio::test]
async fn a_device_that_is_back_at_once_has_restarted() {
    let (scene, host) = hosted().await;
    let on_it = Hosted::connect(&scene.server, host, DOES).await;
    let operation = begin(&scene.admin, scene.device, "reboot", json!({"until": "offline"})).await;
    until("the answer to be stored", || async {
        let reply = scene.admin.get(&operation).await.expect(200);
        events(reply.data()).contains(&"answered").then_some(())
    })
    .await;
    on_it.task.abort();
    until("the agent to be gone", || async {
        (scene.admin.agent_status(host).await == "offline").then_some(())
    })
    .await;
    let _back = Hosted::connect(&scene.server, host, DOES).await;
    let ended = ended(&scene.admin, &operation).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert!(ended["message"].as_str().unwrap().starts_with("Restarted"), "{ended}");
    until_presence(&scene.admin, scene.device, "online").await;
}

#[tokio::test]
async fn each_failure_has_its_reason() {
    let (scene, host) = hosted().await;
    let client = &scene.admin;
    let ask = async |body: Value| {
        let reply = soon("the answer", asking(client, scene.device, "shutdown", body)).await.unwrap();
        assert_eq!((reply.status, &reply.data()["reason"]), (504, &json!(reply.code())), "{}", reply.text);
        assert!(reply.message().starts_with("“Device”"), "{}", reply.text);
        reply
    };
    let offline = ask(json!({"until": "offline", "timeout": 1})).await;
    assert_eq!((offline.code(), &offline.data()["state"]), ("agent_offline", &json!("expired")));
    assert_ne!(presence(client, scene.device).await, "stopping");

    let stays = Hosted::connect(&scene.server, host, DOES).await;
    let still = ask(json!({"until": "offline", "timeout": 2})).await;
    assert_eq!((still.code(), &still.data()["state"]), ("still_seen", &json!("failed")));
    until_presence(client, scene.device, "online").await;
    stays.task.abort();
    until("offline", || async { (client.agent_status(host).await == "offline").then_some(()) }).await;

    let _refuses = Hosted::connect(&scene.server, host, REFUSES).await;
    let refused = ask(json!({"until": "offline", "timeout": 30})).await;
    assert_eq!((refused.code(), &refused.data()["state"]), ("command_failed", &json!("failed")));
    assert!(refused.data()["message"].as_str().unwrap().contains("eth7"), "{}", refused.text);
    until_presence(client, scene.device, "online").await;
}

#[tokio::test]
async fn what_does_not_get_its_turn_in_time_is_not_sent_and_says_that_its_agent_was_busy() {
    let scene = Scene::new("microcontroller").await;
    let body = json!({"name": "Device", "type": "desktop", "macAddress": MAC, "agentID": scene.agent, "hostAgentID": scene.agent});
    scene.admin.put(&format!("/api/devices/{}", scene.device), body).await.expect(200);
    let mut firmware = scene.firmware().await;
    let before = scene.ask("192.0.2.1");
    let question = firmware.command().await;
    let body = json!({"until": "offline", "timeout": 60, "deliverWithin": 1});
    let asked = asking(&scene.admin, scene.device, "shutdown", body);
    let late = soon("the answer", asked).await.unwrap();
    assert_eq!((late.status, late.code()), (504, "agent_busy"), "{}", late.text);
    let found = ["state", "reason", "attempts"].map(|field| late.data()[field].clone());
    assert_eq!(json!(found), json!(["expired", "agent_busy", 0]), "{}", late.text);
    firmware.reply(&question, r#"{"status":"OK","message":"m","online":"online"}"#).await;
    before.answer().await;
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn a_body_is_checked() {
    let (scene, _) = hosted().await;
    for (body, field) in [
        (json!({"until": "online"}), "until"),
        (json!({"until": "offline", "timeout": 0}), "timeout"),
        (json!({"until": "offline", "timeout": 301}), "timeout"),
        (json!({"until": "offline", "delaySeconds": 301}), "delaySeconds"),
        (json!({"until": "offline", "deliverWithin": 0}), "deliverWithin"),
    ] {
        let reply =
            scene.admin.post(&format!("/api/devices/{}/shutdown", scene.device), body).await.expect(400);
        assert!(reply.text.contains(&format!("\"{field}\"")), "{}", reply.text);
    }
    let offline = json!({"until": "offline", "queue": false});
    let reply =
        scene.admin.post(&format!("/api/devices/{}/shutdown", scene.device), offline).await.expect(503);
    assert_eq!(reply.code(), "agent_offline");
}

#[tokio::test]
async fn one_that_waits_can_be_withdrawn_and_is_not_sent() {
    let (scene, host) = hosted().await;
    let client = &scene.admin;
    let operation = begin(client, scene.device, "shutdown", json!({"until": "offline"})).await;
    let canceled = client.post(&format!("{operation}/cancel"), json!({})).await.expect(200);
    assert_eq!(canceled.data()["state"], "canceled", "{}", canceled.text);

    // Nor is one whose maker may no longer have it done.
    let token = client
        .post("/api/account/tokens", json!({"name": "t", "permissions": ["devices:power"]}))
        .await
        .expect(201);
    let path = client.url(&format!("/api/devices/{}/shutdown", scene.device));
    let request =
        scene.server.anonymous().http.post(path).bearer_auth(token.data()["token"].as_str().unwrap());
    let request = request.header("Prefer", "respond-async").json(&json!({"until": "offline"}));
    let made = client.send(request).await.expect(202);
    assert_eq!(made.data()["createdBy"]["kind"], "token", "{}", made.text);
    let revoked = made.header("location").unwrap().to_owned();
    client.delete(&format!("/api/account/tokens/{}", token.data()["id"])).await.expect(200);

    let on_it = Hosted::connect(&scene.server, host, DOES).await;
    let ended = ended(client, &revoked).await;
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("canceled"), &json!("not_allowed")));
    let sleep = client.post(&format!("/api/devices/{}/sleep", scene.device), json!({})).await.expect(202);
    let sleep = format!("/api/operations/{}", sleep.data()["id"].as_str().unwrap());
    assert_eq!(self::ended(client, &sleep).await["state"], "succeeded");
    assert_eq!(on_it.commands(), ["SLEEP"]);
}

#[tokio::test]
async fn it_goes_on_after_a_restart_and_is_sent_once() {
    let (Scene { server, admin, agent, device }, host) = hosted().await;
    let blind = lan(None, Probe::Answers);
    let other = connect(&server, agent, &blind).await;
    let on_it = Hosted::connect(&server, host, DOES).await;
    let operation = begin(&admin, device, "shutdown", json!({"until": "offline", "timeout": 300})).await;
    until("the answer to be stored", || async {
        let reply = admin.get(&operation).await.expect(200);
        events(reply.data()).contains(&"answered").then_some(())
    })
    .await;
    let directory = server.stop().await;
    other.abort();
    on_it.task.abort();
    assert_eq!(on_it.commands(), ["SHUTDOWN"]);

    let server = Server::start_in(directory, |_| {}).await;
    let database = netignite::store::database_path(server.data());
    let state = async || sqlite::text(&database, "SELECT state FROM operations").await;
    let _other = connect(&server, agent, &blind).await;
    // Until its agent had time to come back nothing is concluded from its absence.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(state().await, "running");
    let back = Hosted::connect(&server, host, DOES).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(state().await, "running");
    back.task.abort();
    until("the end", || async { (state().await == "succeeded").then_some(()) }).await;
    assert_eq!(back.commands(), Vec::<String>::new());
    let trail =
        sqlite::texts(&database, "SELECT event FROM operation_trail ORDER BY operation, number").await;
    assert!(trail.contains(&"server_restarted".to_owned()), "{trail:?}");
}

#[tokio::test]
async fn a_restart_is_seen_though_the_old_connection_was_never_closed() {
    let (scene, host) = hosted().await;
    let before = Hosted::connect(&scene.server, host, DOES).await;
    let operation =
        begin(&scene.admin, scene.device, "reboot", json!({"until": "offline", "timeout": 60})).await;
    until("the answer to be stored", || async {
        let reply = scene.admin.get(&operation).await.expect(200);
        events(reply.data()).contains(&"answered").then_some(())
    })
    .await;
    // A machine whose power was cut says no farewell: what it was is replaced by what it is.
    let _back = Hosted::connect(&scene.server, host, DOES).await;
    let ended = ended(&scene.admin, &operation).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert!(ended["message"].as_str().unwrap().starts_with("Restarted: "), "{ended}");
    drop(before);
}

#[tokio::test]
async fn an_agent_that_does_not_know_the_command_does_nothing() {
    let (scene, host) = hosted().await;
    let unknown = r#"{"status":"ERROR","message":"Unknown command"}"#;
    let _on_it = Hosted::connect(&scene.server, host, unknown).await;
    let asked = asking(&scene.admin, scene.device, "shutdown", json!({"until": "offline", "timeout": 60}));
    let reply = soon("the answer", asked).await.unwrap();
    assert_eq!((reply.status, reply.code()), (504, "command_not_supported"), "{}", reply.text);
    assert_eq!(reply.data()["state"], "failed");
}
