//! Clients that are slow, greedy or many: each is cut off in its time, and nobody else notices.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::binary::{Binary, command};
use crate::support::firmware::{basic, handshake, key};
use crate::support::raw::{RawConnection, exchange};
use crate::support::wait::{until, within};
use crate::support::{Client, Firmware, Server};

const SECRET: &str = "correct horse battery staple";
/// The largest body.
const LARGEST: usize = 64 * 1024;

/// A server whose patience is a second.
async fn impatient() -> Server {
    Server::start_with(|config| {
        config.limits.header_seconds = 1;
        config.limits.body_seconds = 1;
        config.limits.idle_seconds = 1;
    })
    .await
}

/// How long the server keeps a connection open from now on.
async fn closed_after(connection: &mut RawConnection) -> f64 {
    let begun = Instant::now();
    connection.closed().await;
    begun.elapsed().as_secs_f64()
}

/// A server on a busy machine may be late, never early.
fn assert_about_a_second(seconds: f64) {
    assert!((0.8..6.0).contains(&seconds), "closed after {seconds} s");
}

#[tokio::test]
async fn headers_that_do_not_come_end_the_connection() {
    let server = impatient().await;
    for start in ["", "G", "GET /livez HTTP/1.1\r\n", "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut connection = RawConnection::open(server.address()).await;
        connection.send(start).await;
        assert_about_a_second(closed_after(&mut connection).await);
    }
}

