//! `netignite agent enroll`, from the code to a woken device, and what can go wrong between.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::process::Command;

use super::agent_program::tls_server;
use super::cli::{answer, cli, json_answer, refusal, shown, text};
use super::support::binary::{command, run, superadmin};
use super::support::wait::until_equal;
use super::support::{Binary, soon};

const CODE: &str = "7K3M-9QXD-0V5T-HB2E";

/// A new code of the server in `directory`.
async fn code(directory: &Path) -> String {
    let said = answer(directory, &["enrolment", "create"], "").await;
    shown(&said, "Code").to_owned()
}

fn enroll(directory: &Path, server: &str) -> Command {
    let mut enroll = command(directory, &["agent", "enroll", "--name", "Pi", "--server", server]);
    enroll.env("NETIGNITE_ENROLMENT_CODE", CODE).stdin(Stdio::null());
    enroll
}

#[tokio::test]
async fn from_the_code_to_a_woken_device() {
    let here = tempfile::tempdir().unwrap();
    let (_server, address) = Binary::serve(here.path()).await;
    let machine = tempfile::tempdir().unwrap();
    let machine = machine.path();
    let code = code(here.path()).await;
    let url = format!("http://{address}/");
    let flags = ["agent", "enroll", "--server", &url, "--description", "in the hall"];
    let enrolled = cli(machine, &flags, &format!("{}\n", code.to_lowercase())).await;
    assert!(enrolled.status.success(), "{}", text(&enrolled.stderr));
    let said = text(&enrolled.stdout);
    assert_eq!(text(&enrolled.stderr), "");

    let file = machine.join("agent-secret.txt");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(secret.trim().len() >= 22 && !said.contains(secret.trim()) && !said.contains(&code), "{said}");
    assert_eq!(std::fs::read_dir(machine).unwrap().count(), 1, "nothing else is left");

    // The machine's name, the description, and exactly the command that is printed.
    let admin = superadmin(here.path(), address).await;
    let agents = admin.get("/api/agents").await.expect(200);
    let (id, name) = (agents.data()[0]["id"].as_i64().unwrap(), &agents.data()[0]["name"]);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!((name, &agents.data()[0]["description"]), (&json!(host.trim()), &json!("in the hall")));
    let line = said.lines().last().unwrap();
    let expected = format!("agent --server http://{address} --id {id} --secret-file agent-secret.txt");
    assert!(line.ends_with(&expected), "{said}");
    let mut shell = Command::new("sh");
    let script = format!("exec {line} --broadcast 127.255.255.255");
    shell.args(["-c", &script]).current_dir(machine).kill_on_drop(true);
    let _agent = Binary::spawn(piped(shell));
    until_equal("the agent's status", "online".to_owned(), || admin.agent_status(id)).await;

    let ear = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let body = json!({"name": "Box", "type": "desktop", "macAddress": "0A:1B:2C:3D:4E:5F", "agentID": id,
        "port": ear.local_addr().unwrap().port(), "address": "127.0.0.1"});
    let device = admin.post("/api/devices", body).await.expect(201).id();
    admin.post(&format!("/api/devices/{device}/wakeup"), json!({})).await.expect(200);
    let mut packet = [0; 1024];
    assert_eq!(soon("a magic packet", ear.recv(&mut packet)).await.unwrap(), 6 + 16 * 6);
}

fn piped(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn the_code_comes_from_a_file_too_and_the_answer_is_json_on_request() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (server, address) = Binary::serve(here).await;
    std::fs::write(here.join("code"), format!("{}\n", code(here).await)).unwrap();
    let url = format!("ws://{address}");
    let flags = ["agent", "enrol", "--server", &url, "--name", "Pi", "--code-file", "code"];
    let said = json_answer(here, &[&flags[..], &["--secret-file", "a secret"]].concat(), "").await;
    let server_url = format!("http://{address}");
    assert_eq!(said, json!({"id": 1, "name": "Pi", "server": server_url, "secretFile": "a secret"}));
    assert!(here.join("a secret").exists());

    // A code is good once, and nothing is left of an attempt with a used one.
    let line = refusal(here, &flags, "").await;
    assert!(line.contains("The enrolment code is wrong, expired or already used"), "{line}");
    assert!(!here.join("agent-secret.txt").exists());
    server.kill().await;
}

#[tokio::test]
async fn what_is_wrong_on_this_machine_is_reported_before_the_code_is_used() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (server, address) = Binary::serve(here).await;
    let url = format!("http://{address}");
    let code = code(here).await;
    std::fs::write(here.join("taken"), "another agent's secret").unwrap();
    std::os::unix::fs::symlink("nowhere", here.join("link")).unwrap();
    for (flags, words) in [
        (&["--secret-file", "taken"][..], "may hold an agent's secret"),
        (&["--secret-file", "link"], "may hold an agent's secret"),
        (&["--secret-file", "no/such/directory"], "cannot be made"),
        (&["--code-file", "none"], "cannot read the code in none"),
        (&["--name", ""], "name: "),
    ] {
        let line = refusal(here, &[&["agent", "enroll", "--server", &url][..], flags].concat(), &code).await;
        assert!(line.contains(words), "{line}");
    }
    let line = refusal(here, &["agent", "enroll", "--server", &url], "\n").await;
    assert!(line.contains("no enrolment code was given") && line.contains("--code-file"), "{line}");
    let line = refusal(here, &["agent", "enroll", "--server", "http://1:hunter22@nas"], &code).await;
    assert!(line.contains("must not hold") && !line.contains("hunter22"), "{line}");
    // An argument could be read by every user of the machine.
    let refused = cli(here, &["agent", "enroll", "--server", &url, "--code", &code], "").await;
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(here.join("taken")).unwrap(), "another agent's secret");
    assert!(!here.join("nowhere").exists() && !here.join("agent-secret.txt").exists());
    answer(here, &["agent", "enroll", "--server", &url], &code).await;
    server.kill().await;
}

