//! Whoever asks for a WebSocket and is refused gets no body: the reason is in a header, and in the server's log.

use futures_util::future::join_all;
use serde_json::json;

use crate::audit::entries;
use crate::support::binary::{Binary, superadmin};
use crate::support::firmware::{PATH, basic, handshake, key};
use crate::support::raw::{RawAnswer, RawConnection, exchange};
use crate::support::scene::SECRET;
use crate::support::{Firmware, Scene, Server};

/// Failures for one agent from one address before it has to wait, as for logins.
const PER_AGENT: usize = 10;
/// Failures from one address.
const PER_ADDRESS: usize = 50;

/// Checks that the firmware cannot hang on an answer, and that it tells why.
#[track_caller]
fn assert_bare(answer: &RawAnswer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("Content-Length"), Some("0"), "{answer:?}");
    assert!(answer.body.is_empty(), "{answer:?}");
    assert_eq!(answer.header("Transfer-Encoding"), None);
    assert_eq!(answer.header("Content-Type"), None, "{answer:?}");
    assert_eq!(answer.header("NetIgnite-Error"), Some(code), "{answer:?}");
    assert!(answer.header("Connection").is_some_and(|v| v.eq_ignore_ascii_case("close")), "{answer:?}");
    assert_eq!(answer.header("WWW-Authenticate"), None);
}

/// Sends a handshake, changed, and waits until the server has closed: nothing may come behind the head.
async fn refused(server: &Server, authorization: &str, changes: &[(&str, &str)]) -> RawAnswer {
    let mut request = handshake(server.address(), authorization, &key());
    for (from, to) in changes {
        assert!(request.contains(from), "{from:?} is not in the handshake");
        request = request.replace(from, to);
    }
    let mut connection = RawConnection::open(server.address()).await;
    connection.send(request).await;
    let answer = connection.answer().await.expect("an answer");
    connection.closed().await;
    assert!(connection.leftover.is_empty(), "more came behind the answer: {:?}", connection.leftover);
    answer
}

