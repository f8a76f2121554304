//! The audit log: what leaves an entry, what it says, and how it is read.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use netignite::audit::{Action, Actor, AuditOutcome, Entry};
use netignite::domain::audit_retention as retention;
use netignite::http::Method;
use netignite::store::audit as table;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::rest_operator::operate;
use super::support::authenticator::Authenticator;
use super::support::raw::RawConnection;
use super::support::scene::SECRET;
use super::support::{Client, Firmware, Scene, Server, sqlite};

const PATH: &str = "/api/admin/audit";

/// The entries that a query finds, the newest first.
pub(super) async fn entries(by: &Client, query: &str) -> Vec<Value> {
    let page = by.get(&format!("{PATH}?limit=1000&{query}")).await.expect(200);
    assert_eq!(page.data()["next"], Value::Null, "more than a page");
    page.data()["entries"].as_array().expect("a list").clone()
}

/// An entry in words.
fn in_words(entry: &Value) -> String {
    let word = |key: &str| match &entry[key] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let keys = ["actor", "actorName", "action", "target", "targetID", "targetName", "outcome", "detail"];
    let words: Vec<_> = keys.into_iter().map(word).filter(|word| !word.is_empty()).collect();
    let count = if entry["count"] == 1 { String::new() } else { format!(" x{}", entry["count"]) };
    format!("{}{count}", words.join(" "))
}

/// What a query finds, in words, the oldest first.
async fn log(by: &Client, query: &str) -> Vec<String> {
    entries(by, query).await.iter().rev().map(in_words).collect()
}

async fn try_login(server: &Server, username: &str, password: &str) -> u16 {
    let body = json!({"username": username, "password": password});
    server.anonymous().post("/api/auth/login", body).await.status
}

#[tokio::test]
async fn logins_and_logouts_are_recorded_and_never_a_name_that_nobody_has() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    assert_eq!(try_login(&server, "admin", "not the password").await, 401);
    assert_eq!(try_login(&server, "my password in the wrong field", "x").await, 401);
    let other = server.superadmin().await;
    other.post("/api/auth/logout", json!({})).await.expect(200);
    // Nobody is logged out twice.
    other.post("/api/auth/logout", json!({})).await.expect(200);
    let expected = [
        "user admin auth.login done",
        "nobody auth.login user 1 admin refused no_matching_credentials",
        "nobody auth.login refused no_matching_credentials",
        "user admin auth.login done",
        "user admin auth.logout done",
    ];
    assert_eq!(log(&admin, "action=auth.").await, expected);
    let first = &entries(&admin, "action=auth.&outcome=done").await[0];
    assert_eq!(
        (&first["address"], &first["userID"], &first["actorID"]),
        (&json!("127.0.0.1"), &json!(1), &json!(1))
    );
    let now = server.host().clock.now();
    assert!((now - 60_000..=now).contains(&first["at"].as_i64().unwrap()), "{first}");
    let wrong = json!({"username": "admin", "favorites": [], "password": "a long new password", "currentPassword": "x"});
    admin.put("/api/account/1", wrong).await.expect(400);
    admin
        .post("/api/auth/reset-password", json!({"token": "x", "password": "a long new password"}))
        .await
        .expect(400);
    let expected = [
        "user admin password.confirm user 1 admin refused wrong_password",
        "nobody password.reset refused invalid_reset_token",
    ];
    assert_eq!(log(&admin, "action=password.").await, expected);
    let everything = admin.get(PATH).await.text;
    assert!(!everything.contains("wrong field"), "{everything}");
}

#[tokio::test]
async fn a_login_that_lacks_the_second_factor_is_recorded_for_its_user() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    Authenticator::set_up(&server, &ann).await;
    let mut body = json!({"username": "ann", "password": ann.password});
    server.anonymous().post("/api/auth/login", body.clone()).await.expect(401);
    body["code"] = json!("AAAA-AAAA-AAAA-AAAA");
    server.anonymous().post("/api/auth/login", body).await.expect(401);
    let expected = [
        format!("nobody auth.login user {} ann refused totp_required", ann.user),
        format!("nobody auth.login user {} ann refused wrong_totp_code", ann.user),
    ];
    assert_eq!(log(&admin, "outcome=refused").await, expected);
}

