//! The forms a request may have on the wire, beyond those an ordinary client sends.

use crate::support::Server;
use crate::support::raw::{RawAnswer, RawConnection, exchange};

const LOGIN: &str = "POST /api/auth/login HTTP/1.1\r\nHost: home\r\nContent-Type: application/json\r\n";

/// Panics unless the answer is an error's envelope with this status and code.
#[track_caller]
fn assert_error(answer: &RawAnswer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{:?}", answer.headers);
    assert_eq!(answer.json()["status"], "ERROR");
    assert_eq!(answer.json()["code"], code);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn the_whole_address_may_stand_in_the_first_line() {
    let server = Server::start().await;
    let request = "GET http://elsewhere.example/api/auth/session?x HTTP/1.1\r\nHost: home\r\n\r\n";
    assert_error(&exchange(server.address(), request).await, 401, "unauthenticated");
    let request = "OPTIONS http://elsewhere.example/api/agents HTTP/1.1\r\nHost: home\r\n\r\n";
    let answer = exchange(server.address(), request).await;
    assert_error(&answer, 405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed_unless_it_asks_otherwise() {
    let server = Server::start().await;
    let mut once = RawConnection::open(server.address()).await;
    once.send("GET /api/auth/session HTTP/1.0\r\n\r\n").await;
    assert_error(&once.answer().await.unwrap(), 401, "unauthenticated");
    once.closed().await;
    let mut twice = RawConnection::open(server.address()).await;
    for _ in 0..2 {
        twice.send("GET /api/auth/session HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        assert_error(&twice.answer().await.unwrap(), 401, "unauthenticated");
    }
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_their_order() {
    let server = Server::start().await;
    let mut connection = RawConnection::open(server.address()).await;
    let body = "{\"username\":1}";
    let login = format!("{LOGIN}Content-Length: {}\r\n\r\n{body}", body.len());
    let paths = ["/api/agents/1", "/api/nothing"];
    let get = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: home\r\n\r\n"));
    connection.send(format!("{}{login}{}", get[0], get[1])).await;
    for (status, code) in [(401, "unauthenticated"), (400, "invalid_payload"), (404, "not_found")] {
        assert_error(&connection.answer().await.unwrap(), status, code);
    }
}

#[tokio::test]
async fn a_body_may_come_in_chunks() {
    let server = Server::start().await;
    let mut connection = RawConnection::open(server.address()).await;
    let body = format!("{{\"username\":\"admin\",\"password\":\"{}\"}}", server.password);
    let (one, other) = body.split_at(7);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let chunks = format!("{}{}0\r\nTrailer: ignored\r\n\r\n", chunk(one), chunk(other));
    connection.send(format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\n{chunks}")).await;
    assert_eq!(connection.answer().await.unwrap().status, 200);
    // What is no chunk breaks the body off, and the connection with it.
    connection.send(format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\nno length\r\n")).await;
    assert_error(&connection.answer().await.unwrap(), 400, "invalid_payload");
    connection.closed().await;
}

#[tokio::test]
async fn who_waits_to_be_asked_for_the_body_is_asked_only_if_it_is_wanted() {
    let server = Server::start().await;
    let mut wanted = RawConnection::open(server.address()).await;
    wanted.send(format!("{LOGIN}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")).await;
    assert_eq!(wanted.answer().await.unwrap().status, 100);
    wanted.send("{}").await;
    assert_error(&wanted.answer().await.unwrap(), 400, "invalid_payload");

    let unwanted = format!("{LOGIN}Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n");
    let answer = exchange(server.address(), &unwanted).await;
    assert_error(&answer, 413, "payload_too_large");
    assert_eq!(answer.header("connection"), Some("close"));
    let unwanted =
        "POST /api/agents HTTP/1.1\r\nHost: home\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    assert_error(&exchange(server.address(), unwanted).await, 401, "unauthenticated");
}

#[tokio::test]
async fn what_announces_its_length_twice_ends_the_connection() {
    let server = Server::start().await;
    let mut connection = RawConnection::open(server.address()).await;
    // The chunks count; a proxy that believed the length would see another request in what follows.
    let both = "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let next = "GET /api/agents HTTP/1.1\r\nHost: home\r\n\r\n";
    connection.send(format!("{LOGIN}{both}{next}")).await;
    assert_error(&connection.answer().await.unwrap(), 400, "invalid_payload");
    connection.closed().await;
    assert!(connection.leftover.is_empty(), "what follows is not answered");
}

#[tokio::test]
async fn a_paths_letters_may_be_escaped_in_placeholders_alone() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", "a long secret").await;
    let escaped: String = agent.to_string().bytes().map(|b| format!("%{b:02x}")).collect();
    admin.get(&format!("/api/agents/{escaped}")).await.expect(200);
    admin.get("/api/agents/1%2fcommands").await.expect(400);
    admin.get("/api/agents/%ff%00").await.expect(400);
    admin.get("/api/%61gents").await.expect(404);
    // A key that comes twice counts as it came first.
    let user = server.user(&admin, "ann", "user").await;
    let foreign = user.create_agent("server", "a long secret").await;
    admin.get(&format!("/api/agents/{foreign}?adminMode=true&adminMode=false")).await.expect(200);
    admin.get(&format!("/api/agents/{foreign}?adminMode=false&adminMode=true")).await.expect(404);
}
