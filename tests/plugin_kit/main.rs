//! What a plugin gets, through the public doors: tables, work, health, pages, and what is refused. Plugins are submitted
//! for the whole binary, so it holds nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod commands;
mod count_down;
mod faulty;
mod guarded;
mod heard;
mod hidden;
mod marathon;
mod notes;
mod pages;
mod picky;
mod secret_key;
mod sleepy;

use std::sync::atomic::Ordering::SeqCst;

use netignite::prelude::*;
use netignite::store::{Store, Unit};
use netignite::testkit::{Directory, TestServer, until};
use netignite::vault::Given;
use notes::{ILL, LIFE, ROUNDS};

/// One after the other: what the plugin shows is the binary's.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn turn() -> tokio::sync::MutexGuard<'static, ()> {
    // Before the first server, which has a log of its own otherwise.
    heard::begin();
    TURN.lock().await
}

#[tokio::test]
async fn work_without_a_pause_is_refused() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let begin = || server.host().every::<notes::Notes, _, _>(Duration::ZERO, || async {});
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(begin)).unwrap_err();
    let said = panic.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(said.starts_with("the period of every() is zero"), "{said}");
}

#[tokio::test]
async fn a_user_wakes_as_themselves_and_the_plugin_as_itself() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.fake_agent(&admin, |_, _| r#"{"status":"OK","message":"done"}"#.to_owned()).await;
    let device = admin.device(agent.id, "AA:BB:CC:DD:EE:FF").await.to_string();
    assert_eq!(admin.submit("/notes/wake", &[("device", &device)]).await.status, 303);
    assert_eq!(admin.submit("/notes/wake", &[("device", "4711")]).await.status, 404);
    let own = admin.submit("/notes/wake-by-itself", &[]).await;
    assert_eq!((own.status, own.text().as_str()), (200, "1"), "{own}");
    let audit = admin.get("/api/admin/audit?action=device.wake").await.json();
    let entries = audit["data"]["entries"].as_array().unwrap().iter();
    let actors: Vec<_> = entries.map(|entry| (entry["actor"].clone(), entry["actorName"].clone())).collect();
    assert!(actors.contains(&(json!("plugin"), json!("notes"))), "{audit}");
    assert!(actors.contains(&(json!("user"), json!("admin"))), "{audit}");
}

#[tokio::test]
async fn what_is_not_the_plugins_is_out_of_its_reach() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let refused = server.admin().await.get("/notes/foreign").await;
    assert_eq!(refused.status, 500, "{refused}");
    assert!(!refused.text().contains("admin"), "{refused}");
}

#[tokio::test]
async fn a_plugin_that_is_not_well_makes_the_server_not_ready() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    assert_eq!(server.nobody().get("/readyz").await.status, 200);
    let log = heard::begin();
    let logged = log.count("not ready: the plugin notes: a fault of the tests");
    ILL.store(true, SeqCst);
    server.nobody().get("/readyz").await;
    let ill = server.nobody().get("/readyz").await;
    ILL.store(false, SeqCst);
    // Anybody may ask.
    assert_eq!(log.count("not ready: the plugin notes: a fault of the tests"), logged + 1);
    assert_eq!(ill.status, 503, "{ill}");
    assert!(ill.text().contains("notes") && !ill.text().contains("fault"), "{ill}");
}

#[tokio::test]
async fn timers_run_work_ends_before_the_stop_and_events_are_kept() {
    let _turn = turn().await;
    let directory = Arc::new(Directory::new());
    let server = TestServer::fresh_in(directory.clone(), [("notes", json!({"hear": true}))]).await;
    let before = ROUNDS.load(SeqCst);
    until("the timer", async || (ROUNDS.load(SeqCst) > before + 2).then_some(())).await;
    let admin = server.admin().await;
    let agent = server.fake_agent(&admin, |_, _| "{}".to_owned()).await;
    LIFE.lock().unwrap().clear();
    server.stop().await;
    assert_eq!(*LIFE.lock().unwrap(), ["work ended", "stopped"]);
    let after = ROUNDS.load(SeqCst);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(ROUNDS.load(SeqCst), after, "the timer goes on");

    let again = TestServer::fresh_in(directory, []).await;
    let page = again.admin().await.get("/notes").await.text();
    assert!(page.contains(&format!("agent {}", agent.id)), "{page}");
    assert_eq!(page.matches("the first").count(), 1, "a migration ran twice: {page}");
}

async fn store(directory: &Directory) -> Store {
    Store::open(directory.path(), Given::from_environment().unwrap()).await.unwrap()
}