#[tokio::test]
async fn commands_are_recorded_with_their_end() {
    let scene = Scene::new("server").await;
    let (admin, agent, device) = (&scene.admin, scene.agent, scene.device);
    scene.wake().answer().await.expect(503);
    let mut firmware = scene.firmware().await;
    let wake = scene.wake();
    let message = firmware.message().await;
    firmware.reply_ok(&message).await;
    wake.answer().await.expect(200);
    let beat = scene.heartbeat();
    let message = firmware.message().await;
    firmware.reply_ok(&message).await;
    beat.answer().await.expect(200);
    let wake = scene.wake_mac("AA:BB:CC:DD:EE:00");
    let message = firmware.message().await;
    firmware.reply(&message, r#"{"status":"ERROR","message":"a secret of the agent's"}"#).await;
    wake.answer().await.expect(502);
    admin.command(agent, "WAKEUP", json!({"macAddress": "junk"})).await.expect(400);
    admin.command(agent, "NO_SUCH", json!({})).await.expect(404);
    let expected = [
        format!("user admin device.wake device {device} Device failed agent_offline"),
        format!("user admin device.wake device {device} Device done"),
        format!("user admin agent.command agent {agent} Agent done HEARTBEAT"),
        format!("user admin agent.command agent {agent} Agent failed WAKEUP: command_failed"),
    ];
    let all = log(admin, "").await;
    let sent: Vec<_> =
        all.iter().filter(|noted| noted.contains(".wake ") || noted.contains(".command ")).collect();
    assert_eq!(sent, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn showing_a_secret_is_recorded() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let agent = ann.create_agent("server", SECRET).await;
    let path = format!("/api/agents/{agent}");
    admin.get(&format!("{path}?adminMode=true")).await.expect(200);
    ann.get("/api/agents").await.expect(200);
    assert_eq!(log(&admin, "action=agent.reveal").await, [""; 0]);
    ann.get(&path).await.expect(200);
    assert_eq!(
        log(&admin, &format!("user={}&action=agent.reveal_secret", ann.user)).await,
        [format!("user ann agent.reveal_secret agent {agent} Agent done")]
    );
}

#[tokio::test]
async fn refusals_are_recorded_with_who_and_what() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (ann, bob) = (server.user(&admin, "ann", "user").await, server.user(&admin, "bob", "user").await);
    let agent = ann.create_agent("server", SECRET).await;
    let device = ann.create_device(agent, "AA:BB:CC:DD:EE:FF").await;
    server.anonymous().get("/api/agents").await.expect(401);
    bob.get("/api/admin/users").await.expect(403);
    bob.delete(&format!("/api/devices/{device}")).await.expect(404);
    // There is nothing of that ID, so that nothing was refused.
    bob.delete("/api/devices/4711").await.expect(404);
    bob.get("/api/nothing").await.expect(404);
    let token = bob
        .post("/api/account/tokens", json!({"name": "t", "permissions": ["devices:read"]}))
        .await
        .expect(201);
    let token = token.data()["token"].as_str().unwrap();
    let request = server.anonymous().http.get(bob.url(&format!("/api/agents/{agent}"))).bearer_auth(token);
    bob.send(request).await.expect(403);
    let foreign =
        ann.http.post(ann.url("/api/agents")).header("Sec-Fetch-Site", "cross-site").json(&json!({}));
    ann.send(foreign).await.expect(403);
    assert!(Firmware::try_connect(server.address(), agent, "a wrong secret").await.is_err());
    assert!(Firmware::try_connect(server.address(), 4711, "a wrong secret").await.is_err());
    server.anonymous().post("/api/agents/enrol", json!({"code": "x", "name": "n"})).await.expect(403);
    let expected = BTreeSet::from([
        "nobody request.refuse refused unauthenticated: GET /api/agents".to_owned(),
        "user bob request.refuse refused forbidden: GET /api/admin/users".to_owned(),
        format!(
            "user bob request.refuse device {device} Device refused not_found: DELETE /api/devices/{{id}}"
        ),
        format!("token t request.refuse agent {agent} Agent refused forbidden: GET /api/agents/{{id}}"),
        "user ann request.refuse refused cross_site: POST /api/agents".to_owned(),
        format!("nobody agent.connect agent {agent} Agent refused unauthenticated"),
        "nobody agent.connect refused unauthenticated".to_owned(),
        "nobody agent.enrol refused invalid_enrolment_code".to_owned(),
    ]);
    let found: BTreeSet<_> = log(&admin, "outcome=refused").await.into_iter().collect();
    assert_eq!(found, expected);
    assert_eq!(log(&admin, &format!("outcome=refused&target=agent&targetID={agent}")).await.len(), 2);
    let of_bob = entries(&admin, &format!("outcome=refused&user={}", bob.user)).await;
    assert_eq!(of_bob.len(), 3, "the token is bob's: {of_bob:?}");
}

#[tokio::test]
async fn a_flood_of_refusals_makes_few_entries() {
    const CONNECTIONS: usize = 10;
    const EACH: usize = 1000;
    let server = Server::start().await;
    let request = format!("GET /api/agents HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    let flood = async || {
        let mut connection = RawConnection::open(server.address()).await;
        for _ in 0..EACH / 50 {
            connection.send(request.repeat(50)).await;
            for _ in 0..50 {
                assert_eq!(connection.answer().await.expect("an answer").status, 401);
            }
        }
    };
    join_all((0..CONNECTIONS).map(|_| flood())).await;
    let data = server.stop().await;
    let path = data.path().join("db.sqlite");
    let of_flood = "FROM audit WHERE detail = 'unauthenticated: GET /api/agents'";
    let total = sqlite::text(&path, &format!("SELECT sum(count) {of_flood}")).await;
    assert_eq!(total, (CONNECTIONS * EACH).to_string());
    let rows: i64 = sqlite::text(&path, "SELECT count(*) FROM audit").await.parse().unwrap();
    assert!(rows <= 4, "{rows} entries");
}

#[tokio::test]
async fn a_flood_of_different_refusals_hides_no_wrong_password() {
    const IDS: usize = 1200;
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let mut connection = RawConnection::open(server.address()).await;
    let host = server.address();
    let bearer = format!("Authorization: Bearer {}\r\n", "x".repeat(40));
    for id in 1..=IDS {
        let request = format!("GET /api/devices/{id} HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n");
        connection.send(request).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 401);
    }
    for id in 1..=IDS {
        ann.get(&format!("/api/devices/{}", 4711 + id)).await.expect(404);
    }
    assert_eq!(try_login(&server, "ann", "a wrong password").await, 401);
    let noted = log(&admin, "action=auth.login&outcome=refused").await;
    assert_eq!(noted, [format!("nobody auth.login user {} ann refused no_matching_credentials", ann.user)]);
    let noted = entries(&admin, "outcome=refused&actor=nobody&action=request.refuse").await;
    assert_eq!(noted.len(), 1, "an ID that nobody may ask for makes no entry of its own: {noted:?}");
}

