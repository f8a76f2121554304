//! What goes with every answer: the request's ID, and what is noted of it whether or not its client stays.

use std::collections::HashSet;

use netignite::audit::{Action, Actor, Entry};
use netignite::config::Config;
use netignite::store::audit as table;
use reqwest::header::HeaderName;
use serde_json::json;

use super::support::binary::{command, superadmin};
use super::support::firmware::{Firmware, handshake};
use super::support::held::session;
use super::support::raw::{RawConnection, exchange};
use super::support::scene::{MAC, ONLINE, SECRET};
use super::support::wait::{until, until_equal, within};
use super::support::{Binary, Client, Reply, Scene, Server, soon};

const METRICS: &str = "a token for the metrics alone";

fn with_metrics(config: &mut Config) {
    config.plugins.insert("metrics".to_owned(), json!({"enabled": true, "token": METRICS}));
}

/// Waits until a request of this kind is counted.
async fn counted(by: &Client, words: &[&str]) {
    until("the request in the metrics", || async {
        let text = by.send(by.http.get(by.url("/metrics")).bearer_auth(METRICS)).await.text;
        let mut lines = text.lines().filter(|line| line.starts_with("netignite_http_requests"));
        lines.find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
    })
    .await;
}

const ID: HeaderName = HeaderName::from_static("x-request-id");

/// The ID that an answer carries, in its header and, if it is the envelope, in its body.
#[track_caller]
fn id_of(reply: &Reply) -> String {
    let id = reply.header("x-request-id").unwrap_or_else(|| panic!("no ID: {}", reply.text)).to_owned();
    if !reply.body.is_null() {
        assert_eq!(reply.body["requestID"], id.as_str(), "{}", reply.text);
    }
    id
}

#[tokio::test]
async fn every_answer_carries_its_requests_id_and_none_comes_twice() {
    let beside = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let metrics = json!({"enabled": true, "bind": beside.to_string()});
    let directory = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    let mut directory = Some(directory);
    for _ in 0..2 {
        let metrics = metrics.clone();
        let server = Server::start_in(directory.take().unwrap(), |config| {
            config.plugins.insert("metrics".to_owned(), metrics);
        })
        .await;
        let anonymous = server.anonymous();
        for path in ["/livez", "/readyz", "/api/auth/session", "/api/nothing", "/nothing", "/api/agents/junk"]
        {
            ids.push(id_of(&anonymous.get(path).await));
        }
        let admin = Client::login(server.address(), "admin", &server.password).await;
        ids.push(id_of(&admin.get("/api/agents").await.expect(200)));
        ids.push(id_of(&admin.post("/api/agents", json!({})).await.expect(400)));
        ids.push(id_of(&admin.delete("/api/agents").await.expect(405)));
        ids.push(id_of(&admin.get("/api/admin/audit/export").await));
        ids.push(id_of(&admin.post("/api/admin/users", json!([])).await.expect(400)));
        let other = Client { address: beside, ..server.anonymous() };
        ids.push(id_of(&other.get("/metrics").await));
        // Agents whose handshake is refused get one, too.
        let refused = exchange(
            server.address(),
            &handshake(server.address(), "Basic MTox", "AAAAAAAAAAAAAAAAAAAAAA=="),
        )
        .await;
        ids.push(refused.header("x-request-id").expect("an ID").to_owned());
        directory = Some(server.stop().await);
    }
    assert!(ids.iter().all(|id| (16..=64).contains(&id.len())), "{ids:?}");
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

#[tokio::test]
async fn an_id_is_taken_over_from_a_trusted_proxy_alone() {
    let server =
        Server::start_with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let stranger = Server::start().await;
    let sent = async |server: &Server, id: &str| {
        let client = server.anonymous();
        id_of(&client.send(client.http.get(client.url("/api/auth/session")).header(ID, id)).await)
    };
    for good in ["edge-7f3c/9:1", &"x".repeat(128), "back\\slash"] {
        assert_eq!(sent(&server, good).await, good);
        assert_ne!(sent(&stranger, good).await, good);
    }
    for bad in ["<script>", "a&b", "a\"b", "a'b", "a b", &"x".repeat(129), ""] {
        assert_ne!(sent(&server, bad).await, bad);
    }
}

#[tokio::test]
async fn the_log_calls_a_request_by_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Binary::spawn(command(directory.path(), &["--log-level", "debug"]));
    let address = server.listening().await;
    let admin = superadmin(directory.path(), address).await;
    let id = id_of(&admin.get("/api/agents/4711").await.expect(404));
    server.line(&["Request answered", "404", &id]).await;
    // Also a line that a handler writes.
    let id = id_of(&admin.put("/api/admin/log-level", json!({"level": "debug"})).await.expect(200));
    server.line(&["The log level is debug now", &id]).await;
}

