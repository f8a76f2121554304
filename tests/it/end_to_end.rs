//! The main job with the built program: a first start, a login, the real agent, a device woken and looked for.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use crate::support::binary::{command, run, superadmin};
use crate::support::wait::{until_equal, within};
use crate::support::{Binary, Client, Firmware};

const SECRET: &str = "correct horse battery staple";
/// Where a magic packet goes that only this machine hears. Nothing answers at it either.
const LOOPBACK_BROADCAST: &str = "127.255.255.255";

/// Runs the real agent in `directory`.
fn agent(directory: &Path, address: SocketAddr, id: i64) -> Binary {
    let (server, id) = (format!("http://{address}"), id.to_string());
    let mut agent =
        command(directory, &["agent", "--server", &server, "--id", &id, "--broadcast", LOOPBACK_BROADCAST]);
    agent.env("NETIGNITE_AGENT_SECRET", SECRET);
    Binary::spawn(agent)
}

async fn online(admin: &Client, agent: i64) {
    until_equal("the agent's status", "online".to_owned(), || admin.agent_status(agent)).await;
}

/// A device whose magic packets go to `port` and whose status is asked at `host`.
async fn device(admin: &Client, agent: i64, port: u16, host: &str) -> i64 {
    let body = json!({"name": "Box", "type": "desktop", "description": null, "macAddress": "0a-1b-2c-3d-4e-5f",
        "port": port, "agentID": agent, "address": host});
    admin.post("/api/devices", body).await.expect(201).id()
}

async fn device_status(admin: &Client, device: i64) -> Value {
    let reply = admin.get(&format!("/api/devices/status?ids={device}")).await.expect(200);
    reply.data()[device.to_string()].clone()
}

#[tokio::test]
async fn the_main_job_from_the_first_start_to_a_woken_device() {
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;

    // The first admin's credentials.
    let file = directory.path().join("data/initial_admin_credentials");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "username: admin");
    let password = lines[1].strip_prefix("password: ").expect("the password");
    // 128 bits take at least 22 characters of 64.
    assert!(password.len() >= 22, "a short password");
    let log = server.log();
    assert!(log.contains("initial_admin_credentials"), "the log does not say where: {log}");
    assert!(!log.contains(password), "the log holds the password");

    // An agent and a device, the real agent connected.
    let admin = superadmin(directory.path(), address).await;
    let id = admin.create_agent("server", SECRET).await;
    let running = agent(directory.path(), address, id);
    online(&admin, id).await;

    // The wake is heard: three packets of six times FF and sixteen times the address.
    let ear = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let port = ear.local_addr().unwrap().port();
    let here = device(&admin, id, port, "127.0.0.1").await;
    let wake = admin.post(&format!("/api/devices/{here}/wakeup"), json!({})).await.expect(200);
    assert_eq!(wake.message(), "Wakeup command sent");
    let mut expected = vec![0xFF; 6];
    expected.extend([0x0A, 0x1B, 0x2C, 0x3D, 0x4E, 0x5F].repeat(16));
    let mut packet = [0; 1024];
    for _ in 0..3 {
        let heard = within(Duration::from_secs(5), "a magic packet", ear.recv(&mut packet)).await.unwrap();
        assert_eq!(packet[..heard], expected);
    }
    assert!(ear.try_recv(&mut packet).is_err(), "more than three packets");

    // Status: really looked for.
    assert_eq!(device_status(&admin, here).await, "online");
    let nowhere = device(&admin, id, port, LOOPBACK_BROADCAST).await;
    assert_eq!(device_status(&admin, nowhere).await, "offline");

    // The agent's secret stands nowhere.
    assert!(!running.log().contains(SECRET) && !server.log().contains(SECRET));

    // Without its agent nothing is known of a device.
    running.signal(Signal::TERM);
    let (status, log) = running.ended().await;
    assert!(status.success(), "{log}");
    let elsewhere = device(&admin, id, port, "127.0.0.2").await;
    until_equal("the agent's status", "offline".to_owned(), || admin.agent_status(id)).await;
    assert_eq!(device_status(&admin, elsewhere).await, "unknown");
    admin.post(&format!("/api/devices/{here}/wakeup"), json!({})).await.expect(503);
}