#[tokio::test]
async fn what_waits_is_written_when_the_server_stops() {
    let scene = Scene::new("server").await;
    for _ in 0..3 {
        scene.wake().answer().await.expect(503);
    }
    let data = scene.server.stop().await;
    let path = data.path().join("db.sqlite");
    assert_eq!(sqlite::text(&path, "SELECT sum(count) FROM audit WHERE action = 'device.wake'").await, "3");
}

#[tokio::test]
async fn what_waits_is_written_within_seconds() {
    let scene = Scene::new("server").await;
    scene.wake().answer().await.expect(503);
    let store = &scene.server.host().store;
    super::support::wait::until("the entry of the wake", || async {
        let page =
            store.read(|db| netignite::store::audit_page::page(db, &Default::default(), None, 100)).await;
        page.unwrap().rows.into_iter().find(|row| row.action == "device.wake")
    })
    .await;
}

#[tokio::test]
async fn what_fails_leaves_no_entry() {
    let scene = Scene::new("server").await;
    let (admin, before) = (&scene.admin, log(&scene.admin, "").await.len());
    admin.delete(&format!("/api/agents/{}", scene.agent)).await.expect(409);
    admin.post("/api/agents", json!({"name": ""})).await.expect(400);
    let body = json!({"username": "admin", "password": "a long new password", "role": "user"});
    admin.post("/api/admin/users", body).await.expect(409);
    assert_eq!(log(admin, "").await.len(), before);
}

