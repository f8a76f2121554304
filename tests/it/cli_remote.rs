//! The command line against a server somewhere else: `--server URL` with an API token, over http and https.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::agent_program::tls_server;
use super::cli::text;
use super::cli_devices::scene;
use super::support::binary::command;
use super::support::scene::MAC;
use super::support::{Client, soon};
use super::wake_until::{Probe, connect_at, lan};

/// A token of a client's user.
async fn token(client: &Client, permissions: &[&str]) -> String {
    let body = json!({"name": "cli", "permissions": permissions});
    let made = client.post("/api/account/tokens", body).await.expect(201);
    made.data()["token"].as_str().unwrap().to_owned()
}

const ALL: &[&str] =
    &["agents:read", "agents:command", "devices:read", "devices:write", "devices:wake", "devices:power"];

fn remote(machine: &Path, url: &str, token: &str, arguments: &[&str]) -> Command {
    let mut command = command(machine, &[arguments, &["--server", url]].concat());
    command.env("NETIGNITE_TOKEN", token);
    command
}

/// What a command prints; that it fails if `Err`.
async fn ran(mut command: Command) -> Result<String, String> {
    let output = soon("the program", command.output()).await.unwrap();
    match output.status.code() {
        Some(0) => Ok(text(&output.stdout)),
        Some(1) => Err(text(&output.stderr).lines().last().unwrap_or_default().to_owned()),
        other => panic!("{other:?}: {}", text(&output.stderr)),
    }
}

#[tokio::test]
async fn a_user_does_the_main_job_from_another_machine() {
    let here = tempfile::tempdir().unwrap();
    let (_server, address, admin, agent) = scene(here.path()).await;
    let machine = tempfile::tempdir().unwrap();
    let machine = machine.path();
    let url = format!("http://{address}/");
    let token = token(&admin, ALL).await;
    let run = async |arguments: &[&str]| ran(remote(machine, &url, &token, arguments)).await;

    let add = ["devices", "add", "Box", "--mac", "AA:BB:CC:DD:EE:01", "--agent", "Agent", "--json"];
    let added: Value = serde_json::from_str(&run(&add).await.unwrap()).unwrap();
    assert_eq!(added, json!({"id": 2, "name": "Box"}));
    let table = run(&["devices", "list"]).await.unwrap();
    assert!(table.contains("Box") && table.contains("Device"), "{table}");
    assert_eq!(
        run(&["devices", "edit", "box", "--name", "Tower"]).await.unwrap(),
        "\"Tower\" (device 2) was changed.\n"
    );
    assert_eq!(run(&["devices", "delete", "Tower"]).await.unwrap(), "\"Tower\" (device 2) was deleted.\n");

    let boots = lan(Some(Duration::from_secs(2)), Probe::Answers);
    let _agent = connect_at(address, agent, &boots).await;
    let woken = run(&["devices", "wake", "Device", "--wait", "--timeout", "60"]).await.unwrap();
    assert!(woken.starts_with("\"Device\" (device 1): Online after "), "{woken}");
    let list: Value = serde_json::from_str(&run(&["operations", "list", "--json"]).await.unwrap()).unwrap();
    assert_eq!((&list[0]["state"], &list[0]["createdBy"]["kind"]), (&json!("succeeded"), &json!("token")));
    assert_eq!(std::fs::read_dir(machine).unwrap().count(), 0, "nothing is left on this machine");
}

