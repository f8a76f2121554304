//! Ending a command that runs: what is agreed on in the handshake, who is asked to end what, and what becomes of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::firmware::{Message, basic, handshake, key};
use super::support::raw::RawConnection;
use super::support::scene::SECRET;
use super::support::wait::until_equal;
use super::support::{Client, Firmware, Reply, Scene, soon};

const ABLE: &str = "9.9; commands=DISCOVER,GET_STATUS,HEARTBEAT,PROBE,WAKEUP; features=cancel,progress,later";
const UNABLE: &str = "9.9; commands=DISCOVER,GET_STATUS,HEARTBEAT,PROBE,WAKEUP";
const CANCELED: &str = r#"{"status":"ERROR","code":"canceled","message":"The command was canceled"}"#;
const FOUND: &str = r#"{"status":"OK","message":"0 hosts found","hosts":[],"truncated":false}"#;

async fn connect(scene: &Scene, about: &str) -> Firmware {
    Firmware::connect_saying(scene.server.address(), scene.agent, SECRET, about).await
}

/// Makes an operation that looks through the agent's networks: its ID.
async fn discover(scene: &Scene) -> String {
    let body = json!({"kind": "command", "agentID": scene.agent, "command": "DISCOVER"});
    let reply = scene.admin.post("/api/operations", body).await.expect(202);
    reply.data()["id"].as_str().unwrap().to_owned()
}

async fn get(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/operations/{id}")).await.expect(200).data().clone()
}

async fn until_state(client: &Client, id: &str, wanted: &str) -> Value {
    let state = async || get(client, id).await["state"].as_str().unwrap().to_owned();
    until_equal(&format!("the state of {id}"), wanted.to_owned(), state).await;
    get(client, id).await
}