#[tokio::test]
async fn a_guess_whose_client_hangs_up_is_noted_like_any_other() {
    let server = Server::start_with(with_metrics).await;
    let admin = server.superadmin().await;
    // Failed logins take a quarter of a second, so that there is no answer yet.
    let mut connection = RawConnection::open(server.address()).await;
    let body = json!({"username": "admin", "password": "a guess"}).to_string();
    let length = body.len();
    let head = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    connection.send(head + &body).await;
    drop(connection);
    until_equal("the refusal in the audit log", 1, || async {
        let page = admin.get("/api/admin/audit?action=auth.login&outcome=refused").await.expect(200);
        page.data()["entries"].as_array().expect("a list").len()
    })
    .await;
    counted(&admin, &["/api/auth/login", "POST", "4xx"]).await;
}

#[tokio::test]
async fn a_question_whose_client_hangs_up_is_counted() {
    let server = Server::start_with(with_metrics).await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("microcontroller", SECRET).await;
    let device = admin.create_device(agent, MAC).await;
    let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
    let mut connection = RawConnection::open(server.address()).await;
    let cookie = session(&admin).await;
    let head = format!("GET /api/devices/status?ids={device} HTTP/1.1\r\nHost: x\r\n{cookie}\r\n\r\n");
    connection.send(head).await;
    // The agent is asked, and does not answer.
    assert_eq!(firmware.message().await.command, "GET_STATUS");
    drop(connection);
    counted(&admin, &["/api/devices/status", "GET", "4xx"]).await;
}

/// Fills the audit log with so much that an export of it does not fit into any buffer.
async fn furnish(server: &Server) {
    for _ in 0..20 {
        let written = server.host().store.write(|db| {
            let mut entry = Entry::new(1, Actor::Server, Action::LogLevelSet, None);
            entry.detail = Some("x".repeat(1000));
            (0..2000).try_for_each(|_| table::insert(db, &entry))
        });
        written.await.unwrap();
    }
}

#[tokio::test]
async fn a_long_answer_ends_with_the_right_to_it_and_is_seen_to_be_cut() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    furnish(&server).await;
    for what in ["logged out", "password changed", "demoted", "deleted", "revoked", "left alone"] {
        let eve = server.user(&admin, &format!("eve {what}").replace(' ', "-"), "admin").await;
        let body = json!({"name": "export", "permissions": ["audit:read"]});
        let made = eve.post("/api/account/tokens", body).await.expect(201);
        let credentials = match what {
            "revoked" => format!("Authorization: Bearer {}", made.data()["token"].as_str().unwrap()),
            _ => session(&eve).await,
        };
        let mut reader = RawConnection::open(server.address()).await;
        let head = format!("GET /api/admin/audit/export HTTP/1.1\r\nHost: x\r\n{credentials}\r\n\r\n");
        reader.send(head).await;
        while reader.leftover.len() < 10_000 {
            assert!(reader.fill().await, "{what}: the answer begins");
        }
        let path = format!("/api/admin/users/{}", eve.user);
        match what {
            "logged out" => {
                let (name, value) = credentials.split_once(": ").unwrap();
                let logout = eve.http.post(eve.url("/api/auth/logout")).header(name, value);
                eve.send(logout).await.expect(200)
            }
            "password changed" => {
                admin.put(&path, json!({"password": "another long password"})).await.expect(200)
            }
            "demoted" => admin.put(&path, json!({"role": "user"})).await.expect(200),
            "deleted" => admin.delete(&path).await.expect(200),
            "revoked" => eve.delete(&format!("/api/account/tokens/{}", made.data()["id"])).await.expect(200),
            _ => admin.get("/api/auth/session").await.expect(200),
        };
        // What was sent before may still be on its way; then a second passes.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        within(std::time::Duration::from_secs(60), "the end", async {
            let end = |leftover: &[u8]| leftover.ends_with(b"\r\n0\r\n\r\n");
            while !end(&reader.leftover) && reader.fill().await {}
            assert_eq!(end(&reader.leftover), what == "left alone", "{what}: whether it is whole");
        })
        .await;
    }
}

