//! What a plugin gets, through the public doors: tables, work, health, pages, and what is refused. Plugins are submitted
//! for the whole binary, so it holds nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod count_down;
mod faulty;
mod guarded;
mod heard;
mod hidden;
mod marathon;
mod notes;
mod picky;
mod secret_key;
mod sleepy;

use std::sync::atomic::Ordering::SeqCst;

use netignite::agent::AgentConfig;
use netignite::plugin::{check_names, check_routes};
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
async fn a_page_has_the_sites_headers_and_its_own() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let page = admin.get("/notes").await;
    assert_eq!(page.status, 200, "{page}");
    assert_eq!(page.header("x-notes"), "yes");
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert!(page.text().contains("the first"), "{page}");

    let added = admin.submit("/notes", &[("line", "<b>two & three</b>")]).await;
    assert_eq!((added.status, added.header("location")), (303, "/notes"), "{added}");
    assert!(admin.get("/notes").await.text().contains("&lt;b&gt;two &amp; three&lt;/b&gt;"));

    let audit = admin.get("/api/admin/audit").await.text();
    assert!(audit.contains("plugin.act") && audit.contains("notes.add"), "{audit}");
    let said = "ACTIONS of the plugin notes do not list notes.add: it is noted as plugin.act";
    heard::begin().until(said).await;
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
async fn a_page_can_be_stricter_than_the_site_and_not_laxer() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    for (path, header) in [("/notes/framed", "x-frame-options"), ("/notes/typed", "content-type")] {
        let refused = server.nobody().get(path).await;
        assert_eq!(refused.status, 500, "{refused}");
        let said = format!("sets the header {header}, which the server sets itself: leave it out");
        assert!(refused.text().contains(&said), "{refused}");
    }
    let strict = server.nobody().send(Method::GET, "/notes/strict", &[], "".into()).await;
    assert_eq!(strict.status, 200, "{strict}");
    let policies: Vec<_> = strict.headers.get_all("content-security-policy").iter().collect();
    assert_eq!(policies.len(), 2, "{policies:?}");
}

#[tokio::test]
async fn a_placeholder_that_the_path_does_not_have_is_named() {
    let _turn = turn().await;
    let log = heard::begin();
    let server = TestServer::fresh([]).await;
    assert_eq!(server.nobody().get("/notes/lines/7").await.status, 500);
    log.until("a handler panicked: the path of this route has no placeholder {nubmer}").await;
}

#[tokio::test]
async fn an_answer_that_the_row_does_not_have_says_what_to_add() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let last = admin.get("/api/notes/last").await;
    let full = admin.post("/api/notes/full", json!({})).await;
    for (refused, add) in [(last, "failures::NOT_FOUND"), (full, "ErrorKind::Conflict")] {
        assert_eq!(refused.status, 500, "{refused}");
        let body = refused.json();
        let said = body["message"].as_str().unwrap();
        assert!(said.starts_with("The row of ") && said.contains(": add ") && said.contains(add), "{said}");
    }
}

#[tokio::test]
async fn a_form_of_another_site_or_kind_is_refused() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let foreign =
        admin.send(Method::POST, "/notes", &[form, ("sec-fetch-site", "cross-site")], "line=x".into()).await;
    assert_eq!(foreign.status, 403, "{foreign}");
    let json = admin.post("/notes", json!({"line": "x"})).await;
    assert_eq!(json.status, 415, "{json}");
    assert!(json.text().contains("application/x-www-form-urlencoded"), "{json}");
    let wrong = admin.submit("/notes/wake", &[("device", "seven")]).await;
    assert_eq!(wrong.status, 400, "{wrong}");
    assert!(wrong.text().contains("device: expected a positive whole number"), "{wrong}");
    let missing = admin.submit("/notes/wake", &[("devise", "7")]).await;
    assert!(missing.text().contains("device: this is missing"), "{missing}");
}

#[tokio::test]
async fn a_reader_who_is_not_signed_in_goes_to_the_login_and_a_program_is_refused() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let sent = server.nobody().get("/notes?a=b%20c").await;
    assert_eq!(sent.status, 303, "{sent}");
    assert_eq!(sent.header("location"), "/?next=%2Fnotes%3Fa%3Db%2520c");
    assert_eq!(server.nobody().get("/notes/stream").await.status, 401);
    assert_eq!(server.nobody().submit("/notes/wake", &[]).await.status, 401);
    // Whoever sends a form of the page comes back to the page.
    let sent = server.nobody().submit("/notes", &[]).await;
    assert_eq!((sent.status, sent.header("location")), (303, "/?next=%2Fnotes"), "{sent}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(server.nobody().send(Method::POST, "/notes", &form, "".into()).await.status, 401);
}

