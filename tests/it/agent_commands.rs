//! Commands and their replies: what is sent, and how replies find their callers.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use netignite::control::DispatchError;
use serde_json::{Value, json};

use crate::support::Scene;
use crate::support::scene::{MAC, ONLINE};

/// Far below every time-out of a command: what is answered within this was answered by an event.
const AT_ONCE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_wake_is_one_frame_and_its_reply_the_answer() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let wake = scene.wake();
    let command = firmware.command().await;
    assert_eq!(command.command, "WAKEUP");
    assert_eq!(command.json, json!({"macAddress": MAC, "port": 9}));
    firmware.reply(&command, r#"{"status":"OK","message":"Sent: to AA:BB"}"#).await;
    assert_eq!(wake.answer().await.expect(200).message(), "Wakeup command sent");
    assert_eq!(firmware.dropped, 0, "the server sent fragments");
}

#[tokio::test]
async fn a_question_is_one_frame_and_its_reply_the_answer() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    for online in ["online", "offline", "unknown"] {
        let asked = scene.ask("192.0.2.7");
        let command = firmware.command().await;
        assert_eq!(command.command, "GET_STATUS");
        assert_eq!(command.json, json!({"address": "192.0.2.7"}));
        firmware.reply(&command, &format!(r#"{{"status":"OK","message":"","online":"{online}"}}"#)).await;
        assert_eq!(asked.answer().await.expect(200).data()["online"], online);
    }
}

#[tokio::test]
async fn a_heartbeat_is_answered_with_null_or_an_empty_object() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    for reply in ["null", "{}", " null "] {
        let beat = scene.heartbeat();
        let message = firmware.message().await;
        assert_eq!((message.command.as_str(), &message.json), ("HEARTBEAT", &json!({})));
        firmware.reply(&message, reply).await;
        beat.answer().await.expect(200);
    }
}

#[tokio::test]
async fn replies_find_their_callers_by_id() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let addresses: Vec<_> = (1..=16).map(|n| format!("192.0.2.{n}")).collect();
    let asked: Vec<_> = addresses.iter().map(|address| scene.ask(address)).collect();
    let mut commands = Vec::new();
    for _ in &addresses {
        commands.push(firmware.command().await);
    }
    let ids: HashSet<_> = commands.iter().map(|c| c.id).collect();
    assert_eq!(ids.len(), commands.len(), "IDs of commands in flight are unique");
    // Answered in another order than asked; every second one under a name that says nothing.
    fastrand::shuffle(&mut commands);
    for (n, command) in commands.iter().enumerate() {
        let name = if n % 2 == 0 { "GET_STATUS" } else { "WHATEVER" };
        let address = command.json["address"].as_str().unwrap();
        let json = json!({"status": "OK", "message": format!("it: {address}"), "online": "online"});
        firmware.say(&format!("{name}:{}:{json}", command.id)).await;
    }
    for (asked, address) in asked.into_iter().zip(&addresses) {
        assert_eq!(asked.answer().await.expect(200).data()["message"], format!("it: {address}"));
    }
}

#[tokio::test]
async fn an_error_of_the_agent_reaches_the_caller() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply(&command, r#"{"status":"ERROR","message":"No network: link down"}"#).await;
    let reply = wake.answer().await.expect(502);
    assert_eq!(reply.code(), "command_failed");
    assert_eq!(reply.message(), "Wakeup command failed: No network: link down");
    // What an agent says to a command it does not know.
    let asked = scene.ask("192.0.2.1");
    let command = firmware.command().await;
    firmware.reply(&command, r#"{"status":"ERROR","message":"Unknown command"}"#).await;
    let reply = asked.answer().await.expect(502);
    assert_eq!(reply.code(), "command_failed");
    assert!(reply.message().contains("Unknown command"), "{}", reply.text);
}

#[tokio::test]
async fn a_nonsense_reply_fails_the_command_at_once() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    for nonsense in [
        "null",
        "{}",
        "[]",
        "",
        "no JSON",
        r#""OK""#,
        r#"["OK","","online"]"#,
        r#"["ERROR","no"]"#,
        r#"{"status":"OK","message":"no verdict"}"#,
        r#"{"status":"OK","message":"","online":"perhaps"}"#,
        r#"{"status":"FINE","message":"","online":"online"}"#,
        r#"{"status":"OK","message":"","online":"online"} trailing"#,
    ] {
        let asked = scene.ask("192.0.2.1");
        let command = firmware.command().await;
        let answered = Instant::now();
        firmware.reply(&command, nonsense).await;
        assert_eq!(asked.answer().await.expect(502).code(), "bad_reply", "{nonsense}");
        assert!(answered.elapsed() < AT_ONCE, "{nonsense}: failed after {:?}", answered.elapsed());
    }
    for nonsense in [r#"{"done":true}"#, r#"["OK","sent"]"#] {
        let wake = scene.wake();
        let command = firmware.command().await;
        firmware.reply(&command, nonsense).await;
        assert_eq!(wake.answer().await.expect(502).code(), "bad_reply", "{nonsense}");
    }
    assert_eq!(scene.admin.agent_status(scene.agent).await, "online");
}

