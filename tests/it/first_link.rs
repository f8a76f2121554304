//! The one-time link of a first start: with it the first admin chooses a password, once, and nobody reads it in a log.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Child;

use super::support::binary::{command, superadmin};
use super::support::wait::until;
use super::support::{Binary, Client, Reply, Terminal, sqlite};

const NEW: &str = "a password of my own";

fn file(directory: &Path) -> PathBuf {
    directory.join("data/initial_admin_link")
}

/// A first start, and the link that it wrote.
async fn first_start(directory: &Path) -> (Binary, SocketAddr, String) {
    let (server, address) = Binary::serve(directory).await;
    server.line(&["initial_admin_link"]).await;
    let text = fs::read_to_string(file(directory)).expect("the link's file");
    (server, address, text.trim().to_owned())
}

fn token(link: &str) -> &str {
    link.split_once("#token=").expect("a link with a token").1
}

async fn choose(address: SocketAddr, token: &str) -> Reply {
    let body = json!({"token": token, "password": NEW});
    Client::anonymous(address).post("/api/auth/reset-password", body).await
}

#[tokio::test]
async fn the_link_of_the_first_start_sets_the_first_admins_password_once() {
    let directory = tempfile::tempdir().unwrap();
    let (server, address, link) = first_start(directory.path()).await;
    assert_eq!(fs::metadata(file(directory.path())).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(link.starts_with(&format!("http://{address}/welcome#token=")), "{link}");
    assert!(token(&link).len() >= 43, "256 bits: {link}");
    assert!(!server.log().contains(token(&link)), "the log holds the token");

    // What the link opens is a page of the application.
    let path = link.split('#').next().unwrap();
    let page = reqwest::get(path).await.unwrap();
    assert_eq!(page.status(), 200);

    choose(address, token(&link)).await.expect(200);
    assert!(!file(directory.path()).exists(), "it is good for nothing more");
    assert!(!directory.path().join("data/initial_admin_credentials").exists());
    let again = choose(address, token(&link)).await.expect(400);
    assert_eq!(again.code(), "invalid_reset_token");
    let admin = Client::login(address, "admin", NEW).await;

    // The audit log knows both, and nothing secret.
    let entries = admin.get("/api/admin/audit").await.expect(200);
    let text = entries.data().to_string();
    assert!(text.contains("password.reset_issue") && text.contains("\"password.reset\""), "{text}");
    assert!(!text.contains(token(&link)));

    // A later start makes none.
    server.signal(Signal::TERM);
    server.ended().await;
    let (server, _) = Binary::serve(directory.path()).await;
    server.line(&["open http://"]).await;
    assert!(!file(directory.path()).exists());
    assert!(!server.log().contains("initial_admin_link"), "{}", server.log());
}

#[tokio::test]
async fn the_link_is_dead_when_the_password_was_changed_in_another_way() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, address, link) = first_start(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let body = json!({"username": "admin", "favorites": [], "password": "another password",
        "currentPassword": admin.password});
    admin.put("/api/account/1", body).await.expect(200);
    assert!(!file(directory.path()).exists());
    assert_eq!(choose(address, token(&link)).await.expect(400).code(), "invalid_reset_token");
}

#[tokio::test]
async fn the_link_is_good_for_a_day_and_stored_as_a_digest() {
    let directory = tempfile::tempdir().unwrap();
    let (server, _, link) = first_start(directory.path()).await;
    server.signal(Signal::TERM);
    server.ended().await;
    let made = fs::metadata(file(directory.path())).unwrap().modified().unwrap();
    let made = made.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let database = directory.path().join("data/db.sqlite");
    let expires: i64 = sqlite::text(&database, "SELECT expires FROM password_resets").await.parse().unwrap();
    let hours = (expires - made) as f64 / 3_600_000.0;
    assert!((23.9..=24.1).contains(&hours), "{hours} h");
    let token = token(&link).as_bytes();
    for entry in fs::read_dir(directory.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        if path != file(directory.path()) && path.is_file() {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(token.len()).any(|part| part == token), "{} holds it", path.display());
        }
    }
}

#[tokio::test]
async fn a_server_without_a_page_makes_no_link() {
    let directory = tempfile::tempdir().unwrap();
    let mut program = command(directory.path(), &["serve"]);
    program.env("NETIGNITE_PLUGINS__DASHBOARD__ENABLED", "false");
    let mut server = Binary::spawn(program);
    server.listening().await;
    server.signal(Signal::TERM);
    let (_, log) = server.ended().await;
    assert!(!log.contains("initial_admin_link"), "{log}");
    assert!(!file(directory.path()).exists());
}

/// A server whose standard error is a terminal, and what is read there.
struct OnTerminal {
    _child: Child,
    terminal: Terminal,
}

/// Starts a first server at a terminal.
fn at_a_terminal(directory: &Path, log_format: &str) -> OnTerminal {
    let (terminal, end) = Terminal::open();
    let mut program = command(directory, &["serve"]);
    program
        .env("NETIGNITE_LOG__FILE", "./netignite.log")
        .env("NETIGNITE_LOG__FORMAT", log_format)
        .stderr(end);
    let child = program.spawn().unwrap();
    drop(program);
    OnTerminal { _child: child, terminal }
}

impl OnTerminal {
    async fn line(&self, words: &str) -> String {
        until(words, || async {
            let shown = self.terminal.shown();
            let whole = shown.rfind('\n').unwrap_or(0);
            shown[..whole].lines().find(|line| line.contains(words)).map(str::to_owned)
        })
        .await
    }
}

/// What the log files below `directory` hold.
fn log_files(directory: &Path) -> String {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[tokio::test]
async fn whoever_starts_it_at_a_terminal_reads_the_link_there_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let server = at_a_terminal(directory.path(), "pretty");
    let line = server.line("/welcome#token=").await;
    let link = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert!(!file(directory.path()).exists(), "it is on the terminal");
    let address = link["http://".len()..].split('/').next().unwrap().parse().unwrap();
    choose(address, token(link)).await.expect(200);
    let logged = until("the log's file", || async {
        let logged = log_files(directory.path());
        logged.contains("initial_admin_credentials").then_some(logged)
    })
    .await;
    assert!(!logged.contains(token(link)), "the log file holds the token: {logged}");
}

#[tokio::test]
async fn lines_for_programs_hold_no_link_at_a_terminal_either() {
    let directory = tempfile::tempdir().unwrap();
    let server = at_a_terminal(directory.path(), "json");
    let line = server.line("initial_admin_link").await;
    let _: Value = serde_json::from_str(line.trim()).expect("a line of JSON");
    let link = fs::read_to_string(file(directory.path())).unwrap();
    assert!(!server.terminal.shown().contains(token(link.trim())), "the log holds the token");
}
