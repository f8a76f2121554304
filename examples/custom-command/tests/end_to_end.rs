//! The example's program, run as a user would: its command is listed, sent and run, its plugin answers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use custom_command as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &str = "a secret of the example";

/// The program in `directory`, with nothing of this process's environment.
fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custom-command"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("NETIGNITE_SERVER__HOST", "127.0.0.1")
        .env("NETIGNITE_SERVER__PORT", "0")
        .env("NETIGNITE_AGENT_SECRET", SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts the program and waits for a line of its log that `find` finds something in. The log is read on, so that
/// the program never waits for us.
async fn start<T>(mut command: Command, find: impl Fn(&str) -> Option<T>) -> (Child, T) {
    let mut child = command.spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut log = String::new();
    let found = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.expect("a readable log") {
            if let Some(found) = find(&line) {
                return found;
            }
            log += &line;
            log.push('\n');
        }
        panic!("the program ended:\n{log}");
    });
    let found = found.await.expect("the line within 30 s");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, found)
}

/// The URL in the line that says that the server listens.
fn listening(line: &str) -> Option<String> {
    let (_, address) = line.contains("listening").then(|| line.split_once("http://")).flatten()?;
    let end = address.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(address.len());
    Some(format!("http://{}", &address[..end]))
}

async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let answer = request.timeout(PATIENCE).send().await.expect("an answer");
    let status = answer.status();
    let body: Value = answer.json().await.expect("JSON");
    assert!(status.is_success(), "{status}: {body}");
    body
}

#[test]
fn everything_is_in_the_program() {
    netignite::testkit::assert_registered(env!("CARGO_MANIFEST_DIR"));
}

#[tokio::test]
async fn the_command_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let output = program(directory.path(), &["commands"]).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for name in ["GET_STATUS", "HEARTBEAT", "LOAD_AVERAGE", "TAIL_LOG", "WAKEUP"] {
        assert!(text.contains(name), "{name} is missing:\n{text}");
    }
}

#[tokio::test]
async fn the_command_runs_from_rest_to_the_agent_and_the_plugin_hears_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut serve = program(directory.path(), &["serve"]);
    serve.env("NETIGNITE_PLUGINS__GREETING__TEXT", "Good evening");
    let (_server, url) = start(serve, listening).await;

    let credentials = directory.path().join("data/initial_admin_credentials");
    let credentials = std::fs::read_to_string(credentials).unwrap();
    let password = credentials.lines().find_map(|line| line.strip_prefix("password: ")).unwrap();
    let http = reqwest::Client::builder().cookie_store(true).no_proxy().build().unwrap();
    let post = |path: &str, body: Value| json_of(http.post(format!("{url}{path}")).json(&body));
    let get = |path: &str| json_of(http.get(format!("{url}{path}")));
    post("/api/auth/login", json!({"username": "admin", "password": password})).await;

    let hello = get("/api/hello").await;
    assert_eq!(hello["message"], "Good evening");
    let before = hello["data"]["commands"].as_u64().unwrap();

    let commands = get("/api/commands").await;
    let ours = commands["data"].as_array().unwrap().iter().find(|c| c["name"] == "LOAD_AVERAGE");
    assert!(ours.is_some(), "{commands}");

    let body = json!({"name": "A", "description": "", "type": "server", "secret": SECRET});
    let id = post("/api/agents", body).await["data"].as_i64().unwrap();
    let log = directory.path().join("the.log");
    std::fs::write(&log, "one\ntwo\nthree\n").unwrap();
    let config = json!({"allow": ["TAIL_LOG"], "commands": {"TAIL_LOG": {"file": log}}});
    std::fs::write(directory.path().join("agent.json"), config.to_string()).unwrap();
    let arguments = ["agent", "--server", &url, "--id", &id.to_string(), "--config", "agent.json"];
    let agent = program(directory.path(), &arguments);
    let (_agent, ()) = start(agent, |line| line.contains("connected to").then_some(())).await;

    let reply = post(&format!("/api/agents/{id}/commands/LOAD_AVERAGE"), json!({})).await;
    for key in ["oneMinute", "fiveMinutes", "fifteenMinutes"] {
        assert!(reply["data"][key].as_f64().is_some_and(|load| load >= 0.0), "{key}: {reply}");
    }
    let tail = format!("/api/agents/{id}/commands/TAIL_LOG");
    assert_eq!(post(&tail, json!({"lines": 2})).await["data"]["lines"], json!(["two", "three"]));
    let refused = |body: Value| http.post(format!("{url}{tail}")).json(&body).timeout(PATIENCE).send();
    assert_eq!(refused(json!({"lines": 201})).await.unwrap().status(), 400);
    std::fs::remove_file(&log).unwrap();
    let failed = refused(json!({"lines": 2})).await.unwrap();
    assert_eq!(failed.status(), 502);
    assert_eq!(failed.json::<Value>().await.unwrap()["agentCode"], "io_error");
    let after = get("/api/hello").await["data"]["commands"].as_u64().unwrap();
    assert!(after > before, "the plugin heard of no command: {before} → {after}");
}

#[tokio::test]
async fn a_wrong_configuration_of_the_plugin_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("config")).unwrap();
    let file = directory.path().join("config/config.json");
    for (text, named) in [
        (r#"{"plugins": {"greeting": {"txt": "Hello"}}}"#, "txt"),
        (r#"{"plugins": {"greeting": {"text": " "}}}"#, "plugins.greeting.text"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output =
            timeout(PATIENCE, program(directory.path(), &["serve"]).output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(named), "{said}");
    }
}