#[tokio::test]
async fn frames_that_answer_nothing_leave_the_connection_open() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let wake = scene.wake();
    let command = firmware.command().await;
    let unknown = command.id.wrapping_add(1000);
    for odd in [
        format!("WAKEUP:{unknown}:{{\"status\":\"OK\",\"message\":\"\"}}"),
        format!("{}:{}", command.command, command.id),
        format!("WAKEUP:-{}:null", command.id),
        format!("WAKEUP:+{}:null", command.id),
        "WAKEUP:4294967296:null".to_owned(),
        "WAKEUP:99999999999999999999:null".to_owned(),
        "WAKEUP:one:null".to_owned(),
        "WAKEUP::null".to_owned(),
        "WAKEUP".to_owned(),
        "::".to_owned(),
        String::new(),
        "☃".repeat(500),
    ] {
        firmware.say(&odd).await;
    }
    // The command in flight is still waiting for its own reply, and gets it.
    firmware.reply_ok(&command).await;
    wake.answer().await.expect(200);
    let heard = scene.server.host().control.counters();
    assert_eq!((heard.unknown, heard.malformed, heard.late), (1, 11, 0), "each is counted for what it is");
    assert_eq!(scene.admin.agent_status(scene.agent).await, "online");
}

#[tokio::test]
async fn a_second_reply_to_one_command_changes_nothing() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    for _ in 0..3 {
        let wake = scene.wake();
        let command = firmware.command().await;
        firmware.reply_ok(&command).await;
        firmware.reply(&command, r#"{"status":"ERROR","message":"again"}"#).await;
        wake.answer().await.expect(200);
    }
}

#[tokio::test]
async fn what_the_firmware_would_not_take_is_never_sent() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let host = scene.server.host();
    let entry = host.registry.get("GET_STATUS").expect("registered");
    let dispatch = |payload: String| host.control.dispatch_json(scene.agent, entry, payload);
    for payload in ["null", "[]", "7", "\"text\"", ""] {
        let refused = dispatch(payload.to_owned()).await;
        assert!(matches!(refused, Err(DispatchError::Payload(_))), "{payload}: {refused:?}");
    }
    let long = dispatch(json!({"address": "x".repeat(15_360)}).to_string()).await;
    assert!(matches!(long, Err(DispatchError::Payload(_))), "{long:?}");
    // Just within the limit it goes out, whole.
    let within = json!({"address": "x".repeat(15_300)}).to_string();
    let (answer, ()) = tokio::join!(dispatch(within), async {
        let command = firmware.command().await;
        firmware.reply(&command, ONLINE).await;
    });
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(firmware.dropped, 0, "the server sent fragments");
}

#[tokio::test]
async fn a_bad_payload_is_named_and_not_sent() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    for (name, payload, field) in [
        ("WAKEUP", json!({"macAddress": "no", "port": 9}), "macAddress"),
        ("WAKEUP", json!({"macAddress": MAC, "port": 70000}), "port"),
        ("WAKEUP", json!({"macAddress": MAC, "port": 0}), "port"),
        ("WAKEUP", json!({"port": 9}), "macAddress"),
        ("GET_STATUS", json!({"address": 7}), "address"),
        ("GET_STATUS", json!({}), "address"),
    ] {
        let reply = scene.admin.command(scene.agent, name, payload.clone()).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], field, "{payload}: {}", reply.text);
    }
    scene.admin.command(scene.agent, "NO_SUCH_COMMAND", json!({})).await.expect(404);
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn an_agents_code_reaches_the_caller_and_nonsense_for_one_does_not() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    for (code, shown) in
        [(r#""no_network""#, json!("no_network")), (r#""<b>""#, Value::Null), ("7", Value::Null)]
    {
        let wake = scene.wake();
        let command = firmware.command().await;
        let said = format!(r#"{{"status":"ERROR","code":{code},"message":"No network"}}"#);
        firmware.reply(&command, &said).await;
        let reply = wake.answer().await;
        assert_eq!((reply.status, reply.code()), (502, "command_failed"), "{}", reply.text);
        assert_eq!((&reply.body["agentCode"], &reply.body["data"]), (&shown, &Value::Null), "{}", reply.text);
        assert_eq!(reply.body["message"], "Wakeup command failed: No network");
    }
}
