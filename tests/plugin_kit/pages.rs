//! Routes and pages of plugins, and those that are refused at the start.

use netignite::plugin::{check_names, check_routes};
use netignite::prelude::*;
use netignite::testkit::TestServer;

use super::*;

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
