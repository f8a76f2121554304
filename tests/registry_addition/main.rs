//! Adding a command takes one file and one `mod` line: this binary has added `commands/shout.rs` so, and from it
//! follow the listing, the REST route with its validation, and the agent's ability to run it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code, unused_imports)]

mod commands;
#[path = "../it/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use netignite::agent::{self, Options};
use netignite::registry::Registry;
use serde_json::json;
use support::{Client, Server};

const SECRET: &str = "a secret of the addition";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names of the files in a folder of units, without its `mod.rs`, as commands are named.
fn units(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_uppercase())
        .filter(|name| name != "MOD")
        .collect()
}

#[test]
fn one_file_and_one_line_make_one_command() {
    let added = folder("tests/registry_addition/commands");
    assert_eq!(units(&added), ["SHOUT".to_owned()].into());
    let lines = std::fs::read_to_string(added.join("mod.rs")).unwrap();
    let code: Vec<_> = lines.lines().filter(|l| !l.is_empty() && !l.starts_with("//!")).collect();
    assert_eq!(code, ["mod shout;"]);

    let mut expected = units(&folder("commands"));
    expected.extend(units(&added));
    let registered: BTreeSet<_> =
        Registry::build().unwrap().iter().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(registered, expected);
    assert_eq!(Registry::build().unwrap().iter().len(), expected.len());
}

/// Waits until the agent is online.
async fn online(admin: &Client, id: i64) {
    support::wait::until("the agent to be online", || async move {
        let reply = admin.get(&format!("/api/agents/status?ids={id}")).await.expect(200);
        (reply.data()[id.to_string()] == "online").then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_is_listed_validated_sent_run_and_answered() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;

    let commands = admin.get("/api/commands").await.expect(200);
    let shout = commands.data().as_array().unwrap().iter().find(|c| c["name"] == "SHOUT").cloned();
    let shout = shout.expect("SHOUT is listed");
    assert_eq!(shout["summary"], "Say something louder");
    assert_eq!(shout["payload"]["properties"]["marks"]["maximum"], 255);
    assert_eq!(shout["reply"]["required"], json!(["text"]));

    let secret_file = server.data().join("agent-secret");
    std::fs::write(&secret_file, SECRET).unwrap();
    let options = Options {
        server: format!("http://{}", server.address()),
        id,
        secret_file: Some(secret_file),
        broadcast: None,
    };
    let running = tokio::spawn(agent::run(options));
    online(&admin, id).await;

    let path = format!("/api/agents/{id}/commands/SHOUT");
    let reply = admin.post(&path, json!({"text": "hello", "marks": 3, "unknown": 1})).await.expect(200);
    assert_eq!(reply.data()["text"], "HELLO!!!");

    let refused = admin.post(&path, json!({"text": "hello", "marks": 300})).await.expect(400);
    assert_eq!(refused.body["errors"][0]["field"], "marks", "{}", refused.text);
    let failed = admin.post(&path, json!({"text": "", "marks": 0})).await.expect(502);
    assert_eq!(failed.code(), "command_failed");
    assert!(failed.message().contains("There is nothing to say"), "{}", failed.text);
    running.abort();
}