#[tokio::test]
async fn headers_byte_by_byte_are_not_waited_for_longer() {
    let server = impatient().await;
    let mut connection = RawConnection::open(server.address()).await;
    connection.send("GET /livez HTTP/1.1\r\nX-Slow: ").await;
    let begun = Instant::now();
    let trickle = async {
        while tokio::io::AsyncWriteExt::write_all(&mut connection.stream, b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(Duration::from_secs(20), "the trickle to be cut off", trickle).await;
    assert_about_a_second(begun.elapsed().as_secs_f64());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered() {
    let server = impatient().await;
    for rest in ["", "{\"user"] {
        let mut connection = RawConnection::open(server.address()).await;
        connection
            .send(format!(
                "POST /api/auth/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Content-Length: 50\r\n\r\n{rest}",
                server.address()
            ))
            .await;
        let begun = Instant::now();
        let answer = connection.answer().await.expect("an answer");
        assert_about_a_second(begun.elapsed().as_secs_f64());
        assert_eq!(answer.status, 408, "{answer:?}");
        assert_eq!(answer.json()["status"], "ERROR", "{answer:?}");
        connection.closed().await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = impatient().await;
    let mut connection = RawConnection::open(server.address()).await;
    for _ in 0..2 {
        connection.send(format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", server.address())).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 200);
    }
    assert_about_a_second(closed_after(&mut connection).await);
}

#[tokio::test]
async fn an_agents_connection_is_not_idle() {
    let server = impatient().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("microcontroller", SECRET).await;
    let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
    // Wait out the idle time of a connection opened later.
    let mut connection = RawConnection::open(server.address()).await;
    connection.send(format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", server.address())).await;
    connection.answer().await.expect("an answer");
    connection.closed().await;
    // With a connection of its own: the first one is idle too, and may be closed under a request.
    let fresh = server.superadmin().await;
    let beat = tokio::spawn(async move { fresh.command(agent, "HEARTBEAT", json!({})).await });
    let message = firmware.message().await;
    firmware.reply_ok(&message).await;
    beat.await.unwrap().expect(200);
}

/// The head of a login whose body is announced as `length`.
fn login_head(server: &Server, length: &str) -> String {
    format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{length}\r\n\r\n",
        server.address()
    )
}

#[tokio::test]
async fn a_body_beyond_64_kib_is_refused() {
    let server = Server::start().await;
    // Refused by what is announced, before anything of it is read.
    for length in [LARGEST + 1, 10 << 20, usize::MAX / 4] {
        let mut connection = RawConnection::open(server.address()).await;
        connection.send(login_head(&server, &format!("Content-Length: {length}"))).await;
        let answer = connection.answer().await.expect("an answer");
        assert_eq!((answer.status, &answer.json()["status"]), (413, &json!("ERROR")), "{answer:?}");
    }
    // And by what really comes, where nothing is announced.
    let mut connection = RawConnection::open(server.address()).await;
    connection.send(login_head(&server, "Transfer-Encoding: chunked")).await;
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for _ in 0..17 {
        if tokio::io::AsyncWriteExt::write_all(&mut connection.stream, chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let answer = connection.answer().await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["status"]), (413, &json!("ERROR")), "{answer:?}");
}

#[tokio::test]
async fn a_body_of_64_kib_is_read() {
    let server = Server::start().await;
    let empty = json!({"username": "admin", "password": server.password, "padding": ""}).to_string();
    let padding = "p".repeat(LARGEST - empty.len());
    let body = json!({"username": "admin", "password": server.password, "padding": padding});
    assert_eq!(body.to_string().len(), LARGEST);
    server.anonymous().post("/api/auth/login", body).await.expect(200);
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let server = Server::start().await;
    let long = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let mut connection = RawConnection::open(server.address()).await;
    // The server may answer and close before it has read it all.
    tokio::io::AsyncWriteExt::write_all(&mut connection.stream, long.as_bytes()).await.ok();
    if let Some(answer) = connection.answer().await {
        assert_eq!(answer.status, 431, "{answer:?}");
    }
    let many: String = (0..500).map(|n| format!("X-{n}: y\r\n")).collect();
    let answer = exchange(server.address(), &format!("GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert_eq!((answer.status, answer.body.len()), (431, 0), "{answer:?}");
    server.superadmin().await.get("/api/auth/session").await.expect(200);
}

#[tokio::test]
async fn connections_beyond_the_cap_are_refused_with_the_reason() {
    const CAP: usize = 20;
    let server = Server::start_with(|config| {
        config.limits.connections = CAP;
        // What comes from a proxy comes from many.
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let request = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    let mut held = Vec::new();
    for _ in 0..CAP {
        let mut connection = RawConnection::open(server.address()).await;
        connection.send(&request).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 200);
        held.push(connection);
    }
    for _ in 0..5 {
        let mut beyond = RawConnection::open(server.address()).await;
        beyond.send(&request).await;
        let answer = beyond.answer().await.expect("an answer, not a dropped connection");
        assert_eq!((answer.status, &answer.json()["status"]), (503, &json!("ERROR")), "{answer:?}");
        beyond.closed().await;
    }
    // Who is in stays in; who leaves makes room.
    held[0].send(&request).await;
    assert_eq!(held[0].answer().await.expect("an answer").status, 200);
    held.pop();
    until("room for another", || async {
        let mut next = RawConnection::open(server.address()).await;
        next.send(&request).await;
        (next.answer().await?.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_address_holds_half_of_the_connections_at_most() {
    const CAP: usize = 20;
    let server = Server::start_with(|config| config.limits.connections = CAP).await;
    let [greedy, other] = [1, 2].map(|last| IpAddr::from([127, 0, 0, last]));
    let request = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    let served = async |from| {
        let mut connection = RawConnection::open_from(from, server.address()).await;
        connection.send(&request).await;
        (connection.answer().await.expect("an answer, not a dropped connection"), connection)
    };
    let mut held = Vec::new();
    for _ in 0..CAP / 2 {
        let (answer, connection) = served(greedy).await;
        assert_eq!(answer.status, 200);
        held.push(connection);
    }
    let (answer, mut refused) = served(greedy).await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("too_many_connections")), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    refused.closed().await;
    // Others find room.
    let mut others = Vec::new();
    for _ in 0..CAP / 2 {
        let (answer, connection) = served(other).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        others.push(connection);
    }
    // Whoever leaves makes room for the same address.
    drop(others);
    held.pop();
    until("room for another", || async { (served(greedy).await.0.status == 200).then_some(()) }).await;
}

#[tokio::test]
async fn the_log_names_the_address_that_holds_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(directory.path(), &[]);
    command.env("NETIGNITE_LIMITS__CONNECTIONS", "20");
    let mut server = Binary::spawn(command);
    let address = server.listening().await;
    let mut held = Vec::new();
    for _ in 0..11 {
        held.push(RawConnection::open(address).await);
    }
    server.line(&["127.0.0.1", "limits.connections", "trustedProxies"]).await;
}

#[tokio::test]
async fn agents_count_among_the_connections() {
    const CAP: usize = 12;
    let server = Server::start_with(|config| {
        config.limits.connections = CAP;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let admin = server.superadmin().await;
    let mut agents = Vec::new();
    let mut refused = None;
    for _ in 0..CAP {
        let agent = admin.create_agent("server", SECRET).await;
        match Firmware::try_connect(server.address(), agent, SECRET).await {
            Ok(firmware) => agents.push(firmware),
            Err(answer) => refused = Some(answer.status),
        }
    }
    assert_eq!((agents.len(), refused), (CAP - 1, Some(503)), "the admin's own connection is one");
    drop(agents);
    until("room for another", || async {
        let agent = admin.create_agent("server", SECRET).await;
        Firmware::try_connect(server.address(), agent, SECRET).await.ok().map(drop)
    })
    .await;
}

#[tokio::test]
async fn slow_clients_do_not_hold_up_others() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut connection = RawConnection::open(server.address()).await;
        match n % 3 {
            0 => connection.send("GET /api/agents HTTP/1.1\r\nHost: x\r\nX-").await,
            1 => connection.send(format!("{}{{", login_head(&server, "Content-Length: 100"))).await,
            // Logged nothing, asked nothing.
            _ => {}
        }
        slow.push(connection);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        admin.get("/api/agents").await.expect(200);
    }
    let _firmware = Firmware::connect(server.address(), agent, SECRET).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_flood_of_bad_handshakes_keeps_nobody_out() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("microcontroller", SECRET).await;
    let address = server.address();
    let mut flood = JoinSet::new();
    for _ in 0..8 {
        flood.spawn(async move {
            for _ in 0..100 {
                let request = handshake(address, &basic(agent, "a wrong secret"), &key());
                assert!([401, 429].contains(&exchange(address, &request).await.status));
            }
        });
    }
    for _ in 0..10 {
        // The firmware gives up after five seconds; so does this.
        let firmware = Firmware::connect(address, agent, SECRET).await;
        assert_eq!(admin.agent_status(agent).await, "online");
        drop(firmware);
    }
    while let Some(ended) = flood.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_flood_of_logins_does_not_hold_up_others() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let address = server.address();
    let mut flood = JoinSet::new();
    for n in 0..40 {
        flood.spawn(async move {
            let body = json!({"username": format!("nobody {n}"), "password": "a wrong password"});
            Client::anonymous(address).post("/api/auth/login", body).await.status
        });
    }
    let begun = Instant::now();
    for _ in 0..20 {
        admin.get("/api/auth/session").await.expect(200);
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
    while let Some(status) = flood.join_next().await {
        // Refused, throttled or shed, and always answered.
        assert!([401, 429, 503].contains(&status.unwrap()));
    }
}

#[tokio::test]
async fn whoever_was_accepted_is_served_though_descriptors_ran_out() {
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    server.limit_descriptors(20);
    let request = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    // Held still, so that all of them wait when it looks.
    server.signal(Signal::STOP);
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut connection = RawConnection::open(address).await;
        connection.send(&request).await;
        crowd.push(connection);
    }
    server.signal(Signal::CONT);
    for connection in &mut crowd {
        let answer = within(Duration::from_secs(10), "an answer", connection.answer()).await;
        assert_eq!(answer.expect("an answer").status, 200);
    }
}

#[tokio::test]
async fn what_a_flood_took_goes_back_to_the_system() {
    const CONNECTIONS: usize = 2500;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut program = command(directory.path(), &[]);
    program.env("NETIGNITE_LIMITS__CONNECTIONS", (3 * CONNECTIONS).to_string());
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    let before = server.memory();
    let head = format!("GET / HTTP/1.1\r\nHost: home\r\nA: {}", "x".repeat(6000));
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = RawConnection::open(address).await;
        connection.send(&head).await;
        held.push(connection);
    }
    let grown = || server.memory().saturating_sub(before);
    until("the flood to be felt", || async { (grown() > 24 << 20).then_some(()) }).await;
    drop(held);
    within(Duration::from_secs(60), "the memory to go back", async {
        while grown() > 12 << 20 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
}
