//! The command line through the built program: what it prints where, its exit status, and the user commands with and
//! without a running server.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use netignite::local_socket;
use netignite::lock::DataLock;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::authenticator::Authenticator;
use super::support::binary::{command, superadmin};
use super::support::{Binary, Client};

/// Runs the program in `directory` with `input` on its standard input.
pub(super) async fn cli(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = command(directory, arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that ends without reading closes the pipe.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

/// What a successful command prints.
pub(super) async fn answer(directory: &Path, arguments: &[&str], input: &str) -> String {
    let output = cli(directory, arguments, input).await;
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The one line of a command that fails.
pub(super) async fn refusal(directory: &Path, arguments: &[&str], input: &str) -> String {
    let output = cli(directory, arguments, input).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "");
    let line = text(&output.stderr);
    assert_eq!(line.lines().count(), 1, "{line}");
    line.trim_end().to_owned()
}

/// All users, without when they were made and logged in last.
async fn users(directory: &Path) -> Value {
    let mut users = json_answer(directory, &["user", "list"], "").await;
    for user in users.as_array_mut().unwrap() {
        let user = user.as_object_mut().unwrap();
        assert!(user.remove("createdAt").is_some_and(|at| at.is_i64()) && user.remove("lastLogin").is_some());
    }
    users
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What a command prints with `--json`.
pub(super) async fn json_answer(directory: &Path, arguments: &[&str], input: &str) -> Value {
    serde_json::from_str(&answer(directory, &[arguments, &["--json"]].concat(), input).await).unwrap()
}

/// What was printed behind `word: ` on a line of its own.
pub(super) fn shown<'a>(output: &'a str, word: &str) -> &'a str {
    let prefix = format!("{word}: ");
    output.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap()
}

#[tokio::test]
async fn it_tells_version_help_and_completions() {
    let here = tempfile::tempdir().unwrap();
    let version = answer(here.path(), &["--version"], "").await;
    assert_eq!(version.trim(), concat!("netignite ", env!("CARGO_PKG_VERSION")));
    let help = answer(here.path(), &["--help"], "").await;
    for subcommand in [
        "serve",
        "agent",
        "commands",
        "config",
        "devices",
        "operations",
        "discover",
        "events",
        "user",
        "token",
        "agents",
        "enrolment",
        "secrets",
        "healthcheck",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {subcommand} ")), "{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = answer(here.path(), &["completions", shell], "").await;
        for word in ["reset-password", "enroll", "rotate-secret", "superadmin"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        // zsh wants a backslash before the colon.
        assert!(script.replace('\\', "").contains("devices:wake"), "{shell}");
    }
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn it_lists_the_commands() {
    let here = tempfile::tempdir().unwrap();
    let table = answer(here.path(), &["commands"], "").await;
    let names: Vec<_> = table.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    let registry = netignite::registry::Registry::build().unwrap();
    let expected: Vec<_> =
        std::iter::once("NAME").chain(registry.sendable().map(|command| command.name)).collect();
    assert_eq!(names, expected);
    let listed: Value =
        serde_json::from_str(&answer(here.path(), &["commands", "--json"], "").await).unwrap();
    let wakeup = listed.as_array().unwrap().iter().find(|command| command["name"] == "WAKEUP").unwrap();
    assert!(wakeup["payload"]["properties"]["macAddress"].is_object(), "{listed}");

    // The same as the API tells.
    let (server, address) = Binary::serve(here.path()).await;
    let reply = superadmin(here.path(), address).await.get("/api/commands").await;
    assert_eq!(reply.body["data"], listed);
    server.kill().await;
}

#[tokio::test]
async fn users_are_managed_while_the_server_is_stopped() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    for arguments in [
        &["user", "list"][..],
        &["user", "reset-password", "admin"],
        &["token", "list"],
        &["agents", "delete", "1"],
        &["enrolment", "create"],
    ] {
        let line = refusal(here, arguments, "").await;
        assert!(line.starts_with("netignite: there is no database in ./data"), "{line}");
    }
    assert_eq!(std::fs::read_dir(here).unwrap().count(), 0, "looking makes nothing");

    let added = cli(here, &["user", "add", "bob", "--role", "admin"], "a fine password\n").await;
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert_eq!(text(&added.stdout), "User \"bob\" was added with ID 2.\n");
    // The first start made the first admin too, and says so.
    assert!(text(&added.stderr).contains("initial_admin_credentials"), "{}", text(&added.stderr));
    let expected = json!([
        {"id": 1, "username": "admin", "role": "admin", "superadmin": true, "favorites": []},
        {"id": 2, "username": "bob", "role": "admin", "superadmin": false, "favorites": []},
    ]);
    assert_eq!(users(here).await, expected);
    let table = answer(here, &["user", "list"], "").await;
    assert_eq!(table, "ID  NAME   ROLE\n1   admin  superadmin\n2   bob    admin\n");

    assert_eq!(mode(&here.join("data")), 0o700);
    for entry in std::fs::read_dir(here.join("data")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }

    let reset = answer(here, &["user", "reset-password", "bob", "--generate"], "").await;
    let (server, address) = Binary::serve(here).await;
    Client::login(address, "bob", shown(&reset, "Password")).await;
    server.kill().await;
}

#[tokio::test]
async fn users_are_managed_while_the_server_runs() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (server, address) = Binary::serve(here).await;
    assert_eq!(mode(&here.join("data/netignite.sock")), 0o600);

    let line = answer(here, &["user", "add", "eve"], "what eve types\r\n").await;
    assert_eq!(line, "User \"eve\" was added with ID 2.\n");
    Client::login(address, "eve", "what eve types").await;
    let eve = json!({"id": 2, "username": "eve", "role": "user", "superadmin": false, "favorites": []});
    assert_eq!(users(here).await[1], eve);

    let credentials = here.join("data/initial_admin_credentials");
    let admin = superadmin(here, address).await;
    assert!(credentials.exists());
    let reset = answer(here, &["user", "reset-password", "admin", "--generate"], "").await;
    assert!(!credentials.exists(), "its password is no longer right");
    let ended = admin.get("/api/auth/session").await;
    assert_eq!(ended.status, 401, "the old password's sessions have ended");
    Client::login(address, "admin", shown(&reset, "Password")).await;
    server.kill().await;
}

#[tokio::test]
async fn a_lost_second_factor_is_removed_whether_the_server_runs_or_not() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (server, address) = Binary::serve(here).await;
    let admin = superadmin(here, address).await;
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let set_up = async |client: &Client| {
        let body = json!({"currentPassword": client.password});
        let begun = client.post("/api/account/totp", body).await.expect(201);
        let app = Authenticator::of(begun.data()["secret"].as_str().unwrap());
        let code = json!({"code": app.code(now())});
        client.post("/api/account/totp/confirm", code).await.expect(200);
    };
    set_up(&admin).await;
    let said = answer(here, &["user", "remove-totp", "admin"], "").await;
    assert_eq!(said, "\"admin\" has no second factor any more and logs in with the password alone.\n");
    let admin = Client::login(address, "admin", &admin.password).await;
    let line = refusal(here, &["user", "remove-totp", "admin"], "").await;
    assert_eq!(line, "netignite: There is no second factor in force: nothing was changed");
    let line = refusal(here, &["user", "remove-totp", "nobody"], "").await;
    assert_eq!(line, "netignite: there is no user \"nobody\"; `netignite user list` shows all");

    set_up(&admin).await;
    server.kill().await;
    answer(here, &["user", "remove-totp", "admin"], "").await;
    let (server, address) = Binary::serve(here).await;
    Client::login(address, "admin", &admin.password).await;
    server.kill().await;
}

#[tokio::test]
async fn refusals_of_user_commands_say_what_is_wrong() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (server, _) = Binary::serve(here).await;

    let line = refusal(here, &["user", "reset-password", "nobody"], "x\n").await;
    assert_eq!(line, "netignite: there is no user \"nobody\"; `netignite user list` shows all");
    let line = refusal(here, &["user", "add", "bob"], "").await;
    assert!(line.contains("no password for \"bob\" was given"), "{line}");
    let line = refusal(here, &["user", "add", "admin"], "a fine password\n").await;
    assert_eq!(line, "netignite: Username is already taken");
    let line = refusal(here, &["user", "add", "evil\nname"], "a fine password\n").await;
    assert!(line.contains("username: "), "{line}");
    // A password on the command line could be read by every user of the machine.
    let refused = cli(here, &["user", "add", "bob", "--password", "visible"], "").await;
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(users(here).await.as_array().unwrap().len(), 1);
    server.kill().await;
}