#[tokio::test]
async fn the_token_comes_from_the_environment_or_a_file_and_its_rights_count() {
    let here = tempfile::tempdir().unwrap();
    let (_server, address, admin, agent) = scene(here.path()).await;
    let machine = tempfile::tempdir().unwrap();
    let machine = machine.path();
    let url = format!("http://{address}");
    let read = token(&admin, &["devices:read"]).await;
    std::fs::write(machine.join("token"), format!("{read}\n")).unwrap();
    let mut with_file = command(machine, &["devices", "list", "--server", &url]);
    with_file.env("NETIGNITE_TOKEN_FILE", "token");
    assert!(ran(with_file).await.unwrap().contains("Device"));
    let without = ran(command(machine, &["devices", "list", "--server", &url])).await.unwrap_err();
    assert!(without.contains("--server needs an API token: put it into NETIGNITE_TOKEN"), "{without}");
    let bad = "nig_nonsense";
    let line = ran(remote(machine, &url, bad, &["devices", "list"])).await.unwrap_err();
    assert!(line.contains("does not take the API token in NETIGNITE_TOKEN"), "{line}");
    assert!(!line.contains(bad), "{line}");
    for wrong in ["two\nlines", "ü\u{7}"] {
        let line = ran(remote(machine, &url, wrong, &["devices", "list"])).await.unwrap_err();
        assert!(line.contains("holds characters that no token has") && !line.contains(wrong), "{line}");
    }
    let line = ran(remote(machine, &url, &read, &["devices", "wake", "1"])).await.unwrap_err();
    assert!(
        line.contains("\"Device\" (device 1) was not woken: ") && line.contains("devices:wake"),
        "{line}"
    );

    // A token that wakes and sees nothing names the device by its ID.
    let wake = token(&admin, &["devices:wake"]).await;
    let _agent = connect_at(address, agent, &lan(None, Probe::Answers)).await;
    let sent = ran(remote(machine, &url, &wake, &["devices", "wake", "1"])).await.unwrap();
    assert!(sent.starts_with("Magic packets for device 1 were sent."), "{sent}");

    // Everyone's things only in admin mode.
    admin
        .post("/api/admin/users", json!({"username": "ann", "password": "a fine password", "role": "user"}))
        .await
        .expect(201);
    let ann = Client::login(address, "ann", "a fine password").await;
    let hers = ann.create_agent("server", "another long secret").await;
    ann.create_device(hers, MAC).await;
    for (flags, devices) in [(&[][..], 1), (&["--admin-mode"], 2)] {
        let list = ran(remote(machine, &url, &read, &[&["devices", "list", "--json"], flags].concat())).await;
        let list: Value = serde_json::from_str(&list.unwrap()).unwrap();
        assert_eq!(list.as_array().unwrap().len(), devices, "{list}");
    }
    for arguments in
        [&["devices", "list", "--admin-mode"][..], &["devices", "list", "--server", &url, "--data-dir", "x"]]
    {
        let output = command(machine, arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

/// Passes what comes over TLS on to a server, as a proxy in front of it does; gives its port and certificate.
async fn proxy(address: SocketAddr) -> (u16, String) {
    let (listener, tls, certificate) = tls_server().await;
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(mut client) = tls.accept(client).await else { return };
                let mut server = TcpStream::connect(address).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, certificate)
}

#[tokio::test]
async fn over_https_the_certificate_is_checked() {
    let here = tempfile::tempdir().unwrap();
    let (_server, address, admin, _) = scene(here.path()).await;
    let machine = tempfile::tempdir().unwrap();
    let machine = machine.path();
    let token = token(&admin, ALL).await;
    let (port, certificate) = proxy(address).await;
    let (url, trusted) = (format!("https://localhost:{port}"), machine.join("trusted.pem"));
    std::fs::write(&trusted, certificate).unwrap();

    let mut trusting = remote(machine, &url, &token, &["devices", "list"]);
    trusting.env("SSL_CERT_FILE", &trusted);
    let table = ran(trusting).await.unwrap();
    assert!(table.contains("Device"), "{table}");
    let line = ran(remote(machine, &url, &token, &["devices", "list"])).await.unwrap_err();
    assert!(line.contains("cannot be reached: TLS: ") && line.contains("SSL_CERT_FILE"), "{line}");
    let plain = format!("https://127.0.0.1:{}", address.port());
    let line = ran(remote(machine, &plain, &token, &["devices", "list"])).await.unwrap_err();
    assert!(line.contains("or use http://"), "{line}");

    // Events come through as well, each as it happens.
    let mut events = remote(machine, &url, &token, &["events", "--types", "device.changed", "--json"]);
    events.env("SSL_CERT_FILE", &trusted);
    let mut events = events.spawn().unwrap();
    let mut stdout = events.stdout.take().unwrap();
    let mut line = Vec::new();
    soon("an event", async {
        // The stream may not be open yet: something happens until it is.
        let happen = async {
            loop {
                admin
                    .put(
                        "/api/devices/1",
                        json!({"name": "Device", "type": "nas", "macAddress": MAC, "agentID": 1}),
                    )
                    .await
                    .expect(200);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            _ = happen => {}
            _ = async { while !line.contains(&b'\n') { stdout.read_buf(&mut line).await.unwrap(); } } => {}
        }
    })
    .await;
    let event: Value = serde_json::from_str(text(&line).lines().next().unwrap()).unwrap();
    assert_eq!((&event["type"], &event["data"]["name"]), (&json!("device.changed"), &json!("Device")));
    events.kill().await.unwrap();
}

#[tokio::test]
async fn what_is_no_server_of_ours_is_reported_as_such() {
    let machine = tempfile::tempdir().unwrap();
    let machine = machine.path();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let page = "<html>\u{1b}[2J</html>";
        for status in ["200 OK", "301 Moved Permanently", "404 Not Found"] {
            let (mut client, _) = listener.accept().await.unwrap();
            let _ = client.read(&mut [0; 4096]).await;
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
            client.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let url = format!("http://127.0.0.1:{port}");
    for status in ["200 OK", "301 Moved Permanently", "404 Not Found"] {
        let line = ran(remote(machine, &url, "nig_x", &["devices", "list"])).await.unwrap_err();
        let expected = format!(
            "netignite: {url} answered {status}, and not as a NetIgnite server does; check that --server is its base URL"
        );
        assert!(line.starts_with(&expected), "{line}");
    }
    let line = ran(remote(machine, &url, "nig_x", &["devices", "list"])).await.unwrap_err();
    assert!(line.contains(&format!("{url} cannot be reached: connecting: ")), "{line}");
    let line = ran(remote(machine, "http://ann:hunter22@localhost", "nig_x", &["devices", "list"]))
        .await
        .unwrap_err();
    assert!(line.contains("must not hold a user or password") && !line.contains("hunter22"), "{line}");
    let line = ran(remote(machine, "localhost:1", "nig_x", &["devices", "list"])).await.unwrap_err();
    assert!(line.contains("expected a base URL"), "{line}");
}