#[tokio::test]
async fn what_was_read_is_not_answered_to_whoever_may_no_longer_see_it() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let eve = scene.server.user(&scene.admin, "eve", "admin").await;
    let path = format!("/api/devices/status?ids={}&adminMode=true", scene.device);
    let asking = tokio::spawn({
        let eve = eve.clone();
        async move { eve.get(&path).await }
    });
    let asked = firmware.message().await;
    let user = format!("/api/admin/users/{}", eve.user);
    scene.admin.put(&user, json!({"password": "another long password"})).await.expect(200);
    firmware.reply(&asked, ONLINE).await;
    asking.await.unwrap().expect(401);
}

#[tokio::test]
async fn a_command_that_waits_for_its_turn_is_not_sent_for_whoever_may_no_longer() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    // What the agent is at, for as long as everything below may take.
    let body = json!({"kind": "command", "agentID": scene.agent, "command": "WAKEUP", "runTimeout": 60,
        "payload": {"macAddress": MAC, "port": 9}});
    let first = scene.admin.post("/api/operations", body).await.expect(202);
    let asked = firmware.command().await;
    let eve = scene.server.user(&scene.admin, "eve", "admin").await;
    let cookie = session(&eve).await;
    let mut waiting = Vec::new();
    for path in [
        format!("/api/devices/{}/wakeup", scene.device),
        format!("/api/agents/{}/commands/WAKEUP", scene.agent),
    ] {
        let body = json!({"macAddress": "00:00:00:00:00:0E", "port": 9}).to_string();
        let length = body.len();
        let mut connection = RawConnection::open(scene.server.address()).await;
        let head = format!(
            "POST {path}?adminMode=true HTTP/1.1\r\nHost: x\r\n{cookie}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        connection.send(head).await;
        waiting.push(connection);
    }
    scene.admin.get("/api/agents").await.expect(200);
    scene
        .admin
        .put(&format!("/api/admin/users/{}", eve.user), json!({"password": "another long password"}))
        .await
        .expect(200);
    for mut connection in waiting {
        assert_eq!(connection.answer().await.expect("an answer").status, 401);
    }
    firmware.reply_ok(&asked).await;
    let path = format!("/api/operations/{}", first.data()["id"].as_str().unwrap());
    until_equal("the first to be done", json!("succeeded"), async || {
        scene.admin.get(&path).await.expect(200).data()["state"].clone()
    })
    .await;
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn a_wake_that_waits_for_its_turn_ends_with_the_share_and_with_the_device_it_was_for() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let bob = scene.server.user(&scene.admin, "bob", "user").await;
    let shares = format!("/api/devices/{}/shares", scene.device);
    let share = scene.admin.post(&shares, json!({"username": "bob", "permissions": ["view", "wake"]})).await;
    let share = share.expect(201).data()["id"].clone();
    // What the agent is at.
    let first = scene.ask("192.0.2.1");
    let asked = firmware.message().await;

    let path = format!("/api/devices/{}/wakeup", scene.device);
    let waiting = tokio::spawn(async move { bob.post(&path, json!({})).await });
    scene.admin.get("/api/agents").await.expect(200);
    scene.admin.delete(&format!("{shares}/{share}")).await.expect(200);
    assert_eq!(soon("the refusal", waiting).await.unwrap().status, 404);

    let waiting = scene.wake();
    let device = format!("/api/devices/{}", scene.device);
    let mut changed = scene.admin.get(&device).await.expect(200).data().clone();
    // Again and again: the wake may not have arrived yet.
    for last in (10..100).cycle().take_while(|_| !waiting.is_answered()) {
        changed["macAddress"] = json!(format!("00:11:22:33:44:{last}"));
        scene.admin.put(&device, changed.clone()).await.expect(200);
    }
    let refused = waiting.answer().await.expect(409);
    assert_eq!(refused.code(), "device_changed");

    firmware.reply(&asked, ONLINE).await;
    first.answer().await.expect(200);
    scene.assert_nothing_more(&mut firmware).await;
}