#[tokio::test]
async fn migrations_that_reach_for_more_or_are_newer_change_nothing() {
    let directory = Directory::new();
    let store = store(&directory).await;
    for (sql, named) in [
        ("CREATE TABLE notes (id INTEGER)", "create the table notes"),
        ("CREATE TABLE plugin_other_notes (id INTEGER)", "plugin_other_notes"),
        ("CREATE INDEX plugin_mine_x ON users (username)", "plugin_mine_x"),
        ("CREATE TRIGGER plugin_mine_t AFTER INSERT ON users BEGIN SELECT 1; END", "plugin_mine_t"),
        ("CREATE TABLE plugin_mine_a (id INTEGER); DROP TABLE users", "users"),
        ("CREATE TABLE plugin_mine_a (id INTEGER); DELETE FROM users", "users"),
        ("CREATE VIEW plugin_mine_v AS SELECT 1; UPDATE users SET role = 'admin'", "users"),
        ("ALTER TABLE users ADD COLUMN x", "users"),
        ("COMMIT", "transaction"),
        ("PRAGMA user_version = 1", "PRAGMA user_version"),
        ("ATTACH 'x' AS x", "Attach"),
        ("CREATE TABEL plugin_mine_a (id)", "syntax error"),
    ] {
        let one: &'static [&'static str] = Box::leak(Box::new([sql]));
        let said = store.migrate_tables(Unit::Plugin("mine"), one).await.unwrap_err();
        assert!(said.contains(named) && said.contains("migration 1"), "{sql}: {said}");
    }
    let good: &[&str] = &["CREATE TABLE plugin_mine_a (id INTEGER PRIMARY KEY AUTOINCREMENT)"];
    store.migrate_tables(Unit::Plugin("mine"), good).await.unwrap();
    store.migrate_tables(Unit::Plugin("mine"), good).await.unwrap();
    let said = store.migrate_tables(Unit::Plugin("mine"), &[]).await.unwrap_err();
    assert!(said.contains("version 1") && said.contains("newer program"), "{said}");
    let changed: &[&str] =
        &["CREATE TABLE plugin_mine_a (id INTEGER PRIMARY KEY)", "CREATE TABLE plugin_mine_b (x)"];
    let said = store.migrate_tables(Unit::Plugin("mine"), changed).await.unwrap_err();
    assert!(said.contains("migration 1 was changed") && said.contains("as migration 2"), "{said}");
    let more: &[&str] = &[
        "CREATE TABLE plugin_mine_a (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE TABLE plugin_mine_b (x)",
    ];
    store.migrate_tables(Unit::Plugin("mine"), more).await.unwrap();
    // The server's own statements are asked nothing.
    assert!(store.read(|db| db.query_int("SELECT count(*) FROM users", ())).await.is_ok());
    store.close().await;
}

#[tokio::test]
async fn a_target_that_is_private_or_redirects_or_is_too_large_is_refused_or_answered_as_it_is() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let host = server.host();
    let url = |path: &str| format!("http://{}{path}", server.address());
    let said = host.web().get(&url("/livez")).await.unwrap_err().to_string();
    assert!(said.contains("private"), "{said}");
    let allowed = host.web().private(true);
    let answer = allowed.get(&url("/livez")).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"ok\n"[..]));
    assert_eq!(allowed.get(&url("/notes")).await.unwrap().status.as_u16(), 303);
    let said = allowed.at_most(1).get(&url("/livez")).await.unwrap_err().to_string();
    assert!(said.contains("limit"), "{said}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/", silent.local_addr().unwrap());
    assert!(host.web().private(true).within(Duration::from_millis(200)).get(&silent).await.is_err());
}

#[tokio::test]
async fn a_plugin_warns_in_the_servers_log_under_its_name() {
    let _turn = turn().await;
    let log = heard::begin();
    let server = TestServer::fresh([]).await;
    server.reload_plugins().await;
    log.until("notes: there are other words now plugin=\"notes\"").await;
}

#[tokio::test]
async fn a_panic_of_a_plugin_names_it_and_takes_nothing_with_it() {
    let _turn = turn().await;
    let log = heard::begin();
    let mut paths = Vec::new();
    for step in ["new", "routes", "start"] {
        let directory = Directory::new();
        paths.push(directory.path().display().to_string());
        let mut config = netignite::testkit::config(directory.path());
        config.plugins.insert("faulty".to_owned(), json!({"panics": step}));
        let said = TestServer::start(config).await.err().expect("it must not start").to_string();
        let begin = format!("the plugin faulty cannot start: its {step} panicked: ");
        assert!(said.starts_with(&begin) && said.contains("out of order"), "{said}");
    }
    // What was opened before was closed again, and misses nothing now that the directories are gone.
    let misses = |path: &String| log.has_line(&["nothing is saved any more", path]);
    assert!(!paths.iter().any(misses), "{paths:?}");
    let server = TestServer::fresh([("faulty", json!({"panics": "reload"}))]).await;
    server.reload_plugins().await;
    log.until("the reload of the plugin faulty panicked: ").await;
    assert_eq!(server.nobody().get("/readyz").await.status, 200);
    server.stop().await;

    let directory = Arc::new(Directory::new());
    let server = TestServer::fresh_in(directory.clone(), [("faulty", json!({"panics": "stop"}))]).await;
    server.stop().await;
    log.until("the stop of the plugin faulty panicked: ").await;
    // All the rest was stopped, too, and can start again.
    TestServer::fresh_in(directory, []).await.stop().await;
}

