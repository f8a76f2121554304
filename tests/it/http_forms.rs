//! The forms a request may have on the wire, beyond those an ordinary client sends.

use crate::support::binary::{Binary, command};
use crate::support::firmware::{basic, handshake, key};
use crate::support::raw::{RawAnswer, RawConnection, exchange};
use crate::support::{Firmware, Server};

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
    // What ends the connection does not say that it lives on.
    let mut refused = RawConnection::open(server.address()).await;
    refused
        .send("POST /api/auth/login HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 70000\r\n\r\n")
        .await;
    let answer = refused.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    refused.closed().await;
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
    let agent = admin.create_agent("server", "a long enough secret").await;
    let escaped: String = agent.to_string().bytes().map(|b| format!("%{b:02x}")).collect();
    admin.get(&format!("/api/agents/{escaped}")).await.expect(200);
    admin.get("/api/agents/1%2fcommands").await.expect(400);
    admin.get("/api/agents/%ff%00").await.expect(400);
    admin.get("/api/%61gents").await.expect(404);
    // A key that comes twice widens nothing unless it says so twice.
    let user = server.user(&admin, "ann", "user").await;
    let foreign = user.create_agent("server", "a long enough secret").await;
    admin.get(&format!("/api/agents/{foreign}?adminMode=true&adminMode=true")).await.expect(200);
    admin.get(&format!("/api/agents/{foreign}?adminMode=true&adminMode=false")).await.expect(404);
    admin.get(&format!("/api/agents/{foreign}?adminMode=false&adminMode=true")).await.expect(404);
}

