//! How far a command is, on the terminal of whoever waits for it.

use std::path::Path;
use std::process::Output;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::cli::text;
use super::cli_devices::scene;
use super::support::binary::command;
use super::support::scene::SECRET;
use super::support::wait::until;
use super::support::{Firmware, Terminal, soon};

const ABLE: &str = "9.9; commands=DISCOVER,HEARTBEAT,PROBE,WAKEUP; features=progress,cancel";
const FOUND: &str = r#"{"status":"OK","message":"1 host found","truncated":false,
    "hosts":[{"address":"192.0.2.9","macAddress":"02:00:00:00:00:09","name":"nas"}]}"#;
const TABLE: &str = "ADDRESS    MAC ADDRESS        NAME\n192.0.2.9  02:00:00:00:00:09  nas\n";

/// Runs `netignite` with its standard error at a terminal: its process, and its end.
fn at_terminal(here: &Path, arguments: &[&str]) -> (Terminal, Pid, JoinHandle<Output>) {
    let (terminal, end) = Terminal::open();
    let mut program = command(here, arguments);
    let child = program.env("TERM", "xterm").stderr(end).spawn().unwrap();
    let process = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    (terminal, process, tokio::spawn(async move { child.wait_with_output().await.unwrap() }))
}

/// Has the agent say how far it is until the terminal shows it: whoever listens may not listen yet.
async fn say(agent: &mut Firmware, id: u32, report: &Value, terminal: &Terminal, words: &str) {
    while !terminal.shown().contains(words) {
        agent.say(&format!("PROGRESS:{id}:{report}")).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn a_look_through_networks_says_at_a_terminal_how_far_it_is() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, address, _admin, agent) = scene(here).await;
    let mut agent = Firmware::connect_saying(address, agent, SECRET, ABLE).await;
    let (terminal, _, ended) = at_terminal(here, &["discover", "Agent", "--limit", "5"]);
    let asked = agent.command().await;
    assert_eq!((asked.command.as_str(), &asked.json), ("DISCOVER", &json!({"limit": 5})));
    until("the first words", async || terminal.shown().contains("looking through").then_some(())).await;
    let report = json!({"message": "120 of 254 \u{202e}\u{1b}[2Jasked", "done": 120, "total": 254});
    soon("a report", say(&mut agent, asked.id, &report, &terminal, "47 % · 120 of 254 ")).await;
    let long = json!({"message": "x".repeat(190)});
    soon("a long report", say(&mut agent, asked.id, &long, &terminal, "xxx")).await;
    agent.reply(&asked, FOUND).await;
    let output = soon("its end", ended).await.unwrap();
    let shown = terminal.whole();
    assert!(output.status.success(), "{shown}");
    assert_eq!(text(&output.stdout), TABLE);
    assert!(!shown.contains("\u{1b}[2J") && !shown.contains('\u{202e}'), "{shown:?}");
    let drawn: Vec<_> = shown.split("\r\u{1b}[K").collect();
    assert!(drawn.iter().all(|line| line.chars().count() < 80 && !line.contains('\n')), "{drawn:?}");
    assert_eq!(drawn.last(), Some(&""), "it is taken away in the end");
}

#[tokio::test]
async fn programs_get_the_answer_alone_and_no_operation_is_made_for_them() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, address, _admin, agent) = scene(here).await;
    let mut agent = Firmware::connect_saying(address, agent, SECRET, ABLE).await;
    let (terminal, _, ended) = at_terminal(here, &["discover", "Agent", "--json"]);
    let asked = agent.command().await;
    agent.say(&format!(r#"PROGRESS:{}:{{"message":"nobody reads this"}}"#, asked.id)).await;
    agent.reply(&asked, FOUND).await;
    let output = soon("its end", ended).await.unwrap();
    assert_eq!(terminal.whole(), "");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["hosts"][0]["name"], "nas");
}

#[tokio::test]
async fn what_fails_and_what_is_ended_says_so_below_the_line() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, address, admin, id) = scene(here).await;
    let (terminal, _, ended) = at_terminal(here, &["discover", "Agent"]);
    assert_eq!(soon("its end", ended).await.unwrap().status.code(), Some(1));
    let shown = terminal.whole();
    assert!(shown.contains("were not looked through: ") && shown.contains("offline"), "{shown}");

    let mut agent = Firmware::connect_saying(address, id, SECRET, ABLE).await;
    let (terminal, _, ended) = at_terminal(here, &["discover", "Agent"]);
    let asked = agent.command().await;
    agent.reply(&asked, r#"{"status":"ERROR","message":"no such network here"}"#).await;
    assert_eq!(soon("its end", ended).await.unwrap().status.code(), Some(1));
    let shown = terminal.whole();
    assert!(shown.contains("were not looked through: ") && shown.contains("no such network here"), "{shown}");

    let (terminal, process, ended) = at_terminal(here, &["discover", "Agent"]);
    let asked = agent.command().await;
    until("the line", async || terminal.shown().contains("looking through").then_some(())).await;
    kill_process(process, Signal::INT).unwrap();
    let cancel = agent.message().await;
    assert_eq!((cancel.command.as_str(), &cancel.id), ("CANCEL", &asked.id));
    agent.reply(&asked, r#"{"status":"ERROR","message":"ended","code":"canceled"}"#).await;
    assert_eq!(soon("its end", ended).await.unwrap().status.code(), Some(130));
    let last = admin.get("/api/operations?limit=1").await.expect(200).data()[0]["state"].clone();
    assert_eq!(last, "canceled");
}
