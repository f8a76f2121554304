//! What one user may have and do, and that it is never at the cost of another.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use crate::support::binary::{Binary, superadmin};
use crate::support::firmware::Message;
use crate::support::held::session;
use crate::support::raw::RawConnection;
use crate::support::scene::{MAC, SECRET};
use crate::support::wait::{until, within};
use crate::support::{Client, Firmware, Reply, Server, sqlite};

fn agent_body() -> Value {
    json!({"name": "Agent", "type": "server", "secret": SECRET})
}

fn device_body(agent: i64) -> Value {
    json!({"name": "Device", "type": "nas", "macAddress": MAC, "agentID": agent})
}

/// How many of many creates at once went well; panics where a refusal is not the quota's.
async fn created(client: &Client, path: &str, body: &Value, key: &str) -> usize {
    let creating: Vec<_> = (0..12)
        .map(|_| {
            let (client, path, body) = (client.clone(), path.to_owned(), body.clone());
            tokio::spawn(async move { client.post(&path, body).await })
        })
        .collect();
    let mut created = 0;
    for reply in creating {
        let reply = reply.await.unwrap();
        if reply.status == 201 {
            created += 1;
            continue;
        }
        let reply = reply.expect(409);
        assert_eq!(reply.code(), "quota_reached", "{}", reply.text);
        assert!(reply.message().contains(key) && reply.message().contains('5'), "{}", reply.text);
    }
    created
}

#[tokio::test]
async fn a_user_has_as_many_agents_and_devices_as_the_quotas_say() {
    let server = Server::start_with(|config| {
        config.limits.agents_per_user = 5;
        config.limits.devices_per_user = 5;
    })
    .await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    assert_eq!(created(&ann, "/api/agents", &agent_body(), "limits.agentsPerUser").await, 5);
    let agents = ann.get("/api/agents").await.expect(200);
    let agent = agents.data()[0]["id"].as_i64().unwrap();
    assert_eq!(created(&ann, "/api/devices", &device_body(agent), "limits.devicesPerUser").await, 5);
    // What is there can be changed, and what goes makes room.
    let device = ann.get("/api/devices").await.expect(200).data()[0]["id"].as_i64().unwrap();
    ann.put(&format!("/api/devices/{device}"), device_body(agent)).await.expect(200);
    ann.delete(&format!("/api/devices/{device}")).await.expect(200);
    ann.post("/api/devices", device_body(agent)).await.expect(201);
    ann.post("/api/devices", device_body(agent)).await.expect(409);
    // Others have quotas of their own.
    let other = admin.create_agent("server", SECRET).await;
    admin.create_device(other, MAC).await;
}

#[tokio::test]
async fn enrolment_is_no_way_around_the_quota() {
    let server = Server::start_with(|config| config.limits.agents_per_user = 2).await;
    let admin = server.superadmin().await;
    let body = json!({"type": "server", "uses": 10});
    let code = admin.post("/api/agents/enrolment-codes", body).await.expect(201);
    let enrol = async || {
        let body = json!({"code": code.data()["code"], "name": "Made by itself"});
        server.anonymous().post("/api/agents/enrol", body).await
    };
    for _ in 0..2 {
        enrol().await.expect(201);
    }
    let refused = enrol().await.expect(409);
    assert_eq!(refused.code(), "quota_reached");
    let listed = admin.get("/api/agents").await.expect(200);
    assert_eq!(listed.data().as_array().unwrap().len(), 2);
    // Nothing was used up by it.
    let codes = admin.get("/api/agents/enrolment-codes").await.expect(200);
    assert_eq!(codes.data()[0]["usesLeft"], 8);
    admin.delete(&format!("/api/agents/{}", listed.data()[0]["id"])).await.expect(200);
    enrol().await.expect(201);
}

#[tokio::test]
async fn favourites_are_bounded() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let put = async |count: usize| {
        let body = json!({"username": "admin", "favorites": vec![7; count]});
        admin.put("/api/account/1", body).await
    };
    put(10_000).await.expect(200);
    put(10_001).await.expect(400);
}

/// Answers under way: wakes that their agent has not answered.
struct Held {
    waking: Vec<JoinHandle<Reply>>,
    frames: Vec<Message>,
}

impl Held {
    async fn two_wakes(user: &Client, device: i64, firmware: &mut Firmware) -> Self {
        let mut held = Self { waking: Vec::new(), frames: Vec::new() };
        for _ in 0..2 {
            let (user, path) = (user.clone(), format!("/api/devices/{device}/wakeup"));
            held.waking.push(tokio::spawn(async move { user.post(&path, json!({})).await }));
            held.frames.push(firmware.message().await);
        }
        held
    }

    async fn answered(self, firmware: &mut Firmware) {
        for frame in &self.frames {
            firmware.reply_ok(frame).await;
        }
        for wake in self.waking {
            wake.await.unwrap().expect(200);
        }
    }
}

