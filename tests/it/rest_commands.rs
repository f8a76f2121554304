//! The registry's commands through REST: which there are, and sending any of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::firmware::Heard;
use super::support::wait::within;
use super::support::{Client, Firmware, Reply, Server, soon};

const SECRET: &str = "a secret of an agent";

#[tokio::test]
async fn the_registered_commands_are_listed() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let reply = ann.get("/api/commands").await.expect(200);
    let commands = reply.data().as_array().unwrap();
    let names: Vec<_> = commands.iter().map(|command| command["name"].as_str().unwrap()).collect();
    let expected: Vec<_> = server.host().registry.sendable().map(|command| command.name).collect();
    assert_eq!(names, expected);
    for name in ["GET_STATUS", "HEARTBEAT", "PROBE", "WAKEUP"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.contains(&"ROTATE_SECRET"), "the server alone sends it");
    for command in commands {
        assert!(command["summary"].as_str().is_some_and(|summary| !summary.is_empty()));
        assert!(command["idempotent"].is_boolean());
        assert!(command["class"].is_string());
        assert!(command["payload"].is_object() && command["reply"].is_object());
    }
    let command = |name| commands.iter().find(|command| command["name"] == name).unwrap();
    let wakeup = command("WAKEUP");
    assert_eq!(wakeup["timeout"], 5000);
    assert_eq!(command("GET_STATUS")["timeout"], 7000);
    assert!(wakeup["payload"]["properties"]["macAddress"].is_object());
}

/// Sends a command through REST while the agent answers it with `json`.
async fn answered(
    client: &Client,
    agent: &mut Firmware,
    id: i64,
    name: &'static str,
    payload: Value,
    json: &str,
) -> Reply {
    let asking = client.clone();
    let asked = tokio::spawn(async move { asking.command(id, name, payload).await });
    let command = agent.command().await;
    assert_eq!(command.command, name);
    agent.reply(&command, json).await;
    soon("the answer", asked).await.unwrap()
}

#[tokio::test]
async fn any_registered_command_can_be_sent_and_its_reply_read() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let payload = json!({"macAddress": "aa-bb-cc-dd-ee-ff", "port": 7});
    let asking = admin.clone();
    let asked = tokio::spawn(async move { asking.command(id, "WAKEUP", payload).await });
    let command = agent.command().await;
    assert_eq!(command.command, "WAKEUP");
    assert_eq!(command.json, json!({"macAddress": "AA:BB:CC:DD:EE:FF", "port": 7}));
    agent.reply(&command, r#"{"status":"OK","message":"sent: three"}"#).await;
    let reply = soon("the answer", asked).await.unwrap().expect(200);
    assert_eq!(reply.data(), &json!({"status": "OK", "message": "sent: three"}));

    let payload = json!({"address": "192.0.2.1"});
    let json = r#"{"status":"OK","message":"","online":"offline"}"#;
    let reply = answered(&admin, &mut agent, id, "GET_STATUS", payload, json).await.expect(200);
    assert_eq!(reply.data()["online"], "offline");
}

#[tokio::test]
async fn a_command_is_checked_before_anything_is_sent() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let reply = admin.command(id, "SELF_DESTRUCT", json!({})).await.expect(404);
    assert_eq!(reply.code(), "unknown_command");
    admin.command(id, "wakeup", json!({})).await.expect(404);
    let mac = "AA:BB:CC:DD:EE:FF";
    let wrong = [
        (json!({"port": 9}), "macAddress"),
        (json!({"macAddress": mac}), "port"),
        (json!({"macAddress": "nonsense", "port": 9}), "macAddress"),
        (json!({"macAddress": mac, "port": 0}), "port"),
        (json!({"macAddress": mac, "port": 65536}), "port"),
        (json!({"macAddress": mac, "port": 9.5}), "port"),
        (json!({"macAddress": mac, "port": "9"}), "port"),
    ];
    for (payload, field) in wrong {
        let reply = admin.command(id, "WAKEUP", payload.clone()).await.expect(400);
        assert!(reply.message().starts_with(&format!("Invalid payload: {field}: ")), "{}", reply.text);
        assert_eq!(wrong_fields(&reply), [field], "{payload}");
    }
    for payload in [json!([]), json!(null), json!([mac, 9]), json!("x")] {
        admin.command(id, "WAKEUP", payload).await.expect(400);
    }
    // The first thing the agent hears is the good one.
    let payload = json!({"macAddress": mac, "port": 9, "unknown": true});
    let json = r#"{"status":"OK","message":"sent"}"#;
    answered(&admin, &mut agent, id, "WAKEUP", payload, json).await.expect(200);
}

