//! One user does the worst that is allowed: lists of 50 MB that nobody reads and others that are read, changes, wakes,
//! status and small requests, all without end. What becomes of another user's requests and wakes, and of the memory
//! afterwards; and of the memory after half of all connections came and went.
//!
//! The limits are the defaults. Greedy user, bystander and agent are processes of their own on the same machine, so that
//! they also compete for its cores.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::http::Http;
use support::process::{Role, role};
use support::server::Server;
use support::{fleet, mib, ms, quantile, row, runtime, title};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The greedy user's devices and agents: a few fewer than the quotas, so that creating goes on.
const OWNED: usize = 9_990;
/// The agent of the bystander's device.
const AGENT: i64 = 1;
/// How long the bystander is measured, each time.
const MEASURED: Duration = Duration::from_secs(15);
/// Connections that ask for a list and read nothing.
const UNREAD: usize = 200;
/// Connections of the flood at the end, below half of what the file limit allows.
const CROWD: usize = 9_000;

const LIMITS: [(&str, &str); 4] = [
    ("NETIGNITE_LIMITS__AGENTS_PER_USER", "10000"),
    ("NETIGNITE_LIMITS__DEVICES_PER_USER", "10000"),
    ("NETIGNITE_LIMITS__ANSWERS_PER_USER", "128"),
    ("NETIGNITE_LIMITS__ANSWERS", "1024"),
];

fn main() {
    match role() {
        Some((name, arguments)) if name == "agent" => agent(&arguments),
        Some((name, arguments)) if name == "greed" => greed(&arguments),
        Some((name, arguments)) if name == "bystander" => bystander(&arguments),
        Some((name, arguments)) if name == "crowd" => crowd(&arguments),
        Some((name, _)) => panic!("no role {name}"),
        None => runtime().block_on(bench()),
    }
}

/// Role `agent`: PORT. Says `ready` once it is connected, then answers commands.
fn agent(arguments: &[String]) {
    runtime().block_on(async {
        let agent = fleet::Agent::connect(arguments[0].parse().unwrap(), AGENT).await.unwrap();
        println!("ready");
        agent.serve(Arc::new(AtomicUsize::new(0))).await.unwrap();
    });
}

/// Role `greed`: PORT COOKIE. Does its worst until it hears a line, then prints how many requests were answered well,
/// how many were refused, and how many bytes came.
fn greed(arguments: &[String]) {
    let [port, cookie] = arguments else { panic!("{arguments:?}") };
    let port: u16 = port.parse().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        stop.store(true, Ordering::Relaxed);
    });
    let counts: Arc<[AtomicU64; 3]> = Arc::default();
    runtime().block_on(async {
        let mut unread = Vec::new();
        for _ in 0..UNREAD {
            unread.push(ask_and_read_nothing(port, cookie, "/api/devices").await);
        }
        let mut tasks = tokio::task::JoinSet::new();
        let device = r#"{"name":"Made","type":"nas","macAddress":"AA:BB:CC:DD:EE:FF","agentID":2}"#;
        let agent = r#"{"name":"Made","type":"server","secret":"a long enough secret"}"#;
        for (loops, method, path, body) in [
            (8, "GET", "/api/devices", ""),
            (8, "GET", "/api/agents", ""),
            (8, "GET", "/api/devices/status", ""),
            (8, "GET", "/api/agents/status", ""),
            (16, "POST", "/api/devices", device),
            (16, "POST", "/api/agents", agent),
            (16, "POST", "/api/devices/7/wakeup", ""),
            (32, "GET", "/api/auth/session", ""),
        ] {
            for _ in 0..loops {
                let (stopped, counts, cookie) = (stopped.clone(), counts.clone(), cookie.clone());
                tasks.spawn(async move {
                    let request =
                        Http::connect(port).await.unwrap().with_cookie(&cookie).encode(method, path, body);
                    let mut stream = None;
                    while !stopped.load(Ordering::Relaxed) {
                        match exchange(port, &mut stream, &request).await {
                            Ok((status, bytes, id)) => {
                                counts[usize::from(status >= 400)].fetch_add(1, Ordering::Relaxed);
                                counts[2].fetch_add(bytes, Ordering::Relaxed);
                                if let (201, Some(id)) = (status, id) {
                                    let http = Http::connect(port).await.unwrap().with_cookie(&cookie);
                                    let gone = http.encode("DELETE", &format!("{path}/{id}"), "");
                                    let _ = exchange(port, &mut stream, &gone).await;
                                }
                            }
                            Err(_) => stream = None,
                        }
                    }
                });
            }
        }
        println!("begun");
        tasks.join_all().await;
        let count = |i: usize| counts[i].load(Ordering::Relaxed);
        println!("{} {} {}", count(0), count(1), count(2));
    });
}

