//! What a stranger cannot learn from logging in, and what another site's page cannot do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use netignite::rest::Access;
use netignite::store::users;
use reqwest::header::HeaderMap;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::authenticator::Authenticator;
use super::support::binary::command;
use super::support::{Binary, Client, Reply, Server};

/// The shortest time a failed login takes.
const FLOOR: Duration = Duration::from_millis(250);

async fn log_in(server: &Server, body: Value) -> Reply {
    server.anonymous().post("/api/auth/login", body).await
}

/// What of an answer a client can compare: all of it but the date and the request's ID.
fn comparable(reply: &Reply) -> (u16, HeaderMap, String) {
    let mut headers = reply.headers.clone();
    headers.remove("date");
    headers.remove("x-request-id");
    (reply.status, headers, reply.text_without_id())
}

/// Users of every kind, all with the same password.
async fn with_every_kind_of_user() -> (Server, Vec<&'static str>) {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let hashes = [
        ("old", bcrypt::hash("the password", 4).unwrap()),
        ("older", bcrypt::hash("the password", 10).unwrap()),
        ("damaged", "$argon2id$junk".to_owned()),
        ("empty", String::new()),
    ];
    for (name, hash) in hashes {
        let id = server.user(&admin, name, "user").await.user;
        server.host().store.write(move |db| users::set_password_hash(db, id, &hash)).await.unwrap();
    }
    let careful = server.user(&admin, "careful", "user").await;
    Authenticator::set_up(&server, &careful).await;
    (server, vec!["nobody", "admin", "old", "older", "damaged", "empty", "careful", "", "\0"])
}

#[tokio::test]
async fn no_failure_tells_whether_the_user_exists() {
    let (server, names) = with_every_kind_of_user().await;
    let mut answers = Vec::new();
    for name in &names {
        for code in [Value::Null, json!("123456"), json!("0123-4567-89AB-CDEF")] {
            let begun = Instant::now();
            let reply = log_in(&server, json!({"username": name, "password": "wrong", "code": code})).await;
            let took = begun.elapsed();
            assert!(took >= FLOOR, "{name:?} took {took:?}");
            answers.push((name, comparable(&reply.expect(401))));
        }
    }
    for (name, answer) in &answers {
        assert_eq!(answer, &answers[0].1, "{name:?}");
    }
}

#[tokio::test]
async fn a_wrong_code_takes_as_long() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    Authenticator::set_up(&server, &admin).await;
    for code in [Value::Null, json!("0123-4567-89AB-CDEF")] {
        let begun = Instant::now();
        let body = json!({"username": "admin", "password": server.password, "code": code});
        log_in(&server, body).await.expect(401);
        assert!(begun.elapsed() >= FLOOR);
    }
}

#[tokio::test]
async fn unknown_users_are_slowed_down_as_known_ones_are() {
    let server = Server::start().await;
    let mut refusals = Vec::new();
    for name in ["admin", "nobody"] {
        let attempt = || log_in(&server, json!({"username": name, "password": "wrong"}));
        for reply in futures_util::future::join_all((0..10).map(|_| attempt())).await {
            reply.expect(401);
        }
        let reply = attempt().await.expect(429);
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=300).contains(&wait), "{wait}");
        refusals.push(reply.text_without_id());
    }
    assert_eq!(refusals[0], refusals[1]);
}

#[tokio::test]
async fn what_anyone_may_call_is_known() {
    // A new one tells nobody who exists: say so in a test, and add it here.
    let public = netignite::api::table().into_iter().filter(|route| route.access == Access::Public);
    let found: BTreeSet<_> = public.map(|route| format!("{} {}", route.method, route.path)).collect();
    let known = [
        "POST /api/agents/enrol",
        "POST /api/auth/login",
        "POST /api/auth/logout",
        "POST /api/auth/reset-password",
    ];
    assert_eq!(found, known.map(str::to_owned).into());
}

#[tokio::test]
async fn a_session_planted_before_a_login_is_not_the_one_after() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mallory = server.user(&admin, "mallory", "user").await;
    let body = json!({"username": "mallory", "password": mallory.password});
    let planted = token(&log_in(&server, body).await.expect(200));
    let made_up = "A".repeat(43);
    let victim = server.anonymous();
    let body = json!({"username": "admin", "password": server.password});
    let request = victim.http.post(victim.url("/api/auth/login")).json(&body);
    let cookies = format!("session={planted}; session={made_up}");
    let after = token(&victim.send(request.header("Cookie", cookies)).await.expect(200));
    assert!(after != planted && after != made_up);
    for (token, status) in [(&planted, 401), (&made_up, 401), (&after, 200)] {
        let nobody = server.anonymous();
        let request = nobody.http.get(nobody.url("/api/auth/session"));
        nobody.send(request.header("Cookie", format!("session={token}"))).await.expect(status);
    }
}