#[tokio::test]
async fn the_real_agent_comes_back_after_a_restart_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let id = admin.create_agent("server", SECRET).await;
    let _agent = agent(directory.path(), address, id);
    online(&admin, id).await;
    server.signal(Signal::TERM);
    server.ended().await;
    let mut again = command(directory.path(), &[]);
    again.env("NETIGNITE_SERVER__PORT", address.port().to_string());
    let mut again = Binary::spawn(again);
    assert_eq!(again.listening().await, address);
    // The session survived the restart too.
    online(&admin, id).await;
}

#[tokio::test]
async fn an_agent_with_a_wrong_secret_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let id = admin.create_agent("server", "another long secret").await;
    let agent = agent(directory.path(), address, id);
    let line = agent.line(&["not connected", "secret"]).await;
    assert!(!line.contains(SECRET), "{line}");
    assert_eq!(admin.agent_status(id).await, "offline");
}

#[tokio::test]
async fn the_start_says_its_steps_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (server, _) = Binary::serve(directory.path()).await;
    let lines = server.log();
    let steps: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .filter(|line| line["fields"]["step"].is_string())
        .collect();
    let names: Vec<_> = steps.iter().map(|line| line["fields"]["step"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "configuration",
            "logging",
            "database",
            "first admin",
            "sessions and tokens",
            "command registry",
            "agents",
            "plugins",
            "listening"
        ]
    );
    for line in &steps {
        assert!(!line["fields"]["took_ms"].is_null(), "no duration: {line}");
    }
    assert_eq!(std::fs::metadata(directory.path().join("data")).unwrap().permissions().mode() & 0o077, 0);
    assert!(!directory.path().join("logs").exists(), "log files only if asked for");
}

#[tokio::test]
async fn sigterm_and_sigint_stop_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let (server, address) = Binary::serve(directory.path()).await;
        let admin = superadmin(directory.path(), address).await;
        let id = admin.create_agent("microcontroller", SECRET).await;
        let mut firmware = Firmware::connect(address, id, SECRET).await;
        server.signal(signal);
        assert_eq!(firmware.closed().await.0, 1001);
        let (status, log) = server.ended().await;
        assert_eq!(status.code(), Some(0), "{log}");
        // Flushed and checkpointed: what is left is one file.
        let wal = directory.path().join("data/db.sqlite-wal");
        assert!(std::fs::metadata(&wal).map_or(0, |m| m.len()) == 0, "the write-ahead log was left behind");
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "still listening");
    }
}

#[tokio::test]
async fn a_second_signal_exits_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut slow = command(directory.path(), &[]);
    slow.env("NETIGNITE_LIMITS__STOP_SECONDS", "60");
    let mut server = Binary::spawn(slow);
    let address = server.listening().await;
    let admin = superadmin(directory.path(), address).await;
    let mut connected = Vec::new();
    for _ in 0..30 {
        let id = admin.create_agent("server", SECRET).await;
        connected.push(Firmware::connect(address, id, SECRET).await);
    }
    let begun = Instant::now();
    server.signal(Signal::TERM);
    server.line(&["topping"]).await;
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "waited for its agents: {log}");
    assert_ne!(status.code(), Some(0), "an interrupted stop is no clean one: {log}");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut server = command(directory.path(), &[]);
    server.env("NETIGNITE_SERVER__PORT", &port);
    let (status, log) = run(server).await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.lines().last().unwrap().contains(&port), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (_first, address) = Binary::serve(directory.path()).await;
    let (status, log) = run(command(directory.path(), &[])).await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("another netignite") && log.contains("data"), "{log}");
    superadmin(directory.path(), address).await.get("/api/auth/session").await.expect(200);
}

#[tokio::test]
async fn the_credentials_file_goes_when_the_password_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, address) = Binary::serve(directory.path()).await;
    let file = directory.path().join("data/initial_admin_credentials");
    let admin = superadmin(directory.path(), address).await;
    let path = format!("/api/account/{}", admin.user);
    admin.put(&path, json!({"username": "admin", "favorites": []})).await.expect(200);
    assert!(file.exists(), "the password is still the first one");
    let body = json!({"username": "admin", "favorites": [], "password": "a password of my own",
        "currentPassword": admin.password});
    admin.put(&path, body).await.expect(200);
    assert!(!file.exists());
    Client::login(address, "admin", "a password of my own").await;
}