async fn ask_and_read_nothing(port: u16, cookie: &str, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// One request on a connection that is kept: status, bytes, and the number behind `"data":`.
async fn exchange(
    port: u16,
    kept: &mut Option<TcpStream>,
    request: &[u8],
) -> std::io::Result<(u16, u64, Option<i64>)> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(("127.0.0.1", port)).await?,
    };
    stream.write_all(request).await?;
    let mut head = Vec::with_capacity(4096);
    let end = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut tail = head.split_off(end);
    let mut bytes = tail.len() as u64;
    let length =
        text.split("content-length:").nth(1).and_then(|r| r.lines().next()?.trim().parse::<u64>().ok());
    let mut buffer = vec![0; 256 * 1024];
    let mut id = None;
    while length.map_or(!tail.ends_with(b"0\r\n\r\n"), |length| bytes < length) {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes += n as u64;
        tail.extend_from_slice(&buffer[..n]);
        if tail.len() > 4096 {
            tail.drain(..tail.len() - 16);
        }
    }
    if let Some(digits) = String::from_utf8_lossy(&tail).split("\"data\":").nth(1) {
        id = digits.trim_end_matches('}').parse().ok();
    }
    *kept = Some(stream);
    Ok((status, bytes, id))
}

/// Role `bystander`: PORT COOKIE. Prints p50, p99 and the most of a device, a list, and a wake, in nanoseconds.
fn bystander(arguments: &[String]) {
    let [port, cookie] = arguments else { panic!("{arguments:?}") };
    runtime().block_on(async {
        let mut http = Http::connect(port.parse().unwrap()).await.unwrap().with_cookie(cookie);
        let requests = [
            http.encode("GET", "/api/devices/1", ""),
            http.encode("GET", "/api/devices", ""),
            http.encode("GET", "/api/agents", ""),
            http.encode("POST", "/api/devices/1/wakeup", ""),
        ];
        let mut times = [const { Vec::new() }; 4];
        let end = Instant::now() + MEASURED;
        while Instant::now() < end {
            for (request, times) in requests.iter().zip(&mut times) {
                let start = Instant::now();
                assert_eq!(http.send(request).await.unwrap(), 200);
                times.push(start.elapsed());
            }
        }
        let figures = times.iter_mut().flat_map(|times| [0.5, 0.99, 1.0].map(|q| quantile(times, q)));
        let figures: Vec<_> = figures.map(|time| time.as_nanos().to_string()).collect();
        println!("{}", figures.join(" "));
    });
}

/// Role `crowd`: PORT COOKIE. Opens many connections, asks once on each, says `open`, and closes them on a line.
fn crowd(arguments: &[String]) {
    let [port, cookie] = arguments else { panic!("{arguments:?}") };
    let port: u16 = port.parse().unwrap();
    runtime().block_on(async {
        let mut held = Vec::new();
        for _ in 0..CROWD {
            let mut http = Http::connect(port).await.unwrap().with_cookie(cookie);
            assert_eq!(http.request("GET", "/api/auth/session", "").await.unwrap().status, 200);
            held.push(http);
        }
        println!("open");
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        drop(held);
        println!("closed");
    });
}

