//! Wake round trips: REST → agent → REST, one at a time and 32 in parallel, beside a raw TCP echo and a bare
//! fastwebsockets echo.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use support::http::Http;
use support::process::{Role, cpu, role};
use support::server::Server;
use support::{fleet, floor, quantile, row, runtime, title, us};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Wakes under way at once.
const PARALLEL: usize = 32;

fn main() {
    match role() {
        Some((name, arguments)) if name == "fleet" => agents(&arguments),
        Some((name, arguments)) if name == "load" => load(&arguments),
        Some((name, arguments)) if name == "echoes" => echoes(&arguments),
        Some((name, _)) => floor::run(&name),
        None => runtime().block_on(bench()),
    }
}

/// Role `fleet`: PORT ID…. Says `ready` once all are connected, then answers commands.
fn agents(arguments: &[String]) {
    let (port, ids) = arguments.split_first().unwrap();
    let ids: Vec<i64> = ids.iter().map(|id| id.parse().unwrap()).collect();
    runtime().block_on(async {
        let storm = fleet::connect_all(port.parse().unwrap(), &ids, 64, &Arc::new(AtomicUsize::new(0))).await;
        assert_eq!(storm.connected, ids.len());
        println!("ready");
        std::future::pending::<()>().await;
    });
}

/// Role `load`: PORT COOKIE REQUESTS DEVICE…, one connection a device. Prints p50 and p99 in nanoseconds.
fn load(arguments: &[String]) {
    let [port, cookie, requests, devices @ ..] = arguments else { panic!("{arguments:?}") };
    let requests: usize = requests.parse().unwrap();
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for device in devices {
            let mut http = Http::connect(port.parse().unwrap()).await.unwrap().with_cookie(cookie);
            let request = http.encode("POST", &format!("/api/devices/{device}/wakeup"), "");
            let mine = requests / devices.len();
            tasks.spawn(async move {
                let mut times = Vec::with_capacity(mine);
                for _ in 0..mine {
                    let start = Instant::now();
                    assert_eq!(http.send(&request).await.unwrap(), 200);
                    times.push(start.elapsed());
                }
                times
            });
        }
        let mut times: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
        println!("{} {}", quantile(&mut times, 0.5).as_nanos(), quantile(&mut times, 0.99).as_nanos());
    });
}

/// Role `echoes`: PORT ROUNDS. Round trips of 40 bytes over a raw echo on 32 connections at once.
fn echoes(arguments: &[String]) {
    let [port, rounds] = arguments else { panic!("{arguments:?}") };
    let (port, rounds): (u16, usize) = (port.parse().unwrap(), rounds.parse().unwrap());
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..PARALLEL {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.set_nodelay(true).unwrap();
            tasks.spawn(async move {
                let mut buffer = [b'x'; 40];
                for _ in 0..rounds / PARALLEL {
                    stream.write_all(&buffer).await.unwrap();
                    stream.read_exact(&mut buffer).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        println!("done");
    });
}

/// Server CPU of the two socket round trips that a wake consists of, over a raw echo, 32 in parallel.
fn two_echoes() -> Duration {
    const ROUNDS: u32 = 128_000;
    let mut server = Role::start("echo", &[]);
    let arguments = [server.hear(), ROUNDS.to_string()];
    let before = server.process.cpu();
    assert_eq!(Role::start("echoes", &arguments).hear(), "done");
    (server.process.cpu() - before) / (ROUNDS / 2)
}

/// Round trips of 40 bytes over an echo, one at a time: p50 and server CPU each.
async fn echo(role_name: &str, rounds: u32) -> (Duration, Duration) {
    let mut server = Role::start(role_name, &[]);
    let port: u16 = server.hear().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 512];
    let (message, answer): (Vec<u8>, usize) = if role_name == "websocket" {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let _ = stream.read(&mut buffer).await.unwrap();
        ([&[0x81, 0x80 | 34, 0, 0, 0, 0][..], &[b'x'; 34]].concat(), 36)
    } else {
        (vec![b'x'; 40], 40)
    };
    let mut times = Vec::new();
    let before = server.process.cpu();
    for _ in 0..rounds {
        let start = Instant::now();
        stream.write_all(&message).await.unwrap();
        stream.read_exact(&mut buffer[..answer]).await.unwrap();
        assert!(buffer[..answer].ends_with(&message[message.len() - 34..]), "{:?}", &buffer[..answer]);
        times.push(start.elapsed());
    }
    (quantile(&mut times, 0.5), (server.process.cpu() - before) / rounds)
}

async fn bench() {
    let server = Server::start();
    let (mut http, cookie) = server.admin().await;
    let agents = server.create_agents(&cookie, PARALLEL, "server").await;
    let mut devices = Vec::new();
    for agent in &agents {
        let body = format!(
            "{{\"name\":\"Device\",\"type\":\"nas\",\"description\":null,\"macAddress\":\"AA:BB:CC:DD:EE:FF\",\"agentID\":{agent}}}"
        );
        devices.push(http.request("POST", "/api/devices", &body).await.unwrap().id());
    }
    let mut arguments = vec![server.port.to_string()];
    arguments.extend(agents.iter().map(ToString::to_string));
    let mut fleet = Role::start("fleet", &arguments);
    assert_eq!(fleet.hear(), "ready");

    let run = |devices: &[i64], requests: u32| {
        let mut arguments = vec![server.port.to_string(), cookie.clone(), requests.to_string()];
        arguments.extend(devices.iter().map(ToString::to_string));
        Role::start("load", &arguments).hear();
        let before = cpu(server.process.id());
        let line = Role::start("load", &arguments).hear();
        let used = (cpu(server.process.id()) - before) / requests;
        let times: Vec<u64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        (used, Duration::from_nanos(times[0]), Duration::from_nanos(times[1]))
    };

    title("Wake round trip: REST → agent → REST");
    for (what, name) in [("floor: raw TCP echo", "echo"), ("floor: bare fastwebsockets echo", "websocket")] {
        let (p50, cpu) = echo(name, 20_000).await;
        row(what, us(p50), format!("p50; CPU {}", us(cpu)));
    }
    row(
        "floor: two raw TCP echoes, 32 in parallel: CPU",
        us(two_echoes()),
        "the client's round trip and the agent's",
    );
    let (cpu, p50, p99) = run(&devices[..1], 10_000);
    row("one at a time: p50", us(p50), format!("goal ≤ 150 µs; p99 {}; CPU {}", us(p99), us(cpu)));
    let (cpu, p50, p99) = run(&devices, 64_000);
    row(
        "32 in parallel: server CPU each",
        us(cpu),
        format!("goal ≤ 30 µs; p50 {}, p99 {}", us(p50), us(p99)),
    );
}