#[tokio::test]
async fn every_refusal_of_an_upgrade_is_without_a_body() {
    let scene = Scene::new("microcontroller").await;
    let server = &scene.server;
    let good = basic(scene.agent, SECRET);
    let wrong = basic(scene.agent, "wrong secret");
    assert_bare(&refused(server, &wrong, &[]).await, 401, "unauthenticated");
    assert_bare(&refused(server, "Bearer x", &[]).await, 401, "unauthenticated");
    let version = [("Version: 13", "Version: 8")];
    assert_bare(&refused(server, &good, &version).await, 426, "upgrade_required");
    assert_bare(
        &refused(server, &good, &[("Connection: Upgrade", "Connection: close")]).await,
        426,
        "upgrade_required",
    );
    assert_bare(&refused(server, &good, &[("GET ", "POST ")]).await, 405, "method_not_allowed");
    let page =
        [("Origin: file://", "Origin: https://evil.example"), (&*format!("Authorization: {good}\r\n"), "")];
    assert_bare(&refused(server, &good, &page).await, 403, "foreign_origin");
    for (path, status, code) in [
        ("/", 404, "not_found"),
        ("/socket", 404, "not_found"),
        ("/api/agents", 401, "unauthenticated"),
        ("/api/agents/1", 401, "unauthenticated"),
        ("/api/auth/login", 405, "method_not_allowed"),
    ] {
        let answer = refused(server, &good, &[(PATH, path)]).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_bare(&answer, status, answer.header("NetIgnite-Error").unwrap_or(code));
    }
    // A body that never comes, on another path.
    let late = [(PATH, "/api/auth/login"), ("GET ", "POST "), ("Origin: file://", "Content-Length: 5")];
    let request = late.iter().fold(handshake(server.address(), &good, &key()), |r, (a, b)| r.replace(a, b));
    let hasty = Server::start_with(|config| config.limits.body_seconds = 1).await;
    let answer = exchange(hasty.address(), &request).await;
    assert_eq!((answer.status, answer.body.len()), (408, 0), "{answer:?}");
    // Whoever asks for no WebSocket reads the envelope as ever.
    let plain = exchange(server.address(), &format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert_eq!(plain.status, 426);
    assert_eq!(plain.json()["code"], "upgrade_required");
    assert_eq!(scene.admin.agent_status(scene.agent).await, "offline");
}

#[tokio::test]
async fn a_full_or_stopping_server_refuses_without_a_body() {
    let server = Server::start_with(|config| config.limits.connections = 17).await;
    let mut held = Vec::new();
    // One address may hold half of them.
    for _ in 0..8 {
        let mut connection = RawConnection::open(server.address()).await;
        connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(connection.answer().await.map(|answer| answer.status), Some(200));
        held.push(connection);
    }
    assert_bare(&refused(&server, &basic(1, SECRET), &[]).await, 503, "too_many_connections");
    let plain = exchange(server.address(), "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((plain.status, plain.json()["code"].as_str()), (503, Some("too_many_connections")));
    // A head that comes in pieces is one as well.
    let mut slow = RawConnection::open(server.address()).await;
    let request = handshake(server.address(), &basic(1, SECRET), &key());
    let (first, second) = request.split_at(60);
    slow.send(first).await;
    tokio::task::yield_now().await;
    slow.send(second).await;
    assert_bare(&slow.answer().await.expect("an answer"), 503, "too_many_connections");
    drop(held);
}

#[tokio::test]
async fn whoever_brings_good_credentials_is_no_page() {
    let scene = Scene::new("server").await;
    let address = scene.server.address();
    for origin in [
        format!("ws://{address}"),
        format!("wss://{address}"),
        format!("http://{}", address.ip()),
        format!("https://{}", address.ip()),
        "http://other.example".to_owned(),
        "null".to_owned(),
        "app://localhost".to_owned(),
        String::new(),
    ] {
        let key = key();
        let request = handshake(address, &basic(scene.agent, SECRET), &key);
        let request = request.replace("Origin: file://", &format!("Origin: {origin}"));
        let admitted = Firmware::dial(address, &request, &key).await;
        assert!(admitted.is_ok(), "Origin: {origin}: {:?}", admitted.err());
    }
    // The wrong secret is what is wrong, whatever the origin.
    let page = [("Origin: file://", "Origin: https://evil.example")];
    assert_bare(
        &refused(&scene.server, &basic(scene.agent, "wrong secret"), &page).await,
        401,
        "unauthenticated",
    );
}

#[tokio::test]
async fn an_agent_with_the_right_secret_is_never_locked_out() {
    let scene = Scene::new("server").await;
    let other = scene.admin.create_agent("server", "another secret of it").await;
    let guess = |n: usize, agent: i64| {
        let authorization = basic(agent, &format!("guess number {n}"));
        let server = &scene.server;
        async move { refused(server, &authorization, &[]).await }
    };
    for n in 0..PER_AGENT {
        assert_bare(&guess(n, scene.agent).await, 401, "unauthenticated");
    }
    let slowed = guess(PER_AGENT, scene.agent).await;
    assert_bare(&slowed, 429, "too_many_attempts");
    let after: u64 = slowed.header("Retry-After").expect("when to come again").parse().unwrap();
    assert!((1..=300).contains(&after), "{after}");
    // Another agent from the same address is not slowed yet, and the right secret always gets in.
    assert_bare(&guess(0, other).await, 401, "unauthenticated");
    drop(scene.firmware().await);
    // Its login forgot the failures of the agent, not those of the address.
    for n in 0..PER_ADDRESS {
        guess(n, 1_000_000 + i64::try_from(n).unwrap()).await;
    }
    assert_bare(&guess(0, 77).await, 429, "too_many_attempts");
    assert_bare(&refused(&scene.server, "Basic !!!!", &[]).await, 429, "too_many_attempts");
    drop(scene.firmware().await);
    drop(Firmware::connect(scene.server.address(), other, "another secret of it").await);
    // People's logins are another matter.
    scene.server.superadmin().await.get("/api/agents").await.expect(200);
}

#[tokio::test]
async fn guesses_sent_all_at_once_count_as_those_sent_one_by_one() {
    let scene = Scene::new("server").await;
    let authorization = basic(scene.agent, "wrong secret");
    let answers = join_all((0..40).map(|_| refused(&scene.server, &authorization, &[]))).await;
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(judged, PER_AGENT);
    scene.server.host().audit.write_out().await;
    let noted = entries(&scene.admin, "action=agent.connect").await;
    assert!(!noted.is_empty() && noted.len() <= 4, "{noted:?}");
    for entry in &noted {
        assert_eq!(
            (&entry["outcome"], &entry["address"]),
            (&json!("refused"), &json!("127.0.0.1")),
            "{entry}"
        );
        assert_eq!((&entry["target"], &entry["targetID"]), (&json!("agent"), &json!(scene.agent)), "{entry}");
    }
}

#[tokio::test]
async fn a_failed_handshake_is_one_line_of_the_log_and_so_is_a_cloned_card() {
    let directory = tempfile::tempdir().unwrap();
    let (binary, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let agent = admin.create_agent("server", SECRET).await;
    for (authorization, named) in [(basic(agent, "wrong secret"), true), (basic(99, "wrong secret"), false)] {
        let answer = exchange(address, &handshake(address, &authorization, &key())).await;
        assert_eq!(answer.status, 401);
        let id = if named { agent } else { 99 };
        binary
            .line(&[
                "\"message\":\"Failed handshake\"",
                "\"address\":\"127.0.0.1\"",
                &format!("\"agent\":{id},"),
            ])
            .await;
    }
    let answer = exchange(address, &handshake(address, "Basic !!!!", &key())).await;
    assert_eq!(answer.status, 401);
    // Two agents cannot be distinguished from one that comes and goes, except by how often.
    for _ in 0..6 {
        drop(Firmware::connect(address, agent, SECRET).await);
    }
    let mut machines = Vec::new();
    for _ in 0..6 {
        machines.push(Firmware::connect(address, agent, SECRET).await);
    }
    binary.line(&["replaced", "two machines"]).await;
    let warned = binary.log().lines().filter(|line| line.contains("two machines")).count();
    assert_eq!(warned, 1, "{}", binary.log());
}

#[tokio::test]
async fn an_identity_on_two_machines_is_shown() {
    let scene = Scene::new("microcontroller").await;
    let path = format!("/api/agents/{}", scene.agent);
    let presence = || async { scene.admin.get(&path).await.expect(200).data()["presence"].clone() };
    let mut machines = vec![scene.firmware().await];
    assert!(presence().await["conflict"].is_null());
    for _ in 0..5 {
        machines.push(scene.firmware().await);
    }
    let conflict = presence().await["conflict"].clone();
    assert_eq!((&conflict["count"], &conflict["minutes"]), (&json!(5), &json!(1)), "{conflict}");
    let list = scene.admin.get("/api/agents").await.expect(200);
    assert_eq!(list.data()[0]["presence"]["conflict"], conflict);
    scene.server.host().audit.write_out().await;
    let noted = entries(&scene.admin, "action=agent.conflict").await;
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!((&noted[0]["target"], &noted[0]["targetID"]), (&json!("agent"), &json!(scene.agent)));
    assert!(noted[0]["detail"].as_str().unwrap().contains("replaced"), "{}", noted[0]);
    // One that really comes and goes is no conflict.
    let other = scene.admin.create_agent("server", "another secret of it").await;
    for _ in 0..5 {
        let firmware = Firmware::connect(scene.server.address(), other, "another secret of it").await;
        drop(firmware);
        crate::support::wait::until_equal("it is offline", "offline".to_owned(), || {
            scene.admin.agent_status(other)
        })
        .await;
    }
    let reply = scene.admin.get(&format!("/api/agents/{other}")).await.expect(200);
    assert!(reply.data()["presence"]["conflict"].is_null(), "{}", reply.text);
}
