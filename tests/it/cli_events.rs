//! `netignite events`: what happens, in words and as JSON, and on again where a stream broke off.

use serde_json::{Value, json};

use super::cli::cli;
use super::cli_devices::scene;
use super::support::binary::{command, superadmin};
use super::support::scene::{MAC, SECRET};
use super::support::wait::until;
use super::support::{Agent, Binary, Client, Firmware};

fn device(name: &str) -> Value {
    json!({"name": name, "type": "nas", "macAddress": MAC, "agentID": 1})
}

/// Renames the device until the stream shows it: it may not be open yet.
async fn seen(events: &Binary, admin: &Client, name: &str) {
    until(name, async || {
        admin.put("/api/devices/1", device(name)).await.expect(200);
        events.log().contains(&format!("\"{name}\"")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn events_are_printed_in_words_and_go_on_after_a_restart() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (server, address, admin, agent) = scene(here).await;
    let events = Binary::spawn(command(here, &["events", "--types", "agent.online,device.changed"]));
    seen(&events, &admin, "Tower").await;
    let line = events.line(&["device.changed"]).await;
    assert!(line.ends_with("Z  device.changed      \"Tower\" (device 1) was changed"), "{line}");
    let _agent = Agent::connect(address, agent, SECRET).await;
    events.line(&["agent.online", "\"Agent\" (agent 1) is online"]).await;

    server.kill().await;
    events.line(&["netignite: the stream of events broke off: ", "coming back"]).await;
    let (_server, address) = Binary::serve(here).await;
    events.line(&["reset", "read the lists again"]).await;
    seen(&events, &superadmin(here, address).await, "Store").await;
}

#[tokio::test]
async fn how_far_an_operation_is_is_printed_in_words() {
    const ABLE: &str = "9.9; commands=HEARTBEAT,PROBE,WAKEUP; features=progress,cancel";
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, address, admin, id) = scene(here).await;
    let mut agent = Firmware::connect_saying(address, id, SECRET, ABLE).await;
    let events = Binary::spawn(command(here, &["events", "--types", "operation.progress,device.changed"]));
    seen(&events, &admin, "Tower").await;
    let probe =
        json!({"kind": "command", "agentID": id, "command": "PROBE", "payload": {"address": "192.0.2.1"}});
    admin.post("/api/operations", probe).await;
    let asked = agent.command().await;
    agent.say(&format!(r#"PROGRESS:{}:{{"message":"knocking","done":1,"total":4}}"#, asked.id)).await;
    let line = events.line(&["operation.progress"]).await;
    assert!(line.ends_with("Z  operation.progress  PROBE for agent 1: 25 % · knocking"), "{line}");
}

#[tokio::test]
async fn a_stream_goes_on_after_an_event_and_a_reader_that_left_ends_it() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, _, admin, _) = scene(here).await;
    let events = Binary::spawn(command(here, &["events", "--json"]));
    seen(&events, &admin, "First").await;
    let first: Value = serde_json::from_str(&events.line(&["\"First\""]).await).unwrap();
    assert_eq!(first["type"], "device.changed");
    admin.put("/api/devices/1", device("Second")).await.expect(200);
    events.line(&["\"Second\""]).await;

    // What came after it is sent again, to a reader that takes one line and goes.
    let id = first["id"].as_str().unwrap();
    let script = format!(
        "{} events --json --after {id} --types device.changed | head -n 1",
        env!("CARGO_BIN_EXE_netignite")
    );
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", &script]).current_dir(here);
    let read = tokio::spawn(async move { shell.output().await.unwrap() });
    // The next event finds the reader gone.
    until("its end", async || {
        admin.put("/api/devices/1", device("Third")).await.expect(200);
        read.is_finished().then_some(())
    })
    .await;
    let output = read.await.unwrap();
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["type"], "device.changed", "{again}");
    assert_ne!(again["id"], first["id"]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));

    let wrong = cli(here, &["events", "--types", "device.exploded"], "").await;
    assert_eq!(wrong.status.code(), Some(2));
}