fn trail(operation: &Value) -> Vec<&str> {
    operation["trail"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

/// Starts canceling an operation.
fn cancel(scene: &Scene, id: &str) -> tokio::task::JoinHandle<Reply> {
    let (admin, path) = (scene.admin.clone(), format!("/api/operations/{id}/cancel"));
    tokio::spawn(async move { admin.post(&path, json!({})).await })
}

/// The `CANCEL` of a command.
async fn canceled(agent: &mut Firmware, command: &Message) -> Message {
    let cancel = agent.command().await;
    assert_eq!((cancel.command.as_str(), cancel.id), ("CANCEL", command.id));
    assert_eq!(cancel.json, json!({}));
    cancel
}

#[tokio::test]
async fn what_both_understand_is_said_in_the_handshakes_answer() {
    let scene = Scene::new("server").await;
    for (about, understood) in [
        (Some(ABLE), Some("progress,cancel")),
        (Some("9.9; features=cancel"), Some("cancel")),
        (Some("9.9; features=telepathy"), None),
        (Some(UNABLE), None),
        (Some("no version; features=cancel"), None),
        (None, None),
    ] {
        let mut request = handshake(scene.server.address(), &basic(scene.agent, SECRET), &key());
        if let Some(about) = about {
            request = format!("{}\r\nNetIgnite-Agent: {about}\r\n\r\n", request.trim_end());
        }
        let mut connection = RawConnection::open(scene.server.address()).await;
        connection.send(request).await;
        let answer = soon("the answer", connection.answer()).await.unwrap();
        assert_eq!((answer.status, answer.header("netignite-features")), (101, understood), "{about:?}");
    }
}

#[tokio::test]
async fn a_running_operation_ends_once_its_agent_has_confirmed_it() {
    let scene = Scene::new("server").await;
    let mut agent = connect(&scene, ABLE).await;
    let id = discover(&scene).await;
    let command = agent.command().await;
    until_state(&scene.admin, &id, "running").await;
    let asked = cancel(&scene, &id);
    canceled(&mut agent, &command).await;
    assert_eq!(get(&scene.admin, &id).await["state"], "running", "not before the agent has confirmed it");
    agent.reply(&command, CANCELED).await;
    let reply = soon("the answer", asked).await.unwrap().expect(200);
    assert_eq!((reply.message(), &reply.data()["state"]), ("Operation canceled", &json!("canceled")));
    let operation = get(&scene.admin, &id).await;
    assert_eq!(trail(&operation), ["created", "sent", "cancel_sent", "canceled"]);
    assert_eq!(operation["reason"], "canceled");
    let log = scene.admin.get("/api/admin/audit?action=operation.cancel").await.expect(200);
    assert!(log.text.contains("DISCOVER"), "{}", log.text);
    let again = scene.admin.post(&format!("/api/operations/{id}/cancel"), json!({})).await;
    assert_eq!((again.status, again.code()), (409, "operation_ended"));
}

#[tokio::test]
async fn an_agent_may_be_done_before_it_hears_of_it_and_then_it_was_done() {
    let scene = Scene::new("server").await;
    let mut agent = connect(&scene, ABLE).await;
    let id = discover(&scene).await;
    let command = agent.command().await;
    let asked = cancel(&scene, &id);
    canceled(&mut agent, &command).await;
    agent.reply(&command, FOUND).await;
    let reply = soon("the answer", asked).await.unwrap();
    assert_eq!(
        (reply.status, reply.code(), &reply.data()["state"]),
        (409, "operation_ended", &json!("succeeded"))
    );

    // Nobody asked for this: it is an error like any other.
    let id = discover(&scene).await;
    let command = agent.command().await;
    agent.reply(&command, CANCELED).await;
    assert_eq!(until_state(&scene.admin, &id, "failed").await["reason"], "command_failed");
}

#[tokio::test]
async fn one_that_is_not_confirmed_goes_on_and_is_never_begun_anew() {
    let scene = Scene::new("server").await;
    let mut agent = connect(&scene, ABLE).await;
    let id = discover(&scene).await;
    let command = agent.command().await;
    let (one, other) = (cancel(&scene, &id), cancel(&scene, &id));
    canceled(&mut agent, &command).await;
    for asked in [one, other] {
        let reply = soon("the answer", asked).await.unwrap();
        assert_eq!((reply.status, reply.code()), (409, "operation_running"), "{}", reply.text);
        assert!(reply.message().contains("asked to end"), "{}", reply.text);
        assert_eq!(reply.data()["state"], "running");
    }
    scene.assert_nothing_more(&mut agent).await;
    // DISCOVER may be repeated. Somebody wanted it to end, though.
    agent.vanish();
    let operation = until_state(&scene.admin, &id, "failed").await;
    assert_eq!(operation["reason"], "connection_lost");
    assert_eq!(trail(&operation), ["created", "sent", "cancel_sent", "connection_lost", "failed"]);
}

#[tokio::test]
async fn what_cannot_be_ended_or_whose_agent_does_not_understand_is_not_touched() {
    let scene = Scene::new("server").await;
    let refused = async |agent: &mut Firmware, id: &str| {
        let began = Instant::now();
        let reply = soon("the answer", cancel(&scene, id)).await.unwrap();
        assert_eq!((reply.status, reply.code()), (409, "operation_running"));
        assert!(reply.message().contains("cannot be taken back"), "{}", reply.text);
        assert!(began.elapsed() < Duration::from_secs(4), "at once");
        scene.assert_nothing_more(agent).await;
    };
    for about in [Some(UNABLE), None] {
        let mut agent = match about {
            Some(about) => connect(&scene, about).await,
            None => scene.firmware().await,
        };
        let id = discover(&scene).await;
        let command = agent.command().await;
        refused(&mut agent, &id).await;
        agent.reply(&command, FOUND).await;
        until_state(&scene.admin, &id, "succeeded").await;
    }
    // A wake cannot be taken back, whoever sends it.
    let mut agent = connect(&scene, ABLE).await;
    let body = json!({"kind": "wake", "deviceID": scene.device});
    let made = scene.admin.post("/api/operations", body).await.expect(202);
    let id = made.data()["id"].as_str().unwrap().to_owned();
    let command = agent.command().await;
    refused(&mut agent, &id).await;
    agent.reply_ok(&command).await;
    until_state(&scene.admin, &id, "succeeded").await;
}

#[tokio::test]
async fn an_agent_that_answers_not_to_know_it_is_not_asked_again_on_this_connection() {
    let scene = Scene::new("server").await;
    let mut agent = connect(&scene, ABLE).await;
    let id = discover(&scene).await;
    let command = agent.command().await;
    let asked = cancel(&scene, &id);
    let cancel_frame = canceled(&mut agent, &command).await;
    agent.reply(&cancel_frame, r#"{"status":"ERROR","message":"Unknown command"}"#).await;
    agent.reply(&command, FOUND).await;
    let reply = soon("the answer", asked).await.unwrap();
    assert_eq!(
        reply.data()["state"],
        "succeeded",
        "the answer to CANCEL is none to the command: {}",
        reply.text
    );
    let id = discover(&scene).await;
    let command = agent.command().await;
    let reply = soon("the answer", cancel(&scene, &id)).await.unwrap();
    assert_eq!((reply.status, reply.code()), (409, "operation_running"));
    scene.assert_nothing_more(&mut agent).await;
    agent.reply(&command, FOUND).await;
    until_state(&scene.admin, &id, "succeeded").await;
    // A newer connection may be of a newer program.
    let mut agent = connect(&scene, ABLE).await;
    let id = discover(&scene).await;
    let command = agent.command().await;
    let asked = cancel(&scene, &id);
    canceled(&mut agent, &command).await;
    agent.reply(&command, CANCELED).await;
    soon("the answer", asked).await.unwrap().expect(200);
}

#[tokio::test]
async fn a_direct_command_is_ended_when_its_caller_hangs_up() {
    let scene = Scene::new("server").await;
    let mut agent = connect(&scene, ABLE).await;
    let ask = |name: &'static str, payload: Value| {
        let (admin, id) = (scene.admin.clone(), scene.agent);
        tokio::spawn(async move { admin.command(id, name, payload).await })
    };
    let asked = ask("DISCOVER", json!({}));
    let command = agent.command().await;
    let began = Instant::now();
    asked.abort();
    canceled(&mut agent, &command).await;
    // Its time is over only after 20 s.
    assert!(began.elapsed() < Duration::from_secs(15), "not because its caller had gone");
    let listed = async || {
        let list = scene.admin.get("/api/operations").await.expect(200);
        list.data()[0]["state"].clone()
    };
    until_equal("what is recorded of it", json!("canceled"), listed).await;
    // Whoever asks now is not given the end of what others gave up.
    let asked = ask("DISCOVER", json!({}));
    let new = agent.command().await;
    assert_eq!(new.command, "DISCOVER");
    agent.reply(&command, CANCELED).await;
    agent.reply(&new, FOUND).await;
    soon("the answer", asked).await.unwrap().expect(200);
    // What cannot be ended goes on.
    let status = ask("GET_STATUS", json!({"address": "192.0.2.1"}));
    let command = agent.command().await;
    status.abort();
    scene.assert_nothing_more(&mut agent).await;
    agent.reply_ok(&command).await;
}

#[tokio::test]
async fn a_direct_command_whose_time_is_over_is_ended() {
    let scene = Scene::new("server").await;
    let mut agent = connect(&scene, ABLE).await;
    let (admin, id) = (scene.admin.clone(), scene.agent);
    let asked =
        tokio::spawn(async move { admin.command(id, "PROBE", json!({"address": "192.0.2.1"})).await });
    let command = agent.command().await;
    canceled(&mut agent, &command).await;
    assert_eq!(soon("the answer", asked).await.unwrap().expect(504).code(), "agent_timeout");
    agent.reply(&command, CANCELED).await;
    scene.assert_nothing_more(&mut agent).await;
}