/// Adds entries that are a second apart, the last of them at `at`.
async fn furnish(server: &Server, number: i64, at: i64, outcome: AuditOutcome) {
    let added = server.host().store.write(move |db| {
        for n in (0..number).rev() {
            let mut entry = Entry::new(at - n * 1000, Actor::Operator, Action::LogLevelSet, None);
            entry.outcome = outcome;
            table::insert(db, &entry)?;
        }
        Ok(())
    });
    added.await.unwrap();
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    // Of one time, so that only their order tells them apart.
    for _ in 0..25 {
        furnish(&server, 1, 1_000_000, AuditOutcome::Done).await;
    }
    let (mut ids, mut next) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("{PATH}?limit=7&action=log_level.set{next}")).await.expect(200);
        let entries = page.data()["entries"].as_array().unwrap();
        assert!(entries.len() <= 7);
        ids.extend(entries.iter().map(|entry| entry["id"].as_i64().unwrap()));
        match page.data()["next"].as_str() {
            Some(place) => next = format!("&before={place}"),
            None => break,
        }
    }
    assert_eq!(ids.len(), 25);
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
}

#[tokio::test]
async fn what_is_rare_is_found_however_far_back() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let now = server.host().clock.now();
    furnish(&server, 1, now - 90_000_000, AuditOutcome::Failed).await;
    furnish(&server, 60_000, now, AuditOutcome::Done).await;
    let (mut found, mut next, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = admin.get(&format!("{PATH}?outcome=failed{next}")).await.expect(200);
        found.extend(page.data()["entries"].as_array().unwrap().clone());
        pages += 1;
        match page.data()["next"].as_str() {
            Some(place) => next = format!("&before={place}"),
            None => break,
        }
    }
    assert_eq!((found.len(), pages), (1, 2), "a page looks at a bounded number");
}