async fn has_room(user: &Client) {
    until("room for another answer", || async {
        (user.get("/api/auth/session").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_user_has_a_share_of_the_answers_under_way() {
    let server = Server::start_with(|config| config.limits.answers_per_user = 2).await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let agent = ann.create_agent("server", SECRET).await;
    let device = ann.create_device(agent, MAC).await;
    let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
    let held = Held::two_wakes(&ann, device, &mut firmware).await;
    let refused = ann.get("/api/auth/session").await.expect(503);
    assert_eq!(refused.code(), "too_many_answers");
    assert!(refused.message().contains("limits.answersPerUser"), "{}", refused.text);
    assert_eq!(refused.header("retry-after"), Some("1"));
    admin.get("/api/auth/session").await.expect(200);
    held.answered(&mut firmware).await;
    has_room(&ann).await;
}

#[tokio::test]
async fn all_users_together_have_so_many_answers_under_way() {
    let server = Server::start_with(|config| config.limits.answers = 2).await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    let device = admin.create_device(agent, MAC).await;
    let bob = server.user(&admin, "bob", "user").await;
    let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
    let held = Held::two_wakes(&admin, device, &mut firmware).await;
    let refused = bob.get("/api/auth/session").await.expect(503);
    assert_eq!((refused.code(), refused.header("retry-after")), ("busy", Some("1")));
    held.answered(&mut firmware).await;
    has_room(&bob).await;
}

/// Changes that a user may make at once, and those that wait beyond them before more are refused.
const BURST: usize = 20_000;
const WAITING: usize = 500;

/// Has a user make as many changes as one may at once: none of them does anything.
async fn use_up_the_burst(user: &Client) {
    const CONNECTIONS: usize = 20;
    let cookie = session(user).await;
    let request = format!("DELETE /api/devices/4711 HTTP/1.1\r\nHost: x\r\n{cookie}\r\n\r\n");
    let changing: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (address, request) = (user.address, request.clone());
            tokio::spawn(async move {
                let mut connection = RawConnection::open(address).await;
                for _ in 0..BURST / CONNECTIONS / 50 {
                    connection.send(request.repeat(50)).await;
                    for _ in 0..50 {
                        assert_eq!(connection.answer().await.expect("an answer").status, 404);
                    }
                }
            })
        })
        .collect();
    for one in changing {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn whoever_changes_things_without_end_is_slowed_and_refused() {
    let server = Server::start_with(|config| config.limits.answers_per_user = 0).await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    // Operations are no way around it, and neither is withdrawing them.
    let (ann, bob) = (server.user(&admin, "ann", "user").await, server.user(&admin, "bob", "user").await);
    let own = ann.create_agent("server", SECRET).await;
    use_up_the_burst(&ann).await;
    let wake = json!({"macAddress": MAC, "port": 9});
    let body = json!({"kind": "command", "agentID": own, "command": "WAKEUP", "payload": wake});
    let none = "/api/operations/0190d3f5-0000-7000-8000-000000000000/cancel";
    let asks = [("/api/devices", device_body(agent)), ("/api/operations", body.clone()), (none, json!({}))];
    for (path, body) in asks {
        let mut refused = 0;
        // More may be made while time passes; each round uses up more than that.
        for _ in 0..12 {
            if refused > 0 {
                break;
            }
            let asking: Vec<_> = (0..WAITING + 200)
                .map(|_| {
                    let (ann, body) = (ann.clone(), body.clone());
                    tokio::spawn(async move { ann.post(path, body).await })
                })
                .collect();
            for reply in asking {
                let reply = reply.await.unwrap();
                if reply.status == 429 && reply.code() == "too_many_changes" {
                    assert!(reply.header("retry-after").is_some(), "{}", reply.text);
                    refused += 1;
                }
            }
        }
        assert!(refused > 0, "{path}: nothing was refused");
    }
    // Nobody else is concerned, and she can still shut somebody out.
    let other = bob.create_agent("server", SECRET).await;
    bob.create_device(other, MAC).await;
    ann.delete("/api/account/tokens/4711").await.expect(404);
    ann.post("/api/operations", body).await.expect(429);
}

/// How many devices the user of a long list has.
const MANY: usize = 10_000;

/// A data directory whose admin has devices for a list of 50 MB.
async fn long_list() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    superadmin(directory.path(), address).await.create_agent("server", SECRET).await;
    server.signal(rustix::process::Signal::TERM);
    server.ended().await;
    let description = "ö".repeat(1000) + &"\u{1F5A5}".repeat(750);
    let insert = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) \
         INSERT INTO devices (name, type, description, macAddress, port, agentID, ownerID) \
         SELECT 'Device ' || i, 'nas', '{description}', '{MAC}', 9, 1, 1 FROM n"
    );
    sqlite::execute(&directory.path().join("data/db.sqlite"), &insert).await;
    directory
}

/// The cookie of a session of its own.
async fn login_cookie(admin: &Client) -> String {
    let body = json!({"username": admin.username, "password": admin.password});
    let login = admin.post("/api/auth/login", body).await.expect(200);
    login.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// A request for the list whose answer is not read.
async fn ask_and_read_nothing(address: std::net::SocketAddr, path: &str, cookie: &str) -> RawConnection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let mut connection = RawConnection { stream, leftover: Vec::new() };
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: home\r\nCookie: {cookie}\r\n\r\n")).await;
    // Its beginning has come: the answer is under way.
    within(Duration::from_secs(30), "the answer to begin", connection.fill()).await;
    connection
}

#[tokio::test]
async fn a_long_list_is_not_held_for_whoever_does_not_read_it() {
    let directory = long_list().await;
    let (server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let listed = admin.get("/api/devices").await.expect(200);
    let devices = listed.data().as_array().unwrap();
    assert!(listed.text.len() > 45 << 20, "{}", listed.text.len());
    assert!(devices.iter().map(|device| device["id"].as_i64().unwrap()).eq(1..=i64::try_from(MANY).unwrap()));
    drop(listed);

    let cookie = login_cookie(&admin).await;
    let before = server.memory();
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(ask_and_read_nothing(address, "/api/devices", &cookie).await);
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 24 << 20, "{} MiB for {} answers", grown >> 20, held.len());
    // Everyone else is served meanwhile, and so is the same user.
    let begun = Instant::now();
    admin.get("/api/devices/7").await.expect(200);
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    // And the rest of the list comes once it is read.
    let mut late = held.pop().unwrap();
    let whole = async {
        while !late.leftover.ends_with(b"0\r\n\r\n") {
            assert!(late.fill().await, "the list was cut off");
            let keep = late.leftover.len().saturating_sub(16);
            late.leftover.drain(..keep);
        }
    };
    within(Duration::from_secs(60), "the rest of the list", whole).await;
}

#[tokio::test]
async fn a_list_shows_each_object_as_it_is_when_its_part_is_read() {
    let directory = long_list().await;
    let (_server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let cookie = login_cookie(&admin).await;
    let mut slow = ask_and_read_nothing(address, "/api/devices", &cookie).await;
    for gone in MANY - 50..=MANY {
        admin.delete(&format!("/api/devices/{gone}")).await.expect(200);
    }
    let read = async {
        while !slow.leftover.ends_with(b"0\r\n\r\n") {
            assert!(slow.fill().await, "the list was cut off");
        }
    };
    within(Duration::from_secs(60), "the list", read).await;
    let text = String::from_utf8_lossy(&slow.leftover);
    assert!(text.contains(&format!("\"name\":\"Device {}\"", MANY - 51)), "what is there is shown");
    assert!(!text.contains(&format!("\"name\":\"Device {}\"", MANY - 40)), "what is gone is not");
    // The array ends, and the envelope after it.
    assert!(
        text.contains("\r\n]\r\n") && text.ends_with("\"}\r\n0\r\n\r\n"),
        "{:?}",
        &text[text.len() - 100..]
    );
}

/// A data directory with operations whose results are long: a page of them has 20 MB.
async fn long_results() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let agent = admin.create_agent("server", SECRET).await;
    let body = json!({"kind": "command", "agentID": agent, "command": "HEARTBEAT"});
    let made = admin.post("/api/operations", body).await.expect(202);
    let path = format!("/api/operations/{}/cancel", made.data()["id"].as_str().unwrap());
    admin.post(&path, json!({})).await.expect(200);
    server.signal(rustix::process::Signal::TERM);
    server.ended().await;
    // A key is a part of the ID: what differs lies in both.
    let columns = "kind, state, message, ownerID, agentID, command, payload, attempts, maxAttempts, createdAt, deliverBy, \
                   endedAt, makerKind, makerName, userID, runTimeout, repeatable, class, notBefore, direct, version";
    let result = format!("{{\"text\":\"{}\"}}", "x".repeat(50_000));
    let insert = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) \
         INSERT OR IGNORE INTO operations (key, id, {columns}, result) \
         SELECT ((key >> 10) << 10) | i, unhex(hex(substr(id, 1, 8)) || printf('%02X%02X', 128 | (i >> 4), (i & 15) << 4) \
         || hex(substr(id, 11))), {columns}, '{result}' FROM operations, n"
    );
    sqlite::execute(&directory.path().join("data/db.sqlite"), &insert).await;
    directory
}

#[tokio::test]
async fn a_page_of_operations_is_not_held_for_whoever_does_not_read_it() {
    let directory = long_results().await;
    let (server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let listed = admin.get("/api/operations?limit=500").await.expect(200);
    assert!(listed.text.len() > 19_000_000, "{}", listed.text.len());
    assert!(listed.data().as_array().unwrap().len() >= 400);
    drop(listed);
    let cookie = login_cookie(&admin).await;
    let before = server.memory();
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(ask_and_read_nothing(address, "/api/operations?limit=500", &cookie).await);
        assert!(held.last().unwrap().leftover.starts_with(b"HTTP/1.1 200"), "it is refused");
    }
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 48 << 20, "{} MiB for {} answers", grown >> 20, held.len());
}
