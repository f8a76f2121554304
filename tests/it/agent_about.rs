//! What an agent says of itself in its handshake, and what it answers not to know: shown, and gone by.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::operations::{made, until_state};
use super::support::firmware::Firmware;
use super::support::{Client, Scene, soon};

const SAID: &str = "0.9.1; commands=HEARTBEAT,WAKEUP,PROBE";

/// The agent's object, and the same out of the list.
async fn shown(admin: &Client, id: i64) -> [Value; 2] {
    let one = admin.get(&format!("/api/agents/{id}")).await.expect(200).data().clone();
    let list = admin.get("/api/agents").await.expect(200).data().clone();
    let listed = list.as_array().unwrap().iter().find(|agent| agent["id"] == id).unwrap().clone();
    [one, listed]
}

async fn connect(scene: &Scene, about: &str) -> Firmware {
    Firmware::connect_saying(scene.server.address(), scene.agent, super::support::scene::SECRET, about).await
}

#[tokio::test]
async fn version_and_commands_are_shown_as_the_newest_connection_said() {
    let scene = Scene::new("server").await;
    for agent in shown(&scene.admin, scene.agent).await {
        assert_eq!((&agent["version"], &agent["commands"]), (&Value::Null, &Value::Null), "{agent}");
        assert!(agent.as_object().unwrap().contains_key("version"), "{agent}");
    }
    let _agent = connect(&scene, SAID).await;
    for agent in shown(&scene.admin, scene.agent).await {
        assert_eq!(agent["version"], "0.9.1");
        assert_eq!(agent["commands"], json!(["HEARTBEAT", "PROBE", "WAKEUP"]));
        assert_eq!(agent["presence"]["state"], "online");
    }
    // What cannot be read keeps nobody out, and is shown as nothing.
    let long = format!("1; commands={}", "A,".repeat(3000));
    for nonsense in ["", "<script>; commands=A", "1; commands=rm -rf", &long] {
        let _agent = connect(&scene, nonsense).await;
        for agent in shown(&scene.admin, scene.agent).await {
            assert_eq!((&agent["version"], &agent["commands"]), (&Value::Null, &Value::Null), "{nonsense}");
        }
    }
    let _old = scene.firmware().await;
    for agent in shown(&scene.admin, scene.agent).await {
        assert_eq!((&agent["version"], &agent["commands"]), (&Value::Null, &Value::Null), "{agent}");
    }
}

#[tokio::test]
async fn a_command_that_the_agent_said_it_lacks_is_refused_at_once_and_not_sent() {
    let scene = Scene::new("server").await;
    let mut agent = connect(&scene, SAID).await;
    let began = Instant::now();
    let reply =
        scene.admin.command(scene.agent, "GET_STATUS", json!({"address": "192.0.2.1"})).await.expect(409);
    assert_eq!(reply.code(), "command_not_supported");
    assert!(reply.message().contains("GET_STATUS"), "{}", reply.text);
    assert!(began.elapsed() < Duration::from_secs(3), "at once");
    scene.assert_nothing_more(&mut agent).await;
    // What it has is sent.
    let admin = scene.admin.clone();
    let id = scene.agent;
    let asked =
        tokio::spawn(async move { admin.command(id, "PROBE", json!({"address": "192.0.2.1"})).await });
    let command = agent.command().await;
    assert_eq!((command.command.as_str(), &command.json), ("PROBE", &json!({"address": "192.0.2.1"})));
    agent.reply(&command, r#"{"status":"OK","message":"m","online":"offline","later":1}"#).await;
    let reply = soon("the answer", asked).await.unwrap().expect(200);
    assert_eq!(reply.data(), &json!({"status": "OK", "message": "m", "online": "offline"}));
    // An offline agent is offline first of all.
    agent.vanish();
    super::support::wait::until("the agent to be gone", || async {
        let reply = scene.admin.command(scene.agent, "GET_STATUS", json!({"address": "192.0.2.1"})).await;
        (reply.status == 503).then_some(())
    })
    .await;
}

#[tokio::test]
async fn firmware_that_does_not_know_a_command_is_not_asked_again_until_it_reconnects() {
    let scene = Scene::new("microcontroller").await;
    for _ in 0..2 {
        let mut agent = scene.firmware().await;
        let (admin, id) = (scene.admin.clone(), scene.agent);
        let asked =
            tokio::spawn(async move { admin.command(id, "PROBE", json!({"address": "192.0.2.1"})).await });
        let command = agent.command().await;
        agent.reply(&command, r#"{"status":"ERROR","message":"Unknown command"}"#).await;
        let reply = soon("the answer", asked).await.unwrap().expect(409);
        assert_eq!(reply.code(), "command_not_supported", "{}", reply.text);
        assert!(
            reply.message().contains("PROBE") && reply.message().contains("Unknown command"),
            "{}",
            reply.text
        );
        let reply =
            scene.admin.command(scene.agent, "PROBE", json!({"address": "192.0.2.2"})).await.expect(409);
        assert_eq!(reply.code(), "command_not_supported");
        scene.assert_nothing_more(&mut agent).await;
        // What every firmware has is sent whatever it answered.
        for _ in 0..2 {
            let asked = scene.ask("192.0.2.1");
            let command = agent.command().await;
            agent.reply(&command, r#"{"status":"ERROR","message":"Unknown command"}"#).await;
            asked.answer().await.expect(502);
        }
    }
}

#[tokio::test]
async fn what_waited_for_an_agent_that_lacks_it_fails_for_that_and_is_not_sent() {
    let scene = Scene::new("server").await;
    let mut waiting = Vec::new();
    for (command, payload, says) in [
        ("GET_STATUS", json!({"address": "192.0.2.1"}), "does not have this command"),
        ("REBOOT", json!({}), "--allow REBOOT"),
    ] {
        let body = json!({"kind": "command", "agentID": scene.agent, "command": command, "payload": payload});
        waiting.push((made(&scene.admin, body).await, says));
    }
    let mut agent = connect(&scene, SAID).await;
    for (id, says) in waiting {
        let failed = until_state(&scene.admin, &id, "failed").await;
        assert_eq!((&failed["reason"], &failed["attempts"]), (&json!("command_not_supported"), &json!(0)));
        assert!(failed["message"].as_str().unwrap().contains(says), "{failed}");
    }
    scene.assert_nothing_more(&mut agent).await;
}
