//! Event streams: memory each (the slope over growing numbers), and CPU per delivered event, what the changes themselves
//! cost taken off. `BENCH_STREAMS=200` keeps it small.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::http::Http;
use support::server::Server;
use support::{row, runtime, slope, title, us};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Streams that one user may have.
const OF_USER: usize = 20;
/// Changes that everyone is to hear of, and how many are made before everyone has: the readers share the machine with
/// the server, and one that lags behind is ended.
const CHANGES: usize = 512;
const ROUND: usize = 64;
const LANES: usize = 16;

fn main() {
    runtime().block_on(bench());
}

async fn bench() {
    let most: usize = std::env::var("BENCH_STREAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let server = Server::start();
    let (mut http, cookie) = server.admin().await;
    let agents = server.create_agents(&cookie, LANES, "server").await;
    let mut cookies = Vec::new();
    for n in 0..most.div_ceil(OF_USER) {
        let (name, password) = (format!("admin {n}"), "a long enough password");
        let body = format!("{{\"username\":\"{name}\",\"password\":\"{password}\",\"role\":\"admin\"}}");
        assert_eq!(http.request("POST", "/api/admin/users", &body).await.unwrap().status, 201);
        cookies.push(Http::connect(server.port).await.unwrap().login(&name, password).await.unwrap());
    }

    title("Event streams");
    // Once for nobody, so that what is allocated only once is.
    change(&server, &cookie, &agents, CHANGES).await;
    let before = server.process.cpu();
    for _ in 0..CHANGES / ROUND {
        change(&server, &cookie, &agents, ROUND).await;
    }
    let unheard = server.process.cpu() - before;

    let heard = Arc::new(AtomicUsize::new(0));
    let mut points = Vec::new();
    let mut open = 0;
    for share in [most / 10, most / 4, most / 2, most] {
        while open < share {
            listen(server.port, &cookies[open / OF_USER], &heard).await;
            open += 1;
        }
        // Until everybody has a first sign of life: what is idle then is idle.
        tokio::time::sleep(Duration::from_secs(2)).await;
        points.push((share as f64, server.process.anonymous() as f64));
    }
    row("memory per stream", format!("{:.2} KiB", slope(&points) / 1024.0), "goal ≤ 8 KiB");

    let before = server.process.cpu();
    for round in 1..=CHANGES / ROUND {
        change(&server, &cookie, &agents, ROUND).await;
        let (begun, wanted) = (Instant::now(), most * ROUND * round);
        while heard.load(Ordering::Relaxed) < wanted {
            let missing = wanted - heard.load(Ordering::Relaxed);
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{missing} events are missing in round {round}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let delivered = u32::try_from(most * CHANGES).unwrap();
    let each = (server.process.cpu() - before).saturating_sub(unheard) / delivered;
    row(
        "CPU per delivered event",
        us(each),
        format!(
            "goal ≤ 5 µs; {delivered} of them; the changes alone took {} each",
            us(unheard / CHANGES as u32)
        ),
    );
}

/// Opens a stream of everyone's changes and counts what comes over it.
async fn listen(port: u16, cookie: &str, heard: &Arc<AtomicUsize>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let path = "/api/events?adminMode=true&types=agent.changed";
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
    let heard = heard.clone();
    tokio::spawn(async move {
        const MARK: &[u8] = b"\nevent: ";
        let mut rest = Vec::new();
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => rest.extend_from_slice(&buffer[..read]),
            }
            let found = rest.windows(MARK.len()).filter(|bytes| *bytes == MARK).count();
            heard.fetch_add(found, Ordering::Relaxed);
            // A mark that has only begun is seen whole next time.
            rest.drain(..rest.len().saturating_sub(MARK.len() - 1));
        }
    });
}

/// Makes so many changes.
async fn change(server: &Server, cookie: &str, agents: &[i64], changes: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for agent in agents {
        let mut http = Http::connect(server.port).await.unwrap().with_cookie(cookie);
        let mine = changes / LANES;
        let path = format!("/api/agents/{agent}");
        tasks.spawn(async move {
            for n in 0..mine {
                let body =
                    format!("{{\"name\":\"Agent {n}\",\"description\":\"In the hall\",\"type\":\"server\"}}");
                let reply = http.request("PUT", &path, &body).await.unwrap();
                assert_eq!(reply.status, 200, "{}", reply.body);
            }
        });
    }
    tasks.join_all().await;
}
