//! The plugins `health` and `metrics`, through their routes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use netignite::testing::{self, TestServer};
use serde_json::{Value, json};

use super::support::{Client, Firmware, Reply, Scene, Server};

pub(super) const TOKEN: &str = "a token of the metrics";

pub(super) async fn with_metrics(section: Value) -> Server {
    Server::start_with(|config| {
        config.plugins.insert("metrics".into(), section);
    })
    .await
}

pub(super) async fn scrape(client: &Client, authorization: Option<&str>) -> Reply {
    let mut request = client.http.get(client.url("/metrics"));
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    client.send(request).await
}

/// The value of one series.
pub(super) fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no series {series}:\n{text}")).parse().expect("a number")
}

#[tokio::test]
async fn life_and_readiness_are_public_and_tell_nothing_else() {
    let server = Server::start().await;
    let anyone = server.anonymous();
    for path in ["/livez", "/readyz"] {
        let reply = anyone.get(path).await;
        assert_eq!((reply.status, reply.text.as_str()), (200, "ok\n"), "{path}");
        assert!(reply.header("content-type").is_some_and(|t| t.starts_with("text/plain")));
    }
}

#[tokio::test]
async fn health_is_for_users_and_tells_the_version() {
    let server = Server::start().await;
    let refused = server.anonymous().get("/api/health").await.expect(401);
    assert_eq!(refused.message(), "No session found");
    let reply = server.superadmin().await.get("/api/health").await.expect(200);
    assert_eq!(reply.data()["version"], env!("CARGO_PKG_VERSION"));
    assert!(reply.data()["uptime"].is_u64(), "{}", reply.text);
}

#[tokio::test]
async fn without_its_database_a_server_lives_and_is_not_ready() {
    let server = Server::start().await;
    let anyone = server.anonymous();
    server.host().store.close().await;
    assert_eq!(anyone.get("/livez").await.status, 200);
    let reply = anyone.get("/readyz").await;
    // The watch over the files may have seen that the closed database left none of its own beside it.
    assert_eq!((reply.status, reply.text.starts_with("not ready")), (503, true), "{}", reply.text);
}

#[tokio::test]
async fn metrics_are_off_unless_asked_for() {
    let server = Server::start().await;
    scrape(&server.superadmin().await, None).await.expect(404);
}

#[tokio::test]
async fn metrics_open_to_everyone_stop_the_start() {
    for (section, words) in [
        (json!({"enabled": true}), ["plugins.metrics.bind", "plugins.metrics.token"]),
        (json!({"enabled": true, "token": "short"}), ["plugins.metrics.token", "16 characters"]),
        (json!({"enabled": true, "tokn": TOKEN}), ["plugins.metrics", "tokn"]),
        (json!({"enabled": true, "bind": "localhost"}), ["plugins.metrics.bind", "127.0.0.1:9464"]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut config = testing::config(directory.path());
        config.plugins.insert("metrics".into(), section.clone());
        let refused = TestServer::start(config).await.err().unwrap_or_else(|| panic!("{section} was taken"));
        let said = refused.to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{section}: {said}");
        assert!(!said.contains(TOKEN), "{said}");
    }
}

#[tokio::test]
async fn the_token_is_asked_for() {
    let server = with_metrics(json!({"enabled": true, "token": TOKEN})).await;
    let admin = server.superadmin().await;
    for wrong in [None, Some("Bearer wrong"), Some("Bearer "), Some(TOKEN), Some("Basic YTpi")] {
        let refused = scrape(&admin, wrong).await.expect(401);
        assert!(refused.message().contains("Authorization: Bearer"), "{wrong:?}: {}", refused.text);
    }
    for right in [format!("Bearer {TOKEN}"), format!("bearer {TOKEN}")] {
        let reply = scrape(&server.anonymous(), Some(&right)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(reply.header("content-type").is_some_and(|t| t.starts_with("application/openmetrics-text")));
        assert!(reply.text.ends_with("# EOF\n"));
    }
}

#[tokio::test]
async fn an_address_of_their_own_serves_metrics_and_nothing_else() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let bind: SocketAddr = free.local_addr().unwrap();
    drop(free);
    let server = with_metrics(json!({"enabled": true, "bind": bind})).await;
    let own = Client::anonymous(bind);
    assert_eq!(scrape(&own, None).await.status, 200);
    own.get("/livez").await.expect(404);
    scrape(&server.anonymous(), None).await.expect(404);

    let directory = tempfile::tempdir().unwrap();
    let mut config = testing::config(directory.path());
    config.plugins.insert("metrics".into(), json!({"enabled": true, "bind": bind}));
    let taken = TestServer::start(config).await.err().expect("the address is taken").to_string();
    assert!(taken.contains("plugins.metrics.bind") && taken.contains(&bind.to_string()), "{taken}");
}

#[tokio::test]
async fn what_happens_is_counted_without_ids_or_names() {
    let server = with_metrics(json!({"enabled": true, "token": TOKEN})).await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", "correct horse battery staple").await;
    let device = admin.create_device(agent, "AA:BB:CC:DD:EE:FF").await;
    let scene = Scene { server, admin, agent, device };

    scene.admin.post(&format!("/api/devices/{device}/wakeup"), json!({})).await.expect(503);
    let mut firmware: Firmware = scene.firmware().await;
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply_ok(&command).await;
    wake.answer().await.expect(200);
    scene.admin.get("/api/agents/4711471147114711").await.expect(404);
    scene.admin.get("/no/such/page").await.expect(404);

    let authorization = format!("Bearer {TOKEN}");
    let text = scrape(&scene.admin, Some(&authorization)).await.text;
    assert_eq!(value(&text, "netignite_agents_connected"), 1.0);
    assert_eq!(value(&text, "netignite_agent_connects_total"), 1.0);
    assert_eq!(value(&text, r#"netignite_commands_total{command="WAKEUP",outcome="ok"}"#), 1.0);
    assert_eq!(value(&text, r#"netignite_commands_total{command="WAKEUP",outcome="offline"}"#), 1.0);
    let wakes = "netignite_command_duration_seconds_count{command=\"WAKEUP\"}";
    assert_eq!(value(&text, wakes), 2.0);
    let missing = r#"netignite_http_requests_total{route="/api/agents/{id}",method="GET",status="4xx"}"#;
    assert_eq!(value(&text, missing), 1.0);
    let other = r#"netignite_http_requests_total{route="other",method="GET",status="4xx"}"#;
    assert_eq!(value(&text, other), 1.0);
    assert!(value(&text, "netignite_database_writes_total") >= 2.0);
    assert!(value(&text, "process_resident_memory_bytes") > 1e6);
    assert!(value(&text, "process_open_fds") > 3.0);
    assert!(value(&text, "process_start_time_seconds") > 1.7e9);
    assert!(text.contains(concat!("netignite_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")));
    for private in ["4711471147114711", "admin\"", "AA:BB", "no/such"] {
        assert!(!text.contains(private), "{private} is in the metrics:\n{text}");
    }

    drop(firmware);
    super::support::wait::until("the agent to be gone", || async {
        let text = scrape(&scene.admin, Some(&authorization)).await.text;
        let gone = text.lines().any(|line| line.starts_with("netignite_agent_disconnects_total{reason="));
        (gone && value(&text, "netignite_agents_connected") == 0.0).then_some(())
    })
    .await;
}