#[tokio::test]
async fn an_error_is_a_page_for_whoever_reads_pages_and_the_envelope_for_a_program() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let browser = [form, ("accept", "text/html,*/*;q=0.8")];
    let page = admin.send(Method::POST, "/notes", &browser, "number=<b>".into()).await;
    assert_eq!(page.status, 400, "{page}");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert!(page.text().contains("<p>Invalid form: number: expected a positive whole number</p>"), "{page}");
    let program = admin.send(Method::POST, "/notes", &[form], "number=x".into()).await;
    assert_eq!((program.status, &program.json()["code"]), (400, &json!("invalid_payload")), "{program}");
}

#[tokio::test]
async fn bytes_and_streams_come_through() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let echoed = admin.send(Method::POST, "/notes/echo", &[], vec![0, 159, 146, 150].into()).await;
    assert_eq!(echoed.body, vec![0, 159, 146, 150], "{echoed}");
    let streamed = admin.get("/notes/stream").await;
    assert_eq!(streamed.text(), "one two three");
    let much = vec![0; 2 * 1024 * 1024];
    assert_eq!(admin.send(Method::POST, "/notes/echo", &[], much.into()).await.status, 413);
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

#[test]
fn routes_that_cannot_be_distinguished_are_refused_with_both_sides_named() {
    let route = |path: &'static str, summary| {
        Route::get(path, summary).public().page(async |_| Ok(Raw::text(StatusCode::OK, "")))
    };
    let own = [route("/api/agents/{id}", "One agent")];
    for (path, other) in [
        ("/api/agents/{id}", "the server itself"),
        ("/api/agents/{name}", "the server itself"),
        ("/x", "the plugin first"),
    ] {
        let plugins = [("first", route("/x", "X")), ("second", route(path, "Y"))];
        let said = check_routes(&own, &plugins).unwrap_err().to_string();
        for part in [other, "the plugin second", path] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert!(check_routes(&own, &[("first", route("/x", "X"))]).is_ok());
}

#[test]
fn routes_that_no_request_or_reader_reaches_are_refused_with_what_to_write() {
    let of = |row: Row| row.page(async |_| Ok(Raw::text(StatusCode::OK, "")));
    for (row, said) in [
        (Route::get("x", "X").public(), "GET x of the plugin a: a path begins with a slash"),
        (Route::get("/x/", "X").public(), "does not end with one"),
        (Route::get("/x/:name", "X").public(), "a placeholder is written {name}, and not :name"),
        (Route::get("/x/<name>", "X").public(), "a placeholder is written {name}, and not <name>"),
        (Route::get("/x/{name", "X").public(), "a placeholder is written {name}, and not {name"),
        (
            Route::get("/x?q={q}", "X").public(),
            "a path holds no '?'; what follows a question mark is read with call.query",
        ),
        (Route::get("/x", "X").or_login(), "add .signed_in(), .needs(…) or .public()"),
        (Route::get("/x", "X").navigation("X"), "it is for the local operator alone"),
        (
            Route::post("/x", "X").signed_in().or_login(),
            "there is no GET /x; add one, or leave .or_login() out",
        ),
    ] {
        let refused = check_routes(&[], &[("a", of(row))]).unwrap_err().to_string();
        assert!(refused.contains(said), "{said}: {refused}");
    }
    let good = ["/", "/x/{id}", "/x/{*rest}", "/x/a.b-c_d"]
        .map(|path| ("a", of(Route::get(path, "X").signed_in().or_login())));
    let sent = ("a", of(Route::post("/x/{id}", "X").signed_in().or_login()));
    assert!(check_routes(&[], &[good.into(), vec![sent]].concat()).is_ok());
}

#[test]
fn names_of_the_programs_own_are_no_collision() {
    assert!(check_names(&["serve"]).is_ok());
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

/// An operation as it is now.
async fn operation(admin: &netignite::testkit::Client, id: &str) -> JsonValue {
    admin.get(&format!("/api/operations/{id}")).await.data()
}

#[tokio::test]
async fn a_command_that_runs_on_the_real_agent_is_canceled_and_ends() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent(&admin).await;
    let begin = async |seconds: u64| {
        let body = json!({"kind": "command", "agentID": agent.id, "command": "COUNT_DOWN", "payload": {"seconds": seconds}});
        let id = admin.post("/api/operations", body).await.data()["id"].as_str().unwrap().to_owned();
        until("the command to run", async || {
            (operation(&admin, &id).await["state"] == "running").then_some(())
        })
        .await;
        id
    };
    let id = begin(50).await;
    let began = Instant::now();
    // It may be running before its frame was written; then it is asked again.
    let canceled = until("the end", async || {
        let reply = admin.post(&format!("/api/operations/{id}/cancel"), json!({})).await;
        (reply.status == 200).then_some(reply)
    })
    .await;
    assert_eq!(canceled.data()["state"], "canceled", "{canceled}");
    assert!(began.elapsed() < Duration::from_secs(30));
    // The agent has room and serves on.
    let id = begin(1).await;
    until("the other's end", async || (operation(&admin, &id).await["state"] == "succeeded").then_some(()))
        .await;
}