#[tokio::test]
async fn each_fault_of_an_agent_has_an_error_code_of_its_own() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let wake = json!({"macAddress": "AA:BB:CC:DD:EE:FF", "port": 9});
    let reply = admin.command(id, "WAKEUP", wake.clone()).await.expect(503);
    assert_eq!((reply.code(), reply.message()), ("agent_offline", "Agent is offline"));

    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let no = r#"{"status":"ERROR","message":"Unknown command"}"#;
    let reply = answered(&admin, &mut agent, id, "WAKEUP", wake.clone(), no).await.expect(502);
    assert_eq!((reply.code(), reply.message()), ("command_failed", "WAKEUP command failed: Unknown command"));
    let hostile = format!(r#"{{"status":"ERROR","message":"\u001b[2J\r\n{}"}}"#, "x".repeat(5000));
    let reply = answered(&admin, &mut agent, id, "WAKEUP", wake.clone(), &hostile).await.expect(502);
    assert!(reply.message().chars().count() < 600 && !reply.message().contains(char::is_control));
    for nonsense in ["null", "7", "nonsense", r#"{"status":"MAYBE"}"#, "{}"] {
        let reply = answered(&admin, &mut agent, id, "WAKEUP", wake.clone(), nonsense).await.expect(502);
        assert_eq!(reply.code(), "bad_reply", "{nonsense}");
    }

    let asking = admin.clone();
    let asked = tokio::spawn(async move { asking.command(id, "WAKEUP", wake).await });
    agent.command().await;
    let vanished = Instant::now();
    agent.vanish();
    let reply = soon("the answer", asked).await.unwrap().expect(503);
    assert_eq!(reply.code(), "agent_disconnected");
    assert!(vanished.elapsed() < Duration::from_secs(3), "answered at once, not by a time-out");
}

#[tokio::test]
async fn an_agent_that_says_nothing_times_out() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let mut agent = Firmware::connect(server.address(), id, SECRET).await;
    let silent = tokio::spawn(async move { while agent.next().await != Heard::Gone {} });
    let began = Instant::now();
    let wake = json!({"macAddress": "AA:BB:CC:DD:EE:FF", "port": 9});
    let reply =
        within(Duration::from_secs(15), "the time-out", admin.command(id, "WAKEUP", wake)).await.expect(504);
    assert_eq!(reply.code(), "agent_timeout");
    assert!(began.elapsed() >= Duration::from_millis(4900));
    silent.abort();
}

#[tokio::test]
async fn commands_sent_at_once_each_get_their_own_reply() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for kind in ["server", "microcontroller"] {
        let id = admin.create_agent(kind, SECRET).await;
        let mut agent = Firmware::connect(server.address(), id, SECRET).await;
        let asked: Vec<_> = (1..=8)
            .map(|port| {
                let client = admin.clone();
                let wake = json!({"macAddress": "AA:BB:CC:DD:EE:FF", "port": port});
                tokio::spawn(async move { (port, client.command(id, "WAKEUP", wake).await.expect(200)) })
            })
            .collect();
        for _ in 0..8 {
            let command = agent.command().await;
            let port = &command.json["port"];
            agent.reply(&command, &format!(r#"{{"status":"OK","message":"port {port}"}}"#)).await;
        }
        for asked in asked {
            let (port, reply) = soon("the answer", asked).await.unwrap();
            assert_eq!(reply.data()["message"], format!("port {port}"));
        }
    }
}