#[tokio::test]
async fn an_export_is_the_whole_log_and_is_recorded() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    furnish(&server, 2345, server.host().clock.now(), AuditOutcome::Done).await;
    let export = admin.get(&format!("{PATH}/export")).await;
    assert_eq!((export.status, export.header("content-type")), (200, Some("application/x-ndjson")));
    let lines: Vec<Value> = export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: BTreeSet<_> = lines.iter().map(|line| line["id"].as_i64().unwrap()).collect();
    assert_eq!((lines.len(), ids.len()), (2345 + 2, 2345 + 2), "a login, and the export itself");
    assert_eq!(log(&admin, "action=audit.export").await, ["user admin audit.export done"]);
    let some = admin.get(&format!("{PATH}/export?action=auth.")).await;
    assert_eq!(some.text.lines().count(), 1, "{}", some.text);
    // The same entries as are listed.
    assert_eq!(serde_json::from_str::<Value>(&some.text).unwrap(), entries(&admin, "action=auth.").await[0]);
    let head = admin.request(Method::HEAD, &format!("{PATH}/export"), None).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn filters_choose_and_bad_ones_are_named() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    furnish(&server, 1, 1_893_456_000_000, AuditOutcome::Failed).await;
    admin.create_agent("server", SECRET).await;
    for (query, found) in [
        ("since=1893456000000", 1),
        ("since=2030-01-01", 1),
        ("since=2030-01-01T00:00:00Z&until=2030-01-01T00:00:00Z", 1),
        ("since=2030-01-01T00:00:01Z", 0),
        ("until=2029-12-31", 2),
        ("actor=operator", 1),
        ("actor=user", 2),
        ("user=1", 2),
        ("user=2", 0),
        ("action=agent.create", 1),
        ("action=agent", 1),
        ("target=agent&targetID=1", 1),
        ("target=device", 0),
        ("outcome=failed", 1),
        ("address=127.0.0.1", 2),
        ("address=%3A%3Affff%3A127.0.0.1", 2),
        ("address=10.0.0.1", 0),
        ("adminMode=true", 3),
    ] {
        assert_eq!(entries(&admin, query).await.len(), found, "{query}");
    }
    for (query, field) in [
        ("since=yesterday", "since"),
        ("until=", "until"),
        ("user=admin", "user"),
        ("actor=admin", "actor"),
        ("action=agnet.", "action"),
        ("target=car", "target"),
        ("targetID=0", "targetID"),
        ("outcome=ok", "outcome"),
        ("address=home", "address"),
        ("before=3", "before"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("users=1", "users"),
        ("a%20secret=1", ""),
    ] {
        for path in [PATH, "/api/admin/audit/export"] {
            let refused = admin.get(&format!("{path}?{query}")).await.expect(400);
            assert_eq!(wrong_fields(&refused), [field], "{query}");
        }
    }
    let many = admin.get(&format!("{PATH}?{}", "x=1&".repeat(1000))).await.expect(400);
    assert!(many.text.len() < 8192, "{}", many.text.len());
}

#[tokio::test]
async fn the_log_is_only_added_to() {
    let server = Server::start().await;
    server.superadmin().await;
    let changed = server.host().store.write(|db| db.execute("UPDATE audit SET actorName = 'x'", ())).await;
    assert!(changed.unwrap_err().to_string().contains("append-only"));
}

#[tokio::test]
async fn what_is_too_old_or_too_much_is_deleted() {
    let server = Server::start_with(|config| {
        config.audit.retention_days = 30;
        config.audit.max_entries = 1000;
    })
    .await;
    let admin = server.superadmin().await;
    let now = server.host().clock.now();
    furnish(&server, 700, now - 31 * 86_400_000, AuditOutcome::Done).await;
    furnish(&server, 900, now, AuditOutcome::Done).await;
    furnish(&server, 600, now, AuditOutcome::Refused).await;
    let deleted = retention::prune(server.host()).await.unwrap();
    assert_eq!(deleted, 700 + 501, "what is old, and refusals beyond the bound; a login is there, too");
    let left = entries(&admin, "action=log_level.set&outcome=done").await;
    assert_eq!(left.len(), 900);
    assert_eq!(retention::prune(server.host()).await.unwrap(), 0);
    // Without refusals the oldest go.
    server.host().clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(retention::prune(server.host()).await.unwrap(), 1000);
}

#[tokio::test]
async fn the_operator_reads_it_too() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let body = json!({"username": "carol", "password": "a long enough password", "role": "user"});
    assert_eq!(operate(&server, Method::POST, "/api/admin/users", body).await.0, 201);
    let (status, answer) = operate(&server, Method::GET, &format!("{PATH}?actor=operator"), json!({})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["data"]["entries"].as_array().unwrap().len(), 1);
    assert_eq!(answer["data"]["entries"][0]["address"], Value::Null);
    assert_eq!(log(&admin, "actor=operator").await, ["operator user.create user 2 carol done"]);
}

