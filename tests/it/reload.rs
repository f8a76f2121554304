//! What changes while the server runs: the log's level through the API, and the configuration with SIGHUP.

use std::path::Path;

use rustix::process::Signal;
use serde_json::json;

use super::support::binary::{command, superadmin};
use super::support::raw::exchange;
use super::support::{Binary, Server};

const LEVEL: &str = "/api/admin/log-level";

fn configure(directory: &Path, text: &str) {
    std::fs::create_dir_all(directory.join("config")).unwrap();
    std::fs::write(directory.join("config/config.json"), text).unwrap();
}

#[tokio::test]
async fn the_log_level_is_shown_and_changed() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let first = admin.get(LEVEL).await.expect(200).data()["level"].clone();
    for level in ["debug", "critical", "error", "warn", "info"] {
        let reply = admin.put(LEVEL, json!({"level": level})).await.expect(200);
        assert_eq!(reply.data(), &json!({"level": level}));
        assert_eq!(admin.get(LEVEL).await.expect(200).data(), &json!({"level": level}));
    }
    for body in [json!({"level": "loud"}), json!({"level": 3}), json!({"level": null}), json!({})] {
        let reply = admin.put(LEVEL, body).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], "level", "{}", reply.text);
    }
    assert_eq!(admin.get(LEVEL).await.expect(200).data(), &json!({"level": "info"}));
    // It is no setting that is kept.
    let server = Server::start_in(server.stop().await, |_| {}).await;
    let admin = super::support::Client::login(server.address(), "admin", &admin.password).await;
    assert_eq!(admin.get(LEVEL).await.expect(200).data()["level"], first);
}

#[tokio::test]
async fn the_log_follows_its_level() {
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    assert!(!server.log().contains("Request answered"));
    admin.put(LEVEL, json!({"level": "debug"})).await.expect(200);
    server.line(&["The log level is debug now, and was info"]).await;
    admin.get("/api/agents/4711").await.expect(404);
    server.line(&["Request answered", "404"]).await;
    // Going down is still logged, though a line of this kind is not written any more.
    admin.put(LEVEL, json!({"level": "error"})).await.expect(200);
    server.line(&["The log level is error now, and was debug"]).await;
}

#[tokio::test]
async fn sighup_applies_what_can_change_and_names_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), r#"{"logLevel": "info", "limits": {"bodyBytes": 65536}}"#);
    let (server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;

    configure(
        directory.path(),
        r#"{"logLevel": "debug", "limits": {"bodyBytes": 2048, "idleSeconds": 5},
            "plugins": {"metrics": {"enabled": true, "token": "a token that nobody may see"}}}"#,
    );
    server.signal(Signal::HUP);
    let changed = server.line(&["SIGHUP", "changed: "]).await;
    assert!(changed.contains("limits.bodyBytes, logLevel"), "{changed}");
    let waiting = server.line(&["SIGHUP", "once the server is restarted"]).await;
    assert!(waiting.contains("limits.idleSeconds") && waiting.contains("plugins.metrics"), "{waiting}");
    assert_eq!(admin.get(LEVEL).await.expect(200).data()["level"], "debug");
    let long = json!({"name": "n".repeat(3000)});
    admin.post("/api/agents", long).await.expect(413);
    admin.get("/metrics").await.expect(404);

    // One that is wrong changes nothing, and the server goes on.
    configure(directory.path(), r#"{"logLevel": "loud"}"#);
    server.signal(Signal::HUP);
    let refused = server.line(&["SIGHUP", "nothing was changed"]).await;
    assert!(refused.contains("logLevel") && refused.contains("config.json"), "{refused}");
    assert_eq!(admin.get(LEVEL).await.expect(200).data()["level"], "debug");
    assert!(!server.log().contains("nobody may see"), "{}", server.log());
}

#[tokio::test]
async fn sighup_reads_what_variables_and_plugins_name_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token.txt");
    let (old, new) = ("the token of the metrics", "another token of the metrics");
    std::fs::write(&file, old).unwrap();
    let mut program = command(directory.path(), &[]);
    program.env("NETIGNITE_PLUGINS__METRICS__ENABLED", "true");
    program.env("NETIGNITE_PLUGINS__METRICS__TOKEN_FILE", &file);
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    let status = async |token: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: home\r\nAuthorization: Bearer {token}\r\n\r\n");
        exchange(address, &request).await.status
    };
    assert_eq!((status(old).await, status(new).await), (200, 401));
    std::fs::write(&file, format!("{new}\n")).unwrap();
    server.signal(Signal::HUP);
    let changed = server.line(&["SIGHUP", "changed: "]).await;
    assert!(changed.contains("plugins.metrics.token"), "{changed}");
    assert_eq!((status(old).await, status(new).await), (401, 200));

    // A token that is taken away while the address that took its place waits would leave the metrics open.
    configure(directory.path(), r#"{"plugins": {"metrics": {"bind": "127.0.0.1:1"}}}"#);
    std::fs::write(&file, "").unwrap();
    server.signal(Signal::HUP);
    server.line(&["SIGHUP", "nothing was changed", "plugins.metrics.token"]).await;
    assert_eq!(status(new).await, 200);
    assert!(!server.log().contains(new) && !server.log().contains(old), "{}", server.log());
}
