//! The environment that a program finds itself in: variables of other programs and subcommands, words written almost
//! right, and where the server really listens.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::cli::{answer, refusal, text};
use super::support::Binary;
use super::support::binary::command;

#[tokio::test]
async fn production_is_known_however_it_is_written_and_other_words_are_named() {
    let here = tempfile::tempdir().unwrap();
    for (word, production, named) in [
        ("production", true, false),
        ("Production ", true, false),
        ("PRODUCTION\r\n", true, false),
        ("\u{feff}production", true, false),
        ("development", false, false),
        ("Test", false, false),
        ("prod", false, true),
        ("productoin", false, true),
        ("staging", false, true),
    ] {
        let mut program = command(here.path(), &["config", "show", "--json"]);
        let output = program.env("NODE_ENV", word).output().await.unwrap();
        assert!(output.status.success(), "{word:?}: {}", text(&output.stderr));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(shown["production"]["value"], json!(production), "{word:?}");
        let said = text(&output.stderr);
        assert_eq!(said.contains("NODE_ENV") && said.contains("production"), named, "{word:?}: {said}");
    }
    let mut program = command(here.path(), &[]);
    let server = Binary::spawn({
        program.env("NODE_ENV", "prod");
        program
    });
    server.line(&["NODE_ENV", "prod", "production"]).await;
    server.line(&["listening"]).await;
    server.kill().await;
}

#[tokio::test]
async fn variables_of_other_subcommands_are_no_mistyped_settings() {
    let here = tempfile::tempdir().unwrap();
    for name in [
        "NETIGNITE_ENROLMENT_CODE",
        "NETIGNITE_ENROLMENT_CODE_FILE",
        "NETIGNITE_AGENT_SECRET",
        "NETIGNITE_TOKEN",
        "NETIGNITE_TOKEN_FILE",
        "NETIGNITE_PASSWORD",
        "NETIGNITE_PASSWORD_FILE",
        "NETIGNITE_USERNAME",
    ] {
        let mut program = command(here.path(), &["config", "check"]);
        let output = program.env(name, "something").output().await.unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    }
    for name in ["NETIGNITE_TOKENS", "NETIGNITE_LOGLEVEL", "NETIGNITE_ENROLMENT_CODES", "NETIGNITE_X"] {
        let mut program = command(here.path(), &["config", "check"]);
        let output = program.env(name, "something").output().await.unwrap();
        assert!(!output.status.success() && text(&output.stderr).contains(name), "{name}");
    }
    // Blanks around a value that has none are no part of it.
    let mut program = command(here.path(), &["config", "show", "--json"]);
    program
        .env("NETIGNITE_LOG_LEVEL", "warn \r\n")
        .env("NITRO_HOST", " 127.0.0.1")
        .env_remove("NETIGNITE_SERVER__HOST");
    let output = program.output().await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["logLevel"]["value"], &shown["server.host"]["value"]),
        (&json!("warn"), &json!("127.0.0.1"))
    );
}

#[tokio::test]
async fn healthcheck_finds_the_server_wherever_its_flags_moved_it() {
    let here = tempfile::tempdir().unwrap();
    // Below those that the system gives out, which other tests may take meanwhile.
    let free = (20_000..30_000).find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let free = free.unwrap().to_string();
    for port in [free.as_str(), "0"] {
        let server = Binary::spawn(command(here.path(), &["serve", "--port", port]));
        server.line(&["listening"]).await;
        assert_eq!(answer(here.path(), &["healthcheck"], "").await, "ready\n");
        assert_eq!(answer(here.path(), &["healthcheck", "--host", "127.0.0.1"], "").await, "ready\n");
        server.signal(Signal::TERM);
        server.ended().await;
        refusal(here.path(), &["healthcheck"], "").await;
    }
    // One that was killed has left its address, and nobody answers there.
    let server = Binary::spawn(command(here.path(), &["serve", "--port", &free]));
    server.line(&["listening"]).await;
    server.kill().await;
    let said = refusal(here.path(), &["healthcheck"], "").await;
    assert!(said.contains(&free), "{said}");
}

#[tokio::test]
async fn healthcheck_takes_no_other_program_for_the_server() {
    let here = tempfile::tempdir().unwrap();
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut socket, _) = other.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1024]).await.unwrap();
        let text = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nnone";
        socket.write_all(text.as_bytes()).await.unwrap();
        socket.flush().await.unwrap();
        let _ = socket.read(&mut [0; 1]).await;
    });
    let said = refusal(here.path(), &["healthcheck", "--host", "127.0.0.1", "--port", &port], "").await;
    assert!(said.contains(&port) && said.contains("404") || said.contains("no NetIgnite Server"), "{said}");
    answering.abort();
}