/// The token of the session that an answer begins.
fn token(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").expect("a cookie");
    cookie.split(';').next().unwrap().strip_prefix("session=").unwrap().to_owned()
}

#[tokio::test]
async fn another_sites_page_writes_nowhere() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", "a long enough secret").await;
    let device = admin.create_device(agent, "AA:BB:CC:DD:EE:FF").await;
    let before = everything(&admin, agent, device).await;
    let mut tried = 0;
    for route in netignite::api::table().iter().filter(|route| !route.method.is_safe()) {
        let path = route.path.replace("{id}", "1").replace("{name}", "HEARTBEAT").replace("{tokenID}", "1");
        for (header, value) in [
            ("Origin", "https://elsewhere.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let request = admin.http.request(route.method.clone(), admin.url(&path)).header(header, value);
            let reply = admin.send(request).await.expect(403);
            assert_eq!(reply.code(), "cross_site", "{route:?} with {header}: {value}");
            tried += 1;
        }
    }
    assert!(tried > 80, "{tried}");
    assert_eq!(everything(&admin, agent, device).await, before);
}

async fn everything(admin: &Client, agent: i64, device: i64) -> Vec<Value> {
    let paths = [
        format!("/api/agents/{agent}"),
        format!("/api/devices/{device}"),
        "/api/admin/users".to_owned(),
        "/api/account/tokens".to_owned(),
        "/api/admin/log-level".to_owned(),
    ];
    let mut found = Vec::new();
    for path in paths {
        found.push(admin.get(&path).await.expect(200).data().clone());
    }
    found
}

#[tokio::test]
async fn the_log_names_the_address_of_a_failed_login_and_nothing_that_was_typed() {
    let here = tempfile::tempdir().unwrap();
    let mut program = command(here.path(), &[]);
    program.env("NETIGNITE_TRUSTED_PROXIES", r#"["127.0.0.1"]"#).env("NETIGNITE_LOG__FORMAT", "pretty");
    program.env("NETIGNITE_LOG__FILE", "./logs/netignite.log");
    let mut server = Binary::spawn(program);
    let client = Client::anonymous(server.listening().await);
    let send = async |path: &str, body: Value| {
        let request = client.http.post(client.url(path)).header("X-Forwarded-For", "192.0.2.7").json(&body);
        client.send(request).await.status
    };
    let typed = "a password in the wrong field";
    assert_eq!(send("/api/auth/login", json!({"username": typed, "password": typed})).await, 401);
    assert_eq!(send("/api/auth/login", json!({"username": "admin", "password": typed})).await, 401);
    assert_eq!(send("/api/agents/enrol", json!({"code": "0000-0000-0000-0000", "name": "n"})).await, 403);
    let reset = json!({"token": "A".repeat(43), "password": "a long new password"});
    assert_eq!(send("/api/auth/reset-password", reset).await, 400);
    // What is not there is not tried.
    assert_eq!(send("/api/auth/login", json!({"username": 7})).await, 400);
    // A stop writes out what waits for the file.
    server.signal(Signal::TERM);
    let (_, log) = server.ended().await;
    // What docs/accounts.md has fail2ban look for, after the time that fail2ban cuts off.
    let failed: Vec<_> = log
        .lines()
        .filter_map(|line| line.split_once("INFO  Failed ")?.1.split(" request=").next())
        .collect();
    let expected = [
        "login address=192.0.2.7 code=no_matching_credentials",
        "login address=192.0.2.7 code=no_matching_credentials",
        "enrolment address=192.0.2.7 code=invalid_enrolment_code",
        "password reset address=192.0.2.7 code=invalid_reset_token",
    ];
    assert_eq!(failed, expected, "{log}");
    // The same in the file, where every line is an object.
    let file = std::fs::read_dir(here.path().join("logs")).unwrap().next().unwrap().unwrap();
    let file = std::fs::read_to_string(file.path()).unwrap();
    let failed: Vec<_> = file
        .lines()
        .filter_map(|line| {
            line.split_once(r#","level":"info","message":"Failed "#)?.1.split_once(r#"","target":""#)
        })
        .map(|(what, rest)| (what, rest.split_once('"').unwrap().1))
        .collect();
    assert_eq!(failed.len(), expected.len(), "{file}");
    for ((what, fields), expected) in failed.into_iter().zip(expected) {
        assert!(expected.starts_with(what), "{what}");
        assert!(fields.starts_with(r#","fields":{"address":"192.0.2.7""#), "{fields}");
    }
    assert!(!file.contains(typed), "{file}");
    assert!(!log.contains(typed), "{log}");
}