#[tokio::test]
async fn a_request_names_one_host() {
    let server = Server::start().await;
    let long = "x".repeat(300);
    for hosts in [
        &[][..],
        &["home", "home"],
        &["home", "elsewhere.example"],
        &[""],
        &["two words"],
        &["home:port"],
        &["home:65536"],
        &["home:1:2"],
        &["user@home"],
        &["home/path"],
        &["[::1"],
        &["[home]"],
        &["[home]:80"],
        &["<b>"],
        &["h\u{f6}me"],
        &[&long],
    ] {
        let lines: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        for path in ["/api/auth/session", "/api/nothing", "/livez", "/api/agent-control-service"] {
            let request = format!("GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
            let answer = exchange(server.address(), &request).await;
            assert_eq!(answer.status, 400, "{path} {hosts:?}: {answer:?}");
        }
    }
    for host in ["home", "HOME.example.", "home:", "home:80", "127.0.0.1:18232", "[::1]", "[::1]:80", "a_b-c"]
    {
        let request = format!("GET /api/auth/session HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_error(&exchange(server.address(), &request).await, 401, "unauthenticated");
    }
    let two = "GET /api/auth/session HTTP/1.0\r\nHost: home\r\nHost: home\r\n\r\n";
    assert_error(&exchange(server.address(), two).await, 400, "invalid_host");
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_refused() {
    let server = Server::start_with(|config| {
        config.allowed_hosts = vec!["home.example".to_owned(), "::1".to_owned()];
        config.trusted_proxies = vec!["127.0.0.2/32".parse().unwrap()];
    })
    .await;
    let from = async |last: u8, request: String| {
        let from = [127, 0, 0, last].into();
        let mut connection = RawConnection::open_from(from, server.address()).await;
        connection.send(request).await;
        connection.answer().await.expect("an answer")
    };
    let get = |path: &str, lines: &str| format!("GET {path} HTTP/1.1\r\n{lines}\r\n");
    let session = |lines: &str| get("/api/auth/session", lines);
    for host in
        ["home.example", "HOME.EXAMPLE", "home.example.", "home.example:8443", "[::1]:18232", "[0::1]"]
    {
        let answer = from(1, session(&format!("Host: {host}\r\n"))).await;
        assert_error(&answer, 401, "unauthenticated");
    }
    for host in ["evil.example", "127.0.0.1:18232", "home.example.evil.example", "localhost", "[::2]"] {
        let answer = from(1, session(&format!("Host: {host}\r\n"))).await;
        assert_error(&answer, 403, "host_not_allowed");
        assert!(answer.json()["message"].as_str().unwrap().contains("allowedHosts"));
        assert!(!answer.json().to_string().contains("evil"));
        let agents = from(1, handshake(server.address(), &basic(1, "a wrong secret"), &key())).await;
        assert_eq!(agents.status, 403);
        // Whoever looks after the server may come by its address.
        for path in ["/livez", "/readyz"] {
            assert_eq!(from(1, get(path, &format!("Host: {host}\r\n"))).await.status, 200);
        }
    }
    // The whole address in the first line counts in place of the header.
    let whole =
        |host: &str| format!("GET http://{host}/api/auth/session HTTP/1.1\r\nHost: home.example\r\n\r\n");
    assert_error(&from(1, whole("home.example")).await, 401, "unauthenticated");
    assert_error(&from(1, whole("evil.example")).await, 403, "host_not_allowed");
    assert_error(&from(1, "GET /api/auth/session HTTP/1.0\r\n\r\n".into()).await, 403, "host_not_allowed");
    // A trusted proxy says what the client asked for, and nobody else does.
    let forwarded =
        |host: &str, other: &str| session(&format!("Host: {host}\r\nX-Forwarded-Host: {other}\r\n"));
    assert_error(&from(2, forwarded("inner:1", "home.example")).await, 401, "unauthenticated");
    assert_error(&from(2, forwarded("home.example", "evil.example")).await, 403, "host_not_allowed");
    assert_error(&from(1, forwarded("inner:1", "home.example")).await, 403, "host_not_allowed");
}

#[tokio::test]
async fn agents_come_by_a_host_that_is_listed() {
    let server = Server::start_with(|config| config.allowed_hosts = vec!["127.0.0.1".to_owned()]).await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("microcontroller", "a long enough secret").await;
    drop(Firmware::connect(server.address(), agent, "a long enough secret").await);
}

#[tokio::test]
async fn a_good_cookie_is_found_among_many() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mut login = RawConnection::open(server.address()).await;
    let body = format!("{{\"username\":\"admin\",\"password\":\"{}\"}}", server.password);
    login.send(format!("{LOGIN}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    let answer = login.answer().await.unwrap();
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    for (junk, count) in
        [("session=junk", 8), ("session=junk", 900), (&*format!("session={}", "A".repeat(43)), 250)]
    {
        let crowd = vec![junk; count].join("; ");
        let request =
            format!("GET /api/auth/session HTTP/1.1\r\nHost: home\r\nCookie: {crowd}; {cookie}\r\n\r\n");
        assert_eq!(exchange(server.address(), &request).await.status, 200, "{count} of {junk}");
    }
    drop(admin);
}

#[tokio::test]
async fn what_an_unknown_proxy_says_is_ignored_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(directory.path(), &[]);
    command.env("NETIGNITE_TRUSTED_PROXIES", "127.0.0.3");
    let mut server = Binary::spawn(command);
    let address = server.listening().await;
    let send = async |last: u8, line: &str| {
        let mut connection = RawConnection::open_from([127, 0, 0, last].into(), address).await;
        connection
            .send(format!("GET /livez HTTP/1.1\r\nHost: home\r\n{line}\r\nConnection: close\r\n\r\n"))
            .await;
        connection.answer().await.expect("an answer");
    };
    send(3, "X-Forwarded-For: 192.0.2.1").await;
    for line in ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "Forwarded: for=192.0.2.1"] {
        send(1, line).await;
    }
    send(2, "Forwarded: for=192.0.2.1;proto=https").await;
    server.line(&["127.0.0.1", "X-Forwarded-For", "trustedProxies"]).await;
    server.line(&["127.0.0.2", "Forwarded", "trustedProxies"]).await;
    let log = server.log();
    assert_eq!(log.matches("trustedProxies").count(), 2, "once an address: {log}");
    assert!(!log.contains("192.0.2.1"), "{log}");
}