#[test]
fn what_the_sources_implement_is_found_in_the_program() {
    let directory = Directory::new();
    std::fs::create_dir(directory.path().join("src")).unwrap();
    for (file, text) in [
        ("faulty.rs", include_str!("faulty.rs")),
        ("guarded.rs", include_str!("guarded.rs")),
        ("notes.rs", include_str!("notes.rs")),
    ] {
        std::fs::write(directory.path().join("src").join(file), text).unwrap();
    }
    netignite::testkit::assert_registered(directory.path());
    let other = include_str!("guarded.rs").replace("Guarded", "Unguarded");
    std::fs::write(directory.path().join("src/other.rs"), other).unwrap();
    let path = directory.path().to_owned();
    let refused = std::panic::catch_unwind(|| netignite::testkit::assert_registered(path)).unwrap_err();
    let said = refused.downcast_ref::<String>().unwrap();
    assert!(said.contains("src/other.rs implements Command for Unguarded"), "{said}");
    assert!(said.contains("Add `mod other;`"), "{said}");
}

#[tokio::test]
async fn a_plugins_own_permission_is_asked_for_and_its_actions_are_in_the_audit_log() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let listed = admin.get("/api/permissions").await.data();
    let of_plugins: Vec<_> =
        listed.as_array().unwrap().iter().filter(|one| !one["plugin"].is_null()).collect();
    assert_eq!(of_plugins.len(), 2, "{listed}");
    assert_eq!(
        *of_plugins[0],
        json!({"name": "notes:publish", "about": "Publish notes.", "plugin": "notes"})
    );
    let may = async |client: &netignite::testkit::Client| {
        let session = client.get("/api/auth/session").await.data();
        let names = session["permissions"].as_array().unwrap().clone();
        [names.contains(&json!("notes:publish")), names.contains(&json!("notes:read-aloud"))]
    };
    assert_eq!(may(&admin).await, [true, true]);

    // A user has what the plugin gives to users, and no more; a token what it was given of that.
    let ann = json!({"username": "ann", "password": "ann's long password", "role": "user"});
    assert_eq!(admin.post("/api/admin/users", ann.clone()).await.status, 201);
    let login = server.nobody().post("/api/auth/login", ann).await;
    let anns_cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(!login.data()["permissions"].as_array().unwrap().contains(&json!("notes:publish")));
    let token = async |cookie: Option<&str>, permissions: &[&str]| {
        let body = json!({"name": permissions.join(" "), "permissions": permissions});
        let made = match cookie {
            Some(cookie) => {
                let headers = [("content-type", "application/json"), ("cookie", cookie)];
                let text = body.to_string().into();
                server.nobody().send(Method::POST, "/api/account/tokens", &headers, text).await
            }
            None => admin.post("/api/account/tokens", body).await,
        };
        assert_eq!(made.status, 201, "{made}");
        assert_eq!(made.data()["permissions"], json!(permissions));
        format!("Bearer {}", made.data()["token"].as_str().unwrap())
    };
    let all = ["notes:publish", "notes:read-aloud"];
    let anns = token(Some(&anns_cookie), &all[1..]).await;
    let (own, bare) = (token(None, &all).await, token(None, &["devices:read"]).await);
    let form = ("content-type", "application/x-www-form-urlencoded");
    for (bearer, publish, aloud) in [(&anns, 403, 303), (&own, 303, 303), (&bare, 403, 403)] {
        for (path, status, name) in [("/notes/publish", publish, all[0]), ("/notes/aloud", aloud, all[1])] {
            let headers = [form, ("authorization", bearer.as_str())];
            let reply = server.nobody().send(Method::POST, path, &headers, "".into()).await;
            assert_eq!(reply.status, status, "{path} {reply}");
            assert!(status == 303 || reply.text().contains(name), "{reply}");
        }
    }
    assert_eq!(admin.submit("/notes/publish", &[]).await.status, 303);
    let entries = until("the entries", async || {
        let found = admin.get("/api/admin/audit?action=notes.").await.data()["entries"].clone();
        (found.as_array()?.iter().map(|entry| entry["count"].as_i64().unwrap()).sum::<i64>() == 2)
            .then_some(found)
    })
    .await;
    let actors: Vec<_> =
        entries.as_array().unwrap().iter().map(|entry| (&entry["action"], &entry["detail"])).collect();
    assert!(actors.iter().all(|one| *one == (&json!("notes.publish"), &JsonValue::Null)), "{entries}");
    assert_eq!(admin.get("/api/admin/audit?action=nobody.").await.status, 400);
    // The API's document and the command line know them.
    let document = admin.get("/api/openapi.json").await.text();
    assert!(document.contains("notes:publish"));
    let wrong = json!({"name": "w", "permissions": ["notes:burn"]});
    assert_eq!(admin.post("/api/account/tokens", wrong).await.status, 400);
}