#[tokio::test]
async fn a_data_directory_serves_one_process() {
    let here = tempfile::tempdir().unwrap();
    let (server, _) = Binary::serve(here.path()).await;
    let line = refusal_of_serve(here.path(), &["--port", "0"]).await;
    assert!(line.contains("another netignite (process "), "{line}");
    assert!(line.contains("uses the data directory ./data; stop it"), "{line}");
    server.kill().await;

    // One that holds the directory and does not answer.
    let _lock = DataLock::acquire(&here.path().join("data")).unwrap();
    let line = refusal(here.path(), &["user", "list"], "").await;
    let expected = format!("netignite: a netignite (process {}) uses the data directory", std::process::id());
    assert!(line.starts_with(&expected), "{line}");

    // One that takes the call and says nothing to it.
    let socket = local_socket::bind(&here.path().join("data").join(local_socket::NAME)).unwrap();
    let mute = tokio::spawn(async move {
        while let Ok((caller, _)) = socket.accept().await {
            drop(caller);
        }
    });
    let line = refusal(here.path(), &["user", "list"], "").await;
    assert!(
        line.starts_with("netignite: the server that uses the data directory ./data does not answer"),
        "{line}"
    );
    mute.abort();
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let here = tempfile::tempdir().unwrap();
    let line = refusal_of_serve(here.path(), &["--port", &port.to_string()]).await;
    assert!(line.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{line}");
    assert!(line.contains("another program listens there"), "{line}");
}

/// The last line of a server that does not start; the ones before are the log of the steps that went well.
async fn refusal_of_serve(directory: &Path, flags: &[&str]) -> String {
    let output = cli(directory, &[&["serve"], flags].concat(), "").await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let log = text(&output.stderr);
    let (complaints, logged): (Vec<_>, Vec<_>) = log.lines().partition(|l| l.starts_with("netignite: "));
    assert!(logged.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    assert_eq!(complaints.len(), 1, "{log}");
    complaints[0].to_owned()
}

#[tokio::test]
async fn a_deep_data_directory_has_its_socket_too() {
    let parent = tempfile::tempdir().unwrap();
    let here = parent.path().join("a".repeat(90)).join("b".repeat(90));
    std::fs::create_dir_all(&here).unwrap();
    let data = here.join("data");
    let flags = ["--data-dir", data.to_str().unwrap()];
    let mut server = Binary::spawn(command(&here, &flags));
    server.listening().await;
    let list = answer(&here, &[&["user", "list"][..], &flags].concat(), "").await;
    assert!(list.contains("admin"), "{list}");
    server.kill().await;
}

#[tokio::test]
async fn a_server_tells_its_health() {
    let here = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(here.path()).await;
    let port = address.port().to_string();
    // A wildcard is asked through loopback.
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        let ready = answer(here.path(), &["healthcheck", "--host", host, "--port", &port], "").await;
        assert_eq!(ready, "ready\n");
    }
    server.kill().await;
    let line = refusal(here.path(), &["healthcheck", "--port", &port], "").await;
    assert!(
        line.starts_with(&format!("netignite: no server answers at http://127.0.0.1:{port}: ")),
        "{line}"
    );
    let line = refusal(here.path(), &["healthcheck", "--port", "0"], "").await;
    assert!(line.contains("--port"), "{line}");
}

#[tokio::test]
async fn a_full_server_is_up() {
    let here = tempfile::tempdir().unwrap();
    let mut program = command(here.path(), &[]);
    program.env("NETIGNITE_LIMITS__CONNECTIONS", "1");
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    // Answered once, so that its place is surely taken.
    let mut only = tokio::net::TcpStream::connect(address).await.unwrap();
    only.write_all(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    only.read_u8().await.unwrap();
    let port = address.port().to_string();
    let said = answer(here.path(), &["healthcheck", "--host", "127.0.0.1", "--port", &port], "").await;
    assert_eq!(said, "up (every connection is taken)\n");
    server.kill().await;
}

#[tokio::test]
async fn the_log_is_an_object_a_line_on_standard_error_and_in_its_file() {
    let here = tempfile::tempdir().unwrap();
    let mut program = command(here.path(), &[]);
    program.env("NETIGNITE_LOG__FILE", "./logs/netignite.log");
    let mut server = Binary::spawn(program);
    server.listening().await;
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");

    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let object = line.as_object().unwrap();
        for key in ["timestamp", "level", "message", "fields"] {
            assert!(object.contains_key(key), "{line}");
        }
    }
    let steps: Vec<_> = lines.iter().filter_map(|line| line["fields"]["step"].as_str()).collect();
    let expected = [
        "configuration",
        "logging",
        "database",
        "first admin",
        "sessions and tokens",
        "command registry",
        "agents",
        "plugins",
        "listening",
        "stopped",
    ];
    assert_eq!(steps, expected);
    assert!(
        lines.iter().filter(|l| l["fields"]["step"].is_string()).all(|l| l["fields"]["took_ms"].is_f64())
    );

    let files: Vec<_> =
        std::fs::read_dir(here.path().join("logs")).unwrap().map(|f| f.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("one file a day: {files:?}") };
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("netignite.20") && name.ends_with(".log"), "{name}");
    assert_eq!(mode(file), 0o600);
    let untimed = |text: &str| {
        let line = |line: &str| line.split_once("\"level\"").unwrap().1.to_owned();
        text.lines().map(line).collect::<Vec<_>>()
    };
    assert_eq!(untimed(&std::fs::read_to_string(file).unwrap()), untimed(&log));
}

#[tokio::test]
async fn a_log_file_that_cannot_be_written_is_named() {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("logs"), "in the way").unwrap();
    let mut program = command(here.path(), &["serve"]);
    program.env("NETIGNITE_LOG__FILE", "./logs/netignite.log");
    let output = program.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line = text(&output.stderr);
    assert!(line.starts_with("netignite: cannot write the log file ./logs/netignite.log: "), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}