#[test]
fn the_guide_tells_of_every_action() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md")).unwrap();
    let mut actions = Action::described();
    actions.sort();
    let table = guide
        .split_once("<!-- actions: begin -->\n")
        .unwrap()
        .1
        .split_once("<!-- actions: end -->")
        .unwrap()
        .0;
    let mut expected = String::from("| action | what happened |\n|---|---|\n");
    for (name, about) in actions {
        expected.push_str(&format!("| `{name}` | {about} |\n"));
    }
    assert_eq!(table, expected, "docs/audit.md has another table of actions");
}

#[tokio::test]
async fn a_plain_user_washes_nothing_out_but_their_own_flood() {
    let server = Server::start_with(|config| config.audit.max_entries = 1000).await;
    let admin = server.superadmin().await;
    let (ann, bob) = (server.user(&admin, "ann", "user").await, server.user(&admin, "bob", "user").await);
    for _ in 0..10 {
        bob.create_agent("server", SECRET).await;
    }
    let token = json!({"name": "t", "permissions": ["agents:read"]});
    bob.post("/api/account/tokens", token.clone()).await.expect(201);
    ann.post("/api/account/tokens", token).await.expect(201);
    assert_eq!(try_login(&server, "bob", "a wrong password").await, 401);
    ann.get("/api/admin/users").await.expect(403);
    admin.get(PATH).await.expect(200);
    let kept = entries(&admin, "").await;
    let flood = async || {
        for _ in 0..40 {
            let agent = ann.create_agent("server", SECRET).await;
            ann.delete(&format!("/api/agents/{agent}")).await.expect(200);
        }
    };
    join_all((0..20).map(|_| flood())).await;
    let deleted = retention::prune(server.host()).await.unwrap();
    assert_eq!(deleted, 1600 + kept.len() as u64 - 1000);
    let left = entries(&admin, "").await;
    assert_eq!(left.len(), 1000);
    for entry in &kept {
        assert!(left.contains(entry), "washed out: {entry}");
    }
    assert_eq!(retention::prune(server.host()).await.unwrap(), 0);
}

#[tokio::test]
async fn whoever_proves_nothing_pushes_nobody_out() {
    let server = Server::start_with(|config| config.audit.max_entries = 1000).await;
    let admin = server.superadmin().await;
    furnish(&server, 300, server.host().clock.now(), AuditOutcome::Done).await;
    let before = entries(&admin, "outcome=done").await.len();
    let now = server.host().clock.now();
    let added = server.host().store.write(move |db| {
        for n in 0..3000_u32 {
            // Many addresses with a few each, one with many, and an IPv6 network.
            let address: std::net::IpAddr = match n % 3 {
                0 => std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into(),
                1 => std::net::Ipv4Addr::from_bits(0xc000_0201).into(),
                _ => format!("2001:db8:0:1::{n:x}").parse().unwrap(),
            };
            let mut entry = Entry::new(now, Actor::Nobody, Action::AuthLogin, Some(address));
            entry.outcome = AuditOutcome::Refused;
            table::insert(db, &entry)?;
        }
        Ok(())
    });
    added.await.unwrap();
    retention::prune(server.host()).await.unwrap();
    assert_eq!(entries(&admin, "outcome=done").await.len(), before, "what was done stays");
    let refused = entries(&admin, "outcome=refused&actor=nobody").await;
    assert_eq!(refused.len() + before, 1000);
    let of = |start: &str| {
        let mine =
            |entry: &&Value| entry["address"].as_str().is_some_and(|address| address.starts_with(start));
        refused.iter().filter(mine).count()
    };
    assert!(of("10.") > 600, "of many addresses the one with the most: {}", of("10."));
    assert!(of("192.0.2.1") <= 1 && of("2001:") <= 1, "{} {}", of("192.0.2.1"), of("2001:"));
}
