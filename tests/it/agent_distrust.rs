//! `netignite agent` and servers that mean harm, or are wrong: its log stays small and readable, it keeps no secret
//! that it could not use, and none is forgotten before the new one is proven.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use super::support::played::{Played, agent_with_file, head};
use super::support::wait::within;
use super::support::{Binary, soon};

const OLD: &str = "the secret of the first days";
const NEW: &str = "the secret that comes after it";

fn secret_file(directory: &Path, content: &str) -> std::path::PathBuf {
    let file = directory.join("secret");
    std::fs::write(&file, content).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn kept(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("secret")).unwrap().trim_end().to_owned()
}

/// The files in the directory beside the secret's.
fn beside(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name != "secret").collect()
}

#[tokio::test]
async fn a_flood_leaves_few_lines_in_the_log_and_none_that_steers_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    secret_file(directory.path(), OLD);
    let server = Played::start().await;
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    let connection = server.accept().await;
    let (mut to, mut from) = connection.socket.split();
    let flood = async {
        for n in 0..1500 {
            to.feed(Message::text(format!("nonsense \u{1b}[31m {n}"))).await.unwrap();
            let name = format!("EVIL\u{1b}[2J\u{202e}\u{2028}{}", "X".repeat(2000));
            to.feed(Message::text(format!("{name}:{n}:{{}}"))).await.unwrap();
        }
        to.flush().await.unwrap();
    };
    let replies = async {
        let mut replies = 0;
        while replies < 1500 {
            replies += usize::from(from.next().await.unwrap().unwrap().is_text());
        }
    };
    within(Duration::from_secs(60), "the replies", async { tokio::join!(flood, replies) }).await;
    let close = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 4242.into(),
        reason: "\u{1b}[31m\u{202e}over\n2000-01-01 INFO all is well".into(),
    };
    to.send(Message::Close(Some(close))).await.unwrap();
    agent.line(&["disconnected", "4242", "over"]).await;
    let log = agent.log();
    assert!(log.lines().count() < 60 && log.len() < 30_000, "{} lines: {log}", log.lines().count());
    assert!(log.contains("1490 more lines") && log.contains("suppressed"), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{202e}', '\u{2028}']), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("2000-01-01")), "{log}");
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_refused_and_the_old_one_stays() {
    let directory = tempfile::tempdir().unwrap();
    secret_file(directory.path(), OLD);
    let server = Played::start().await;
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    let mut connection = server.accept().await;
    let long = "x".repeat(12_000);
    for (n, bad) in [
        json!(""),
        json!("short"),
        json!(long),
        json!("x".repeat(257)),
        json!("a line\nand another one"),
        json!("a line\r\nInjected: header"),
        json!("nothing\u{0}within it"),
        json!(" blanks around it "),
        json!("\u{feff}a byte order mark"),
        json!("turned\u{202e}around here"),
        json!(12_345_678),
        json!(null),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = connection.ask(&format!("ROTATE_SECRET:{n}:{}", json!({"secret": bad}))).await;
        assert!(reply.contains(r#""status":"ERROR""#) && reply.contains("secret"), "{bad}: {reply}");
        assert!(!reply.contains("xxxx") && !reply.contains("Injected"), "{reply}");
        assert_eq!(kept(directory.path()), OLD);
    }
    assert!(beside(directory.path()).is_empty());
    assert!(!agent.log().contains("Injected"), "{}", agent.log());
    // 60,000 characters are more than a message may have.
    connection
        .socket
        .send(Message::text(format!("ROTATE_SECRET:1:{{\"secret\":\"{}\"}}", "x".repeat(60_000))))
        .await
        .unwrap();
    match soon("the end", connection.socket.next()).await.unwrap().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1009),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.accept().await.credentials, format!("7:{OLD}"));
}

#[tokio::test]
async fn the_old_secret_is_tried_again_until_the_new_one_was_taken() {
    let directory = tempfile::tempdir().unwrap();
    secret_file(directory.path(), OLD);
    let server = Played::start().await;
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    let mut connection = server.accept().await;
    let rotate = format!("ROTATE_SECRET:1:{}", json!({"secret": NEW}));
    assert!(connection.ask(&rotate).await.contains(r#""status":"OK""#));
    connection.close(1012, "").await;
    // The server does not know what it handed out.
    assert_eq!(server.refuse_secret().await, format!("7:{NEW}"));
    let mut connection = server.accept().await;
    assert_eq!(connection.credentials, format!("7:{OLD}"));
    agent.line(&["refused the agent's new secret"]).await;
    super::support::wait::until("the files to be tidied up", || {
        let tidy = beside(directory.path()).is_empty() && kept(directory.path()) == OLD;
        async move { tidy.then_some(()) }
    })
    .await;

    // Once more, and the power fails before the agent has come back.
    assert!(connection.ask(&rotate).await.contains(r#""status":"OK""#));
    agent.kill().await;
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    // What is no word about the secret does not end it.
    assert_eq!(
        server.refuse("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await,
        format!("7:{NEW}")
    );
    assert_eq!(server.refuse_secret().await, format!("7:{NEW}"));
    assert_eq!(server.refuse_secret().await, format!("7:{OLD}"));
    agent.kill().await;
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    let connection = server.accept().await;
    assert_eq!(connection.credentials, format!("7:{NEW}"));
    super::support::wait::until("the old secret to be forgotten", || {
        let forgotten = beside(directory.path()).is_empty() && kept(directory.path()) == NEW;
        async move { forgotten.then_some(()) }
    })
    .await;
    assert!(!agent.log().contains(NEW) && !agent.log().contains(OLD), "{}", agent.log());
}

#[tokio::test]
async fn a_new_secret_that_a_person_writes_is_used_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = secret_file(directory.path(), "a secret with a mistake");
    let server = Played::start().await;
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    server.refuse_secret().await;
    agent.line(&["401", "check --id and the secret"]).await;
    // Written as an editor may: with a mark, blanks and a line break.
    std::fs::write(&file, format!("\u{feff}{OLD} \r\n\r\n")).unwrap();
    assert_eq!(server.accept().await.credentials, format!("7:{OLD}"));
}

#[tokio::test]
async fn a_secret_that_every_user_can_read_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let file = secret_file(directory.path(), OLD);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = Played::start().await;
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    let _connection = server.accept().await;
    agent.line(&["every user of this machine can read", "chmod o="]).await;
    agent.kill().await;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    let _connection = server.accept().await;
    agent.line(&["connected to"]).await;
    assert!(!agent.log().contains("can read"), "{}", agent.log());
}

#[tokio::test]
async fn a_file_in_another_encoding_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(
        &file,
        OLD.encode_utf16().fold(vec![0xFF, 0xFE], |mut bytes, unit| {
            bytes.extend(unit.to_le_bytes());
            bytes
        }),
    )
    .unwrap();
    let (status, said) = super::support::binary::run(agent_with_file(directory.path(), "127.0.0.1:1")).await;
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("UTF-16") && said.contains("UTF-8"), "{said}");
}

#[tokio::test]
async fn a_refusal_is_shown_by_its_code_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    secret_file(directory.path(), OLD);
    let server = Played::start().await;
    for (answer, words) in [
        (
            "403 Forbidden\r\nNetIgnite-Error: foreign_origin",
            &["403", "foreign_origin", "allowedOrigins"][..],
        ),
        ("426 Upgrade Required\r\nNetIgnite-Error: upgrade_required", &["upgrade_required", "reverse proxy"]),
        (
            "503 Service Unavailable\r\nNetIgnite-Error: too_many_connections",
            &["too_many_connections", "room"],
        ),
        ("404 Not Found\r\nNetIgnite-Error: not_found", &["not_found", "base URL"]),
        ("301 Moved Permanently\r\nLocation: https://n.example/", &["301", "https://n.example/", "--server"]),
        ("418 I'm a teapot\r\nNetIgnite-Error: \u{202e}turned", &["418", "\u{fffd}turned"]),
    ] {
        let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
        server.refuse(&format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n")).await;
        let line = agent.line(&["not connected"]).await;
        assert!(
            words.iter().all(|word| line.contains(word)) && !line.contains('\u{1b}'),
            "{words:?}: {line}"
        );
        agent.kill().await;
    }
}

#[tokio::test]
async fn an_endless_answer_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    secret_file(directory.path(), OLD);
    let server = Played::start().await;
    let agent = Binary::spawn(agent_with_file(directory.path(), server.address()));
    let (mut stream, _) = soon("the agent", server.listener.accept()).await.unwrap();
    head(&mut stream).await;
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n").await.unwrap();
    let before = agent.memory();
    let header = format!("X-{}: y\r\n", "x".repeat(1000)).repeat(64);
    let mut written = 0;
    while written < 64 * 1024 * 1024 && stream.write_all(header.as_bytes()).await.is_ok() {
        written += header.len();
    }
    agent.line(&["not connected"]).await;
    assert!(agent.memory() < before + 8 * 1024 * 1024, "{} bytes", agent.memory() - before);
    assert!(written < 16 * 1024 * 1024, "{written} bytes were taken");
}