/// A folder in which user 2 owns what the quotas allow, and user 3 a device that an agent reaches.
async fn folder() -> (tempfile::TempDir, String) {
    let server = Server::start();
    let (mut http, cookie) = server.admin().await;
    for name in ["greedy", "modest"] {
        let body = format!(r#"{{"username":"{name}","password":"a long password of theirs","role":"user"}}"#);
        assert_eq!(http.request("POST", "/api/admin/users", &body).await.unwrap().status, 201);
    }
    server.create_agents(&cookie, 1, "server").await;
    let password = server.password.clone();
    let folder = server.stop();
    let database = libsql::Builder::new_local(folder.path().join("data/db.sqlite")).build().await.unwrap();
    let db = database.connect().unwrap();
    let description = "ö".repeat(1000) + &"\u{1F5A5}".repeat(700);
    db.execute_batch(&format!(
        "UPDATE agents SET ownerID = 3 WHERE id = {AGENT}; \
         INSERT INTO devices (name, type, description, macAddress, port, agentID, ownerID) \
         VALUES ('Modest', 'nas', '', 'AA:BB:CC:DD:EE:FF', 9, {AGENT}, 3); \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {OWNED}) \
         INSERT INTO agents (name, type, description, secret, ownerID) \
         SELECT 'Agent ' || i, 'server', '{description}', X'', 2 FROM n; \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {OWNED}) \
         INSERT INTO devices (name, type, description, macAddress, port, agentID, ownerID) \
         SELECT 'Device ' || i, 'nas', '{description}', 'AA:BB:CC:DD:EE:FF', 9, 2, 2 FROM n"
    ))
    .await
    .unwrap();
    (folder, password)
}

async fn bench() {
    let (folder, _) = folder().await;
    let server = Server::start_with(folder, &LIMITS);
    let login = async |name: &str| {
        let mut http = Http::connect(server.port).await.unwrap();
        http.login(name, "a long password of theirs").await.unwrap()
    };
    let (greedy, modest) = (login("greedy").await, login("modest").await);
    let port = server.port.to_string();
    let mut agent = Role::start("agent", std::slice::from_ref(&port));
    assert_eq!(agent.hear(), "ready");
    let measure = || Role::start("bystander", &[port.clone(), modest.clone()]).hear();

    let idle = measure();
    let before = (server.process.resident(), server.process.anonymous());
    let mut greed = Role::start("greed", &[port.clone(), greedy.clone()]);
    assert_eq!(greed.hear(), "begun");
    let starved = measure();
    let during = (server.process.resident(), server.process.anonymous());
    let counted = greed.ask("stop");
    drop(greed);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = (server.process.resident(), server.process.anonymous());

    title("Starvation: another user's requests while one user does the worst that is allowed");
    let figures = |line: &str| -> Vec<Duration> {
        line.split(' ').map(|n| Duration::from_nanos(n.parse().unwrap())).collect()
    };
    let (idle, starved) = (figures(&idle), figures(&starved));
    for (i, (what, goal)) in
        [("a device", 50), ("list of devices", 50), ("list of agents", 50), ("wake", 100)].iter().enumerate()
    {
        let [p50, p99, most] = [0, 1, 2].map(|n| 3 * i + n);
        row(&format!("floor: {what}, alone: p99"), ms(idle[p99]), format!("p50 {}", ms(idle[p50])));
        row(
            &format!("{what}: p99"),
            ms(starved[p99]),
            format!("goal ≤ {goal} ms; p50 {}, slowest {}", ms(starved[p50]), ms(starved[most])),
        );
    }
    let counted: Vec<u64> = counted.split(' ').map(|n| n.parse().unwrap()).collect();
    row(
        "the greedy user's requests",
        counted[0],
        format!("{} refused; {} MiB read", counted[1], counted[2] >> 20),
    );
    memory("worst", before, during, after, "10 s after");

    let before = after;
    let mut crowd = Role::start("crowd", &[port.clone(), greedy]);
    assert_eq!(crowd.hear(), "open");
    let during = (server.process.resident(), server.process.anonymous());
    assert_eq!(crowd.ask("close"), "closed");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = (server.process.resident(), server.process.anonymous());
    memory(&format!("{CROWD} connections"), before, during, after, "10 s after");
}

fn memory(what: &str, before: (usize, usize), during: (usize, usize), after: (usize, usize), when: &str) {
    let both = |(resident, anonymous)| (mib(resident), format!("anonymous {}", mib(anonymous)));
    for (time, (resident, beside)) in
        [("before", both(before)), ("during", both(during)), (when, both(after))]
    {
        row(&format!("resident memory, {what}: {time}"), resident, beside);
    }
}
