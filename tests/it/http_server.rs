//! Tests of the server through its sockets, with routes of their own: what a request meets besides its handler.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use netignite::audit::{Action, Actor, Entry};
use netignite::auth::permission::Permission;
use netignite::config::Config;
use netignite::error::{Error, Result};
use netignite::http::Flow;
use netignite::http::client::{self, Target};
use netignite::http::server;
use netignite::local_socket;
use netignite::model::shutdown::Shutdown;
use netignite::rest::router::Router;
use netignite::rest::{
    Answer, Body, Call, HeaderValue, Json, Method, NoBody, Raw, Route, Row, StatusCode, listen,
};
use netignite::testing::{self, TestServer};

/// A listener with routes of the test's own beside a whole server.
struct Side {
    _directory: TempDir,
    server: TestServer,
    address: SocketAddr,
    serving: JoinHandle<()>,
    stop: Shutdown,
}

impl Side {
    async fn with(routes: Vec<Route>) -> Self {
        Self::configured(routes, |_| {}).await
    }

    /// With a configuration changed by `change`.
    async fn configured(routes: Vec<Route>, change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = testing::config(directory.path());
        change(&mut config);
        let server = TestServer::start(config).await.unwrap();
        let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Arc::new(Router::new(routes).unwrap());
        let stop = Shutdown::new();
        let serving = tokio::spawn(listen::serve(listener, server.host().clone(), router, stop.clone()));
        Self { _directory: directory, server, address, serving, stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` and reads until the server closes.
    async fn exchange(&self, request: &str) -> String {
        exchange(self.connect().await, request).await
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads one answer whose body has `marker` in it.
async fn answer(stream: &mut TcpStream, marker: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.contains(marker) {
        let n = timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(n, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    text
}

fn public<F, Fut>(method: Method, path: &'static str, handler: F) -> Route
where
    F: Fn(Call, NoBody) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer<String>>> + Send + 'static,
{
    Row::new(method, path, "A test's").public().handler(handler)
}

fn hello() -> Route {
    public(Method::GET, "/api/hello", |_, _| async { Ok(Answer::ok("Hello", "there".to_owned())) })
}

const CLOSE: &str = "Host: x\r\nConnection: close\r\n";

#[tokio::test]
async fn the_envelope_and_its_headers_whatever_happens() {
    let side = Side::with(vec![hello()]).await;
    for (line, status, code) in [
        ("GET /api/hello", "200 OK", None),
        ("GET /api/hello/", "200 OK", None),
        ("GET /api/nothing", "404 Not Found", Some("not_found")),
        ("POST /api/hello", "405 Method Not Allowed", Some("method_not_allowed")),
        ("OPTIONS /api/hello", "405 Method Not Allowed", Some("method_not_allowed")),
        ("MADEUP /api/hello", "405 Method Not Allowed", Some("method_not_allowed")),
    ] {
        let answer = side.exchange(&format!("{line} HTTP/1.1\r\n{CLOSE}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{line}: {answer}");
        assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{answer}");
        assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
        assert_eq!(answer.contains("allow: GET, HEAD\r\n"), status.starts_with("405"), "{answer}");
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(body["status"], if code.is_some() { "ERROR" } else { "OK" });
        assert_eq!(body["code"].as_str(), code);
    }
}

#[tokio::test]
async fn everyone_of_a_crowd_that_dials_at_once_is_served() {
    const CROWD: usize = 150;
    let side = Side::with(vec![hello()]).await;
    // All are in the system's queue before the server looks: nothing is awaited meanwhile.
    let dial = |_| std::net::TcpStream::connect(side.address).unwrap();
    let crowd: Vec<std::net::TcpStream> = (0..CROWD).map(dial).collect();
    for stream in crowd {
        stream.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        let request = format!("GET /api/hello HTTP/1.1\r\n{CLOSE}\r\n");
        let answer = timeout(Duration::from_secs(10), exchange(stream, &request)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let side = Side::with(vec![hello()]).await;
    let get = side.exchange(&format!("GET /api/hello HTTP/1.1\r\n{CLOSE}\r\n")).await;
    let head = side.exchange(&format!("HEAD /api/hello HTTP/1.1\r\n{CLOSE}\r\n")).await;
    let length = |answer: &str| {
        answer.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned)).unwrap()
    };
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(length(&head), length(&get));
    let missing = side.exchange(&format!("HEAD /api/nothing HTTP/1.1\r\n{CLOSE}\r\n")).await;
    assert!(missing.starts_with("HTTP/1.1 404") && missing.ends_with("\r\n\r\n"), "{missing}");
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_connection_lives() {
    let panics = |method| public(method, "/api/panics", |_, _| async { panic!("canary in a panic") });
    let side = Side::with(vec![panics(Method::GET), panics(Method::POST), hello()]).await;
    let mut stream = side.connect().await;
    for method in ["GET", "POST"] {
        let request = format!("{method} /api/panics HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let text = answer(&mut stream, "\"code\":\"internal\"").await;
        assert!(text.starts_with("HTTP/1.1 500"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    stream.write_all(b"GET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(answer(&mut stream, "there").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let echo = Route::get("/api/echo/{word}", "A test's").public().param::<String>("word", "A word").handler(
        |call: Call, _: NoBody| async move { Ok(Answer::ok("Echo", call.param("word").to_owned())) },
    );
    let side = Side::with(vec![echo]).await;
    let requests: String = (0..50)
        .map(|i| {
            format!(
                "GET /api/echo/n{i} HTTP/1.1\r\nHost: x\r\n{}\r\n",
                if i == 49 { "Connection: close\r\n" } else { "" }
            )
        })
        .collect();
    let answers = side.exchange(&requests).await;
    let words: Vec<_> =
        answers.split("\"data\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let expected: Vec<_> = (0..50).map(|i| format!("n{i}")).collect();
    assert_eq!(words, expected);
}

#[tokio::test]
async fn bodies_are_json_objects() {
    let takes = Route::post("/api/takes", "A test's").public().handler(
        |_: Call, _: Json<serde_json::Map<String, serde_json::Value>>| async { Ok(Answer::done("taken")) },
    );
    let ignores =
        public(Method::DELETE, "/api/ignores", |_, _| async { Ok(Answer::ok("gone", String::new())) });
    let side = Side::with(vec![takes, ignores]).await;
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    for (line, headers, body, status) in [
        ("POST /api/takes", json, "{}", 200),
        ("POST /api/takes", "Content-Type: Application/vnd.x+JSON\r\n", "{}", 200),
        ("POST /api/takes", json, "[]", 400),
        ("POST /api/takes", json, "{", 400),
        ("POST /api/takes", json, "", 200),
        ("POST /api/takes", "", "", 200),
        ("POST /api/takes", "", "{}", 415),
        ("POST /api/takes", "Content-Type: text/plain\r\n", "{}", 415),
        ("POST /api/takes", "Content-Type: application/jsonx\r\n", "{}", 415),
        ("DELETE /api/ignores", "", "", 200),
        ("DELETE /api/ignores", json, "{\"any\":1}", 200),
    ] {
        let length = body.len();
        let request = format!("{line} HTTP/1.1\r\n{CLOSE}{headers}Content-Length: {length}\r\n\r\n{body}");
        let answer = side.exchange(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}{body}: {answer}");
    }
}

#[tokio::test]
async fn a_refused_client_reads_its_answer_though_it_is_still_sending() {
    let side = Side::with(vec![hello()]).await;
    let mut stream = side.connect().await;
    let head = "POST /api/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let sent = stream.write_all(&[b'x'; 500_000]).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(sent.is_ok());
    assert!(text.starts_with("HTTP/1.1 405") && text.contains("connection: close\r\n"), "{text}");
}

#[tokio::test]
async fn a_small_body_of_a_refused_request_is_read_and_the_connection_lives() {
    let side = Side::with(vec![hello()]).await;
    let mut stream = side.connect().await;
    stream.write_all(b"POST /api/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n").await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(b"bodyGET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let text = answer(&mut stream, "there").await;
    assert!(text.starts_with("HTTP/1.1 405") && text.contains("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn an_upgrade_elsewhere_is_ignored() {
    let side = Side::with(vec![hello()]).await;
    let upgrade = "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut stream = side.connect().await;
    let request = format!("GET /api/hello HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(answer(&mut stream, "there").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_write_runs_to_its_end_though_its_client_hangs_up() {
    let begun = Arc::new(Notify::new());
    let go = Arc::new(Notify::new());
    let (ended, mut ends) = mpsc::unbounded_channel();
    let handler = {
        let (begun, go) = (begun.clone(), go.clone());
        move |_: Call, _: NoBody| {
            let (begun, go, ended) = (begun.clone(), go.clone(), ended.clone());
            async move {
                begun.notify_one();
                go.notified().await;
                ended.send(()).unwrap();
                Ok(Answer::ok("written", String::new()))
            }
        }
    };
    let side = Side::with(vec![public(Method::POST, "/api/writes", handler)]).await;
    let mut stream = side.connect().await;
    stream.write_all(b"POST /api/writes HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    drop(stream);
    // Another exchange on the same listener, by whose end the server has noticed the first client's going.
    side.exchange(&format!("GET /api/none HTTP/1.1\r\n{CLOSE}\r\n")).await;
    go.notify_one();
    timeout(Duration::from_secs(10), ends.recv()).await.unwrap().unwrap();
}

/// A route whose answer comes in parts that the test sends, and where to send them.
fn in_parts(path: &'static str) -> (Route, mpsc::Sender<Result<Bytes>>) {
    let (parts, body) = mpsc::channel(1);
    let body = Arc::new(Mutex::new(Some(body)));
    let route = Route::get(path, "A test's").public().raw(&["text/plain"], move |_: Call| {
        let body = body.lock().take();
        async move {
            let body = Body::in_parts(body.ok_or_else(|| Error::internal("asked twice"))?);
            Ok(Raw::new(StatusCode::OK, HeaderValue::from_static("text/plain"), body))
        }
    });
    (route, parts)
}

#[tokio::test]
async fn what_a_client_sends_during_an_answer_does_not_cut_it_off() {
    let (route, parts) = in_parts("/api/parts");
    let side = Side::configured(vec![route, hello()], |config| config.limits.header_seconds = 1).await;
    let mut stream = side.connect().await;
    stream.write_all(b"GET /api/parts HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    parts.send(Ok("first".into())).await.unwrap();
    answer(&mut stream, "first").await;
    // The beginning of a next request.
    stream.write_all(b"G").await.unwrap();
    sleep(Duration::from_millis(2500)).await;
    parts.send(Ok("second".into())).await.unwrap();
    answer(&mut stream, "second").await;
    drop(parts);
    // The time of the next head runs from the end of this answer.
    answer(&mut stream, "0\r\n\r\n").await;
    stream.write_all(b"ET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    answer(&mut stream, "there").await;
}

#[tokio::test]
async fn a_head_begun_during_an_answer_has_its_time_after_it() {
    let (route, parts) = in_parts("/api/parts");
    let side = Side::configured(vec![route], |config| config.limits.header_seconds = 1).await;
    let mut stream = side.connect().await;
    stream.write_all(b"GET /api/parts HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    parts.send(Ok("first".into())).await.unwrap();
    answer(&mut stream, "first").await;
    stream.write_all(b"G").await.unwrap();
    // By its answer the server has looked at what was sent.
    parts.send(Ok("second".into())).await.unwrap();
    answer(&mut stream, "second").await;
    drop(parts);
    answer(&mut stream, "0\r\n\r\n").await;
    let closed = timeout(Duration::from_secs(20), stream.read(&mut [0; 16])).await;
    assert_eq!(closed.unwrap().unwrap(), 0, "long before the idle time");
}

#[tokio::test]
async fn an_answer_that_is_long_in_coming_is_waited_for() {
    let (route, parts) = in_parts("/api/parts");
    let side = Side::configured(vec![route], |config| config.limits.idle_seconds = 1).await;
    let mut stream = side.connect().await;
    stream.write_all(b"GET /api/parts HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    for part in ["first", "second"] {
        // Nothing to write is no fault of the client's.
        sleep(Duration::from_millis(2500)).await;
        parts.send(Ok(part.into())).await.unwrap();
        answer(&mut stream, part).await;
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_hung_up_on() {
    let (route, parts) = in_parts("/api/parts");
    let side = Side::configured(vec![route], |config| config.limits.idle_seconds = 1).await;
    let mut stream = side.connect().await;
    stream.write_all(b"GET /api/parts HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let part = Bytes::from(vec![b'x'; 1 << 20]);
    let pour = async { while parts.send(Ok(part.clone())).await.is_ok() {} };
    timeout(Duration::from_secs(20), pour).await.expect("the answer to be dropped");
}

/// An answer that goes on until the test ends it, with what else is to be gone when it is.
struct Goes(mpsc::UnboundedReceiver<Bytes>, #[expect(dead_code, reason = "its end is counted")] Arc<()>);

impl Flow for Goes {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_recv(cx)
    }
}

/// Where the parts of the newest such answer are sent.
type Newest = Arc<Mutex<Option<mpsc::UnboundedSender<Bytes>>>>;

/// A route with such an answer; its parts are sent to the newest of the answers.
fn going(path: &'static str) -> (Route, Newest, Arc<()>) {
    let (newest, lives) = (Arc::new(Mutex::new(None)), Arc::new(()));
    let (given, life) = (newest.clone(), lives.clone());
    let route = Route::get(path, "A test's").public().raw(&["text/plain"], move |_: Call| {
        let (parts, flow) = mpsc::unbounded_channel();
        *given.lock() = Some(parts);
        let body = Body::flow(Goes(flow, life.clone()));
        async move { Ok(Raw::new(StatusCode::OK, HeaderValue::from_static("text/plain"), body)) }
    });
    (route, newest, lives)
}

#[tokio::test]
async fn an_answer_that_goes_on_says_that_the_connection_ends_with_it() {
    for (version, asks) in [("1.1", ""), ("1.0", ""), ("1.0", "Connection: keep-alive\r\n")] {
        let (route, parts, lives) = going("/api/going");
        let held = Arc::strong_count(&lives);
        let side = Side::with(vec![route, hello()]).await;
        let mut stream = side.connect().await;
        // Whoever sends ahead hears in the head that this is not answered.
        let request = format!(
            "GET /api/going HTTP/{version}\r\nHost: x\r\n{asks}\r\nGET /api/hello HTTP/{version}\r\nHost: x\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = answer(&mut stream, "\r\n\r\n").await;
        assert!(head.contains("connection: close\r\n"), "{version}: {head}");
        assert!(!head.contains("keep-alive"), "{version}: {head}");
        assert_eq!(head.contains("transfer-encoding: chunked\r\n"), version == "1.1", "{head}");
        parts.lock().as_ref().unwrap().send("first".into()).unwrap();
        answer(&mut stream, "first").await;
        *parts.lock() = None;
        let mut rest = String::new();
        timeout(Duration::from_secs(10), stream.read_to_string(&mut rest)).await.unwrap().unwrap();
        assert_eq!(rest.trim_start(), if version == "1.1" { "0\r\n\r\n" } else { "" });
        drop(side);
        assert_eq!(Arc::strong_count(&lives), held);
    }
}

#[tokio::test]
async fn whoever_asks_for_the_head_of_an_answer_that_goes_on_keeps_nothing_of_it() {
    let (route, _parts, lives) = going("/api/going");
    let side = Side::with(vec![route, hello()]).await;
    let held = Arc::strong_count(&lives);
    let mut stream = side.connect().await;
    for _ in 0..3 {
        stream.write_all(b"HEAD /api/going HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let head = answer(&mut stream, "\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert_eq!(Arc::strong_count(&lives), held);
    }
    stream.write_all(b"GET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    answer(&mut stream, "there").await;
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_finishes_requests() {
    let begun = Arc::new(Notify::new());
    let go = Arc::new(Notify::new());
    let handler = {
        let (begun, go) = (begun.clone(), go.clone());
        move |_: Call, _: NoBody| {
            let (begun, go) = (begun.clone(), go.clone());
            async move {
                begun.notify_one();
                go.notified().await;
                Ok(Answer::ok("Finished", "finished".to_owned()))
            }
        }
    };
    let side = Side::with(vec![public(Method::GET, "/api/slow", handler), hello()]).await;
    let mut idle = side.connect().await;
    idle.write_all(b"GET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    answer(&mut idle, "there").await;
    let mut silent = side.connect().await;
    let mut busy = side.connect().await;
    busy.write_all(b"GET /api/slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    begun.notified().await;

    side.stop.cancel();
    let second = Duration::from_secs(1);
    assert_eq!(timeout(second, idle.read(&mut [0; 16])).await.unwrap().unwrap(), 0);
    assert_eq!(timeout(second, silent.read(&mut [0; 16])).await.unwrap().unwrap(), 0);
    assert!(TcpStream::connect(side.address).await.is_err(), "nobody is accepted any more");
    go.notify_one();
    let text = answer(&mut busy, "finished").await;
    assert!(text.contains("connection: close\r\n"), "{text}");
    timeout(Duration::from_secs(2), side.serving).await.unwrap().unwrap();
    side.server.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_may_read_and_not_write() {
    let post = public(Method::POST, "/api/hello", |_, _| async { Ok(Answer::ok("Done", String::new())) });
    let side = Side::with(vec![hello(), post]).await;
    for (headers, write) in [
        ("", 200),
        ("Origin: http://x\r\n", 200),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: https://rewritten.example\r\n", 200),
    ] {
        let answer = side.exchange(&format!("POST /api/hello HTTP/1.1\r\n{CLOSE}{headers}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {write} ")), "{headers}: {answer}");
        let answer = side.exchange(&format!("GET /api/hello HTTP/1.1\r\n{CLOSE}{headers}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{headers}: {answer}");
    }
}

#[tokio::test]
async fn sessions_are_looked_for_and_their_cookies_sent_again_once_a_day() {
    use secrecy::ExposeSecret;
    let mine = Route::get("/api/mine", "A test's")
        .needs(&[Permission::AgentsRead])
        .handler(|call: Call, _: NoBody| async move { Ok(Answer::ok("Mine", call.caller.user_id())) });
    let side = Side::with(vec![mine]).await;
    let get =
        async |cookies: &str| side.exchange(&format!("GET /api/mine HTTP/1.1\r\n{CLOSE}{cookies}\r\n")).await;
    assert!(get("").await.contains("No session found"));
    assert!(get("Cookie: other=1; session=\r\n").await.contains("No session found"));
    assert!(get("Cookie: session=junk\r\n").await.contains("Invalid session"));

    let host = side.server.host();
    let login = Entry::new(0, Actor::Nobody, Action::AuthLogin, None);
    let issued = host.sessions.issue(1, None, None, login).await.unwrap();
    let token = issued.token.expose_secret();
    // A browser may hold an older cookie of the same name for another path.
    let cookies = format!("Cookie: a=b; session=junk; session={token}\r\n");
    let fresh = get(&cookies).await;
    assert!(fresh.starts_with("HTTP/1.1 200") && fresh.contains("\"data\":1"), "{fresh}");
    assert!(!fresh.contains("set-cookie"), "{fresh}");
    host.clock.advance(Duration::from_secs(25 * 60 * 60));
    let next_day = get(&cookies).await;
    let expected =
        format!("set-cookie: session={token}; Path=/; Max-Age=2592000; SameSite=Strict; HttpOnly\r\n");
    assert!(next_day.contains(&expected), "{next_day}");
    assert!(!get(&cookies).await.contains("set-cookie"));
    host.sessions.end(issued.key).await.unwrap();
    assert!(get(&cookies).await.contains("Invalid session"));
}

#[tokio::test]
async fn the_operator_needs_no_session_and_agents_no_operator() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::start(testing::config(directory.path())).await.unwrap();
    let target = Target::Unix(directory.path().join(local_socket::NAME));
    let (status, body) = client::request(&target, Method::GET, "/api/admin/users", None).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["data"][0]["username"], "admin");
    let (status, body) =
        client::request(&target, Method::GET, "/api/agent-control-service", None).await.unwrap();
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");

    let target = Target::Tcp(server.address());
    let (status, body) = client::request(&target, Method::GET, "/api/admin/users", None).await.unwrap();
    assert_eq!((status, body["message"].as_str()), (StatusCode::UNAUTHORIZED, Some("No session found")));
    server.stop().await;
    assert!(client::request(&target, Method::GET, "/api/admin/users", None).await.is_err());
}