#[tokio::test]
async fn a_real_agent_has_the_tests_configuration() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let picky = |agent: i64| format!("/api/agents/{agent}/commands/PICKY");
    let plain = server.real_agent(&admin).await;
    let refused = admin.post(&picky(plain.id), json!({"word": "a"})).await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (409, &json!("command_not_supported")),
        "{refused}"
    );

    let configuration = json!({"allow": ["PICKY"], "commands": {"PICKY": {"word": "please"}}});
    let agent = server.real_agent_with(&admin, configuration).await;
    let taken = admin.post(&picky(agent.id), json!({"word": "please"})).await;
    assert_eq!(taken.status, 200, "{taken}");

    for (wrong, named) in [
        (json!({"allow": ["PICKI"]}), "PICKY"),
        (json!({"commands": {"PICKY": {"wrod": "x"}}}), "commands.PICKY.wrod"),
        (json!({"alow": []}), "allow"),
    ] {
        let refused = std::panic::AssertUnwindSafe(server.real_agent_with(&admin, wrong));
        let refused = futures_util::FutureExt::catch_unwind(refused).await.unwrap_err();
        let said = refused.downcast_ref::<String>().unwrap();
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn an_agents_sections_are_shown_without_their_secrets() {
    let section = json!({"word": "please", "key": "swordfish", "password": "sesame"});
    let config: AgentConfig = serde_json::from_value(json!({"commands": {"PICKY": section}})).unwrap();
    let shown = config.check().unwrap().commands["PICKY"].clone();
    assert_eq!(shown, json!({"word": "please", "key": "[redacted]", "password": "[redacted]"}));
}

#[tokio::test]
async fn an_operation_keeps_the_agents_word_for_why_it_failed() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent_with(&admin, json!({"allow": ["PICKY"]})).await;
    let body = json!({"kind": "command", "agentID": agent.id, "command": "PICKY", "payload": {"word": "x"}});
    let id = admin.post("/api/operations", body).await.data()["id"].as_str().unwrap().to_owned();
    let wanted = json!({"agentCode": "wrong_word"});
    until("the operation to fail", async || {
        let ended = operation(&admin, &id).await;
        (ended["state"] == "failed" && ended["evidence"] == wanted).then_some(())
    })
    .await;

    // So does the one that records a call that was answered at once.
    let path = format!("/api/agents/{}/commands/PICKY", agent.id);
    assert_eq!(admin.post(&path, json!({"word": "y"})).await.json()["agentCode"], "wrong_word");
    until("the call's record", async || {
        let all = admin.get("/api/operations").await.data();
        let found = all.as_array().unwrap().iter().find(|one| one["payload"] == json!({"word": "y"}));
        found.is_some_and(|one| one["evidence"] == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_servers_side_of_a_command_completes_it_refuses_it_and_keeps_its_reply() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent(&admin).await;
    let id = agent.id;
    until("the agent", async || admin.get("/api/agents").await.text().contains("online").then_some(())).await;
    let path = format!("/api/agents/{id}/commands/GUARDED");
    let kept = guarded::KEPT.load(SeqCst);
    let done = admin.post(&path, json!({"want": "it"})).await;
    assert_eq!(done.data()["message"], format!("it for {id} by {id}"), "{done}");
    let body = |want: &str| json!({"kind": "command", "agentID": id, "command": "GUARDED", "payload": {"want": want}});
    let post = async |want: &str| {
        let headers = [("content-type", "application/json"), ("prefer", "wait=20")];
        admin.send(Method::POST, "/api/operations", &headers, body(want).to_string().into()).await
    };
    let made = post("it").await;
    assert_eq!(made.data()["result"]["message"], format!("it for {id} by {id}"), "{made}");
    assert_eq!(made.data()["payload"]["want"], format!("it for {id}"));
    assert_eq!(guarded::KEPT.load(SeqCst), kept + 2);

    for (want, code, words) in [
        ("no", "unwanted", "GUARDED was refused: Nobody wants that"),
        ("panic", "internal", "the server’s log"),
        ("forever", "internal", "the server’s log"),
        ("too much", "invalid_payload", "want: expected 100 characters"),
    ] {
        for refused in [admin.post(&path, json!({"want": want})).await, post(want).await] {
            assert_eq!(refused.status, 409, "{refused}");
            let body = refused.json();
            assert_eq!(
                (&body["code"], &body["agentCode"]),
                (&json!("command_refused"), &json!(code)),
                "{refused}"
            );
            assert!(refused.text().contains(words), "{refused}");
        }
    }
    let failed = admin.post(&path, json!({"want": "in vain"})).await;
    assert_eq!((failed.status, &failed.json()["agentCode"]), (502, &json!("in_vain")), "{failed}");
    let failed = post("in vain").await;
    assert_eq!(failed.data()["state"], "failed", "{failed}");
    assert!(failed.text().contains("It was for nothing"), "{failed}");
    assert_eq!(admin.post(&path, json!({"want": "x".repeat(101)})).await.status, 400);
    assert_eq!(guarded::KEPT.load(SeqCst), kept + 2);
}

#[tokio::test]
async fn the_servers_side_of_a_command_has_tables_of_its_own_and_no_others() {
    let _turn = turn().await;
    let log = heard::begin();
    let directory = Arc::new(Directory::new());
    let mut id = 0;
    for round in 1..=2 {
        let server = TestServer::fresh_in(directory.clone(), []).await;
        let admin = server.admin().await;
        let agent = server.real_agent(&admin).await;
        let path = format!("/api/agents/{}/commands/GUARDED", agent.id);
        if round == 2 {
            // What the agent of the first round said is kept, and is not this one's.
            assert_ne!(agent.id, id);
            let kept = server
                .host()
                .store
                .read_table(Unit::Command("GUARDED"), |table| {
                    table.query("SELECT said FROM command_guarded_replies ORDER BY id", [])
                })
                .await
                .unwrap();
            let said: Vec<_> = kept.iter().map(|row| row.text(0)).collect();
            assert_eq!(said, ["0 replies, at last ", "block"]);
        }
        let none = admin.post(&path, json!({"want": "how many"})).await;
        assert_eq!(none.data()["message"], format!("0 replies, at last  by {}", agent.id), "{none}");
        if round == 1 {
            id = agent.id;
            let foreign = admin.post(&path, json!({"want": "foreign"})).await;
            assert_eq!(
                (foreign.status, &foreign.json()["agentCode"]),
                (409, &json!("internal")),
                "{foreign}"
            );
            assert!(!foreign.text().contains("users"), "{foreign}");
            log.until("the command GUARDED may use only what is named command_guarded_").await;
            let slow = admin.post(&path, json!({"want": "block"})).await;
            assert_eq!(slow.status, 200, "{slow}");
            log.until("the server’s side of GUARDED blocked its thread for").await;
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn what_goes_wrong_with_a_command_has_a_code_of_its_own() {
    let _turn = turn().await;
    let log = heard::begin();
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent(&admin).await;
    let path = format!("/api/agents/{}/commands/FAULTY", agent.id);
    for (how, code, words) in [
        ("panic", "command_panicked", "log says more"),
        ("panic elsewhere", "command_panicked", "log says more"),
        ("code", "command_panicked", "log says more"),
        ("config", "command_panicked", "log says more"),
        ("large", "reply_too_large", "65536 at most"),
        ("other", "out_of_order", "out of order"),
    ] {
        let failed = admin.post(&path, json!({"how": how})).await;
        let body = failed.json();
        assert_eq!(
            (failed.status, &body["code"], &body["agentCode"]),
            (502, &json!("command_failed"), &json!(code)),
            "{failed}"
        );
        assert!(failed.text().contains(words), "{failed}");

        let made =
            json!({"kind": "command", "agentID": agent.id, "command": "FAULTY", "payload": {"how": how}});
        let headers = [("content-type", "application/json"), ("prefer", "wait=20")];
        let made = admin.send(Method::POST, "/api/operations", &headers, made.to_string().into()).await;
        assert_eq!(made.data()["evidence"], json!({"agentCode": code}), "{made}");
    }
    log.until("a-z, 0-9 and _, and \\\"Out Of Order\\\" is none").await;
    log.until("register_command! does not name plugin_kit::faulty::Config: write `config = ").await;
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

#[test]
fn a_route_that_asks_for_a_permission_nobody_brings_is_refused() {
    const NONE: Permission = Permission::of_plugin("notes:burn", Role::User, "Burn notes.");
    let route = Route::get("/burn", "Burn").needs(&[NONE]).page(async |_: Call| Raw::see_other("/"));
    let refused = check_routes(&[], &[("notes", route)]).unwrap_err().to_string();
    assert!(
        refused.contains("/burn") && refused.contains("notes:burn") && refused.contains("PERMISSIONS"),
        "{refused}"
    );
}