/// Reads a request of `enroll` to its end.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    soon("the request", async {
        while !read.ends_with(b"}") {
            read.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    text(&read)
}

async fn reply(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

const MADE: &str = r#"{"status":"OK","message":"m","data":{"id":7,"secret":"a secret of the server's"}}"#;

#[tokio::test]
async fn it_enrols_over_tls_below_a_path() {
    let here = tempfile::tempdir().unwrap();
    let (listener, tls, certificate) = tls_server().await;
    let trusted = here.path().join("trusted.pem");
    std::fs::write(&trusted, certificate).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut program = enroll(here.path(), &format!("https://localhost:{port}/power"));
    program.env("SSL_CERT_FILE", &trusted);
    let program = Binary::spawn(program);
    let (tcp, _) = soon("the program", listener.accept()).await.unwrap();
    let mut stream = soon("the TLS handshake", tls.accept(tcp)).await.unwrap();
    let asked = request(&mut stream).await;
    assert!(asked.starts_with("POST /power/api/agents/enrol HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(CODE) && asked.contains("\"name\":\"Pi\""), "{asked}");
    reply(&mut stream, "201 Created", MADE).await;
    let (status, said) = program.ended().await;
    assert!(status.success() && said.contains("--id 7"), "{said}");
    let kept = std::fs::read_to_string(here.path().join("agent-secret.txt")).unwrap();
    assert_eq!(kept, "a secret of the server's\n");
}

#[tokio::test]
async fn an_answer_that_is_lost_or_none_is_reported_with_what_to_do() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for (answer, words) in [
        (None, &["the code was used", "Pi"][..]),
        (Some(("200 OK", "<html>")), &["200", "base URL"]),
        (Some(("404 Not Found", "nothing here")), &["404", "base URL"]),
        (Some(("201 Created", r#"{"status":"OK","message":"m","data":{"id":"7"}}"#)), &["201", "base URL"]),
        (
            Some(("429 Too Many Requests", r#"{"status":"ERROR","message":"Wait \u001b[2J","data":null}"#)),
            &["429", "Wait \u{fffd}[2J"],
        ),
    ] {
        let program = Binary::spawn(enroll(here, &url));
        let (mut stream, _) = soon("the program", listener.accept()).await.unwrap();
        request(&mut stream).await;
        if let Some((status, body)) = answer {
            reply(&mut stream, status, body).await;
        }
        drop(stream);
        let (status, said) = program.ended().await;
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
        assert!(!said.contains(CODE), "{said}");
        assert_eq!(std::fs::read_dir(here).unwrap().count(), 0, "no file is left");
    }
    drop(listener);
    let (status, said) = run(enroll(here, &url)).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("cannot be reached") && said.contains("was not used"), "{said}");
}

#[tokio::test]
async fn an_agent_that_cannot_be_is_not_believed() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let good = "a secret of the server's";
    for (id, secret, word) in [
        (json!(-5), json!(good), "ID -5"),
        (json!(0), json!(good), "ID 0"),
        (json!(1.5), json!(good), "base URL"),
        (json!(1e300), json!(good), "base URL"),
        (json!("7"), json!(good), "base URL"),
        (json!(7), json!(""), "secret"),
        (json!(7), json!("short"), "secret"),
        (json!(7), json!("two\nlines of a secret"), "secret"),
        (json!(7), json!("a return\r within it"), "secret"),
        (json!(7), json!(" a blank before it"), "secret"),
        (json!(7), json!("turned\u{202e}around here"), "secret"),
        (json!(7), json!("x".repeat(257)), "secret"),
        (json!(7), json!("x".repeat(60_000)), "secret"),
        (json!(7), json!("x".repeat(70_000)), "did not answer as expected"),
    ] {
        let program = Binary::spawn(enroll(here, &url));
        let (mut stream, _) = soon("the program", listener.accept()).await.unwrap();
        request(&mut stream).await;
        let body = json!({"status": "OK", "message": "m", "data": {"id": id, "secret": secret}});
        reply(&mut stream, "201 Created", &body.to_string()).await;
        let (status, said) = program.ended().await;
        assert_eq!(status.code(), Some(1), "{id} {said}");
        assert!(said.contains(word) && said.len() < 1000, "{word}: {said}");
        assert_eq!(std::fs::read_dir(here).unwrap().count(), 0, "no file is left");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_written_is_reported_with_its_agent() {
    let here = tempfile::tempdir().unwrap();
    let folder = here.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut program = enroll(here.path(), &format!("http://{}", listener.local_addr().unwrap()));
    program.args(["--secret-file", "folder/secret"]);
    let program = Binary::spawn(program);
    let (mut stream, _) = soon("the program", listener.accept()).await.unwrap();
    request(&mut stream).await;
    assert_eq!(std::fs::read_to_string(folder.join("secret")).unwrap(), "", "made before the code is sent");
    std::fs::remove_dir_all(&folder).unwrap();
    reply(&mut stream, "201 Created", MADE).await;
    let (status, said) = program.ended().await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("Agent 7 was made") && said.contains("/api/agents/7/secret"), "{said}");
    assert!(!said.contains("a secret of the server's"), "{said}");
}

#[tokio::test]
async fn a_way_that_others_can_read_is_warned_of() {
    let here = tempfile::tempdir().unwrap();
    let (status, said) = run(enroll(here.path(), "http://netignite.invalid:1")).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("not encrypted") && said.contains("cannot be reached"), "{said}");
}
