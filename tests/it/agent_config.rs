//! `netignite agent --config FILE`: which commands the server may send, how they are set up, and what is wrong with a
//! file.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::binary::command;
use super::support::played::{Connection, Played};
use super::support::wait::until;
use super::support::{Binary, soon};

const SECRET: &str = "correct horse battery staple";

/// Starts an agent with this configuration and these arguments; the connection that it makes.
async fn start(directory: &Path, server: &Played, config: Value, arguments: &[&str]) -> (Connection, Binary) {
    std::fs::write(directory.join("secret"), SECRET).unwrap();
    std::fs::write(directory.join("agent.json"), config.to_string()).unwrap();
    let all: Vec<_> = ["agent", "--config", "agent.json"].iter().chain(arguments).copied().collect();
    let agent = Binary::spawn(command(directory, &all));
    (server.accept().await, agent)
}

/// The commands that the agent said it has.
fn said(connection: &Connection) -> Vec<String> {
    let (_, said) = connection.headers.iter().find(|(name, _)| name == "netignite-agent").unwrap();
    let said = said.split_once("; commands=").unwrap().1;
    said.split_once(";").map_or(said, |(commands, _)| commands).split(',').map(str::to_owned).collect()
}

async fn ask(connection: &mut Connection, name: &str, payload: Value) -> Value {
    let reply = connection.ask(&format!("{name}:1:{payload}")).await;
    serde_json::from_str(reply.strip_prefix(&format!("{name}:1:")).unwrap()).unwrap()
}

/// How a program ended.
struct Done {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

async fn run(mut program: tokio::process::Command) -> Done {
    let output = program.output().await.unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    Done { status: output.status.code(), stdout, stderr }
}

fn config(server: &Played) -> Value {
    json!({"server": format!("http://{}", server.address()), "id": 7, "secretFile": "secret"})
}

#[tokio::test]
async fn what_needs_to_be_allowed_is_refused_until_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let (mut connection, agent) = start(directory.path(), &server, config(&server), &[]).await;
    assert_eq!(connection.credentials, format!("7:{SECRET}"));
    for name in ["SHUTDOWN", "REBOOT", "SLEEP"] {
        assert!(!said(&connection).contains(&name.to_owned()), "{:?}", said(&connection));
        let reply = ask(&mut connection, name, json!({})).await;
        assert_eq!(reply["status"], "ERROR", "{reply}");
        let message = reply["message"].as_str().unwrap();
        assert!(message.contains("not allowed") && message.contains(&format!("--allow {name}")), "{message}");
    }
    drop((connection, agent));

    // Allowed by the file and by the command line, and denied.
    let mut allowing = config(&server);
    allowing["allow"] = json!(["SHUTDOWN"]);
    allowing["deny"] = json!(["PROBE"]);
    let arguments = ["--allow", "REBOOT,SLEEP", "--deny", "SLEEP"];
    let (mut connection, _agent) = start(directory.path(), &server, allowing, &arguments).await;
    let said = said(&connection);
    for (name, expected) in
        [("SHUTDOWN", true), ("REBOOT", true), ("SLEEP", false), ("PROBE", false), ("WAKEUP", true)]
    {
        assert_eq!(said.contains(&name.to_owned()), expected, "{name}: {said:?}");
    }
    let reply = ask(&mut connection, "PROBE", json!({"address": "127.0.0.1"})).await;
    assert!(reply["message"].as_str().unwrap().contains("denied"), "{reply}");
}

#[tokio::test]
async fn a_shutdown_is_answered_before_the_program_of_the_configuration_runs_without_a_shell() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let mark = directory.path().join("$HOME; off");
    let mut config = config(&server);
    config["allow"] = json!(["SHUTDOWN", "REBOOT", "SLEEP"]);
    config["commands"] = json!({
        "SHUTDOWN": {"run": ["touch", mark]},
        "REBOOT": {"run": ["no-such-program-anywhere"]},
        "SLEEP": {"run": ["touch", directory.path().join("late")]},
    });
    let (mut connection, _agent) = start(directory.path(), &server, config, &[]).await;
    let reply = ask(&mut connection, "REBOOT", json!({})).await;
    assert_eq!(reply["status"], "ERROR", "{reply}");
    assert!(reply["message"].as_str().unwrap().contains("no-such-program-anywhere"), "{reply}");
    let reply = ask(&mut connection, "SHUTDOWN", json!({"delaySeconds": 86_401})).await;
    assert!(reply["message"].as_str().unwrap().contains("delaySeconds"), "{reply}");

    let reply = ask(&mut connection, "SLEEP", json!({"delaySeconds": 86_400})).await;
    assert_eq!(reply, json!({"status": "OK", "message": "Goes to sleep in 86400 seconds"}));
    let began = Instant::now();
    let reply = ask(&mut connection, "SHUTDOWN", json!({"delaySeconds": 2})).await;
    assert_eq!(reply, json!({"status": "OK", "message": "Shuts down in 2 seconds"}));
    assert!(!mark.exists() && began.elapsed() < Duration::from_secs(2), "answered before it happens");
    until("the program to have run", || async { mark.exists().then_some(()) }).await;
    assert!(began.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn the_command_line_wins_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let file = json!({"server": "http://127.0.0.1:1", "id": 3, "secretFile": "nowhere", "deny": ["WAKEUP"]});
    let url = format!("http://{}", server.address());
    let arguments = ["--server", &url, "--id", "7", "--secret-file", "secret", "--allow", "WAKEUP"];
    let (connection, _agent) = start(directory.path(), &server, file, &arguments).await;
    assert_eq!(connection.credentials, format!("7:{SECRET}"));
    assert!(said(&connection).contains(&"WAKEUP".to_owned()));
}

#[tokio::test]
async fn a_file_is_checked_and_shown() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let good = json!({"server": "http://127.0.0.1:1", "id": 7, "allow": ["SHUTDOWN"],
        "commands": {"SHUTDOWN": {"run": ["poweroff", "now"]}}});
    let check = async |config: &str, more: &[&str]| {
        std::fs::write(here.join("agent.json"), config).unwrap();
        let all: Vec<_> = ["agent", "check", "--config", "agent.json"].iter().chain(more).copied().collect();
        soon("the end", run(command(here, &all))).await
    };
    let done = check(&good.to_string(), &["--json"]).await;
    assert_eq!(done.status, Some(0), "{}", done.stderr);
    let shown: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(shown["commands"]["SHUTDOWN"]["run"], json!(["poweroff", "now"]));
    assert_eq!(shown["commands"]["REBOOT"]["run"], json!(["systemctl", "reboot"]));
    assert!(shown["allowed"].as_array().unwrap().contains(&json!("SHUTDOWN")), "{shown}");
    assert!(shown["notAllowed"].as_array().unwrap().contains(&json!("REBOOT")), "{shown}");
    assert!(check(&good.to_string(), &[]).await.stdout.contains("commands.SHUTDOWN"));

    let base = r#""server":"http://127.0.0.1:1","id":7"#;
    for (rest, words) in [
        (r#""alow":["SHUTDOWN"]"#, &["agent.json", "\"alow\"", "did you mean \"allow\""][..]),
        (r#""allow":["SHUTDWON"]"#, &["allow", "SHUTDWON", "did you mean \"SHUTDOWN\""]),
        (r#""deny":["HEARTBEAT"]"#, &["deny", "HEARTBEAT"]),
        (r#""commands":{"SHUTDOWN":{"rum":[]}}"#, &["commands.SHUTDOWN.rum", "did you mean \"run\""]),
        (
            r#""commands":{"SHUTDOWN":{"run":[]}}"#,
            &["commands.SHUTDOWN", "run", "a program and its arguments"],
        ),
        (r#""commands":{"SHUTDOWN":{"run":"poweroff"}}"#, &["commands.SHUTDOWN", "run"]),
        (r#""commands":{"WAKEUP":{}}"#, &["commands.WAKEUP", "nothing to set up"]),
        (r#""commands":{"SLEEP":{"zzz":1}}"#, &["commands.SLEEP.zzz: there is no such key; it has run"]),
        (r#""commands":{"SLEEP":{"run":"x"}}"#, &["commands.SLEEP.run: expected a list"]),
        (r#""logLevel":"loud""#, &["logLevel", "expected"]),
        (r#""id":"x""#, &["agent.json"]),
        (r#""broadcast":"nowhere""#, &["agent.json", "broadcast"]),
    ] {
        let done = check(&format!("{{{base},{rest}}}"), &[]).await;
        assert_eq!(done.status, Some(1), "{rest}: {}{}", done.stdout, done.stderr);
        assert_eq!(done.stderr.trim().lines().count(), 1, "{}", done.stderr);
        for word in words {
            assert!(done.stderr.contains(word), "{rest}: {word}: {}", done.stderr);
        }
    }
    let done = check(r#"{"id":7}"#, &[]).await;
    assert!(done.stderr.contains("--server"), "{}", done.stderr);
    std::fs::remove_file(here.join("agent.json")).unwrap();
    let done = soon("the end", run(command(here, &["agent", "--config", "agent.json"]))).await;
    assert!(done.status == Some(1) && done.stderr.contains("agent.json"), "{}", done.stderr);
}

#[tokio::test]
async fn what_came_along_with_a_files_texts_is_no_part_of_them_and_no_file_is_read_without_end() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let mut marked = config(&server);
    marked["server"] = json!(format!("\u{feff} http://{} \n", server.address()));
    std::fs::write(directory.path().join("secret"), SECRET).unwrap();
    std::fs::write(directory.path().join("agent.json"), format!("\u{feff}{marked}\r\n")).unwrap();
    let agent = Binary::spawn(command(directory.path(), &["agent", "--config", "agent.json"]));
    assert_eq!(server.accept().await.credentials, format!("7:{SECRET}"));
    drop(agent);
    let endless = run(command(directory.path(), &["agent", "check", "--config", "/dev/zero"]));
    let refused = soon("the end of the program", endless).await;
    assert!(refused.status == Some(1) && refused.stderr.contains("larger than"), "{}", refused.stderr);
}
