//! Idle agents: memory each (the slope over fleets of growing size), CPU per connect and per heartbeat, and a whole
//! fleet reconnecting at once. `BENCH_AGENTS=1000` keeps it small.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::http::Http;
use support::process::{Process, Role, role};
use support::server::Server;
use support::{fleet, floor, ms, quantile, row, runtime, slope, title, us};

fn main() {
    match role() {
        Some((name, arguments)) if name == "fleet" => agents(&arguments),
        Some((name, _)) => floor::run(&name),
        None => runtime().block_on(bench()),
    }
}

/// Role `fleet`: PORT FIRST-ID. Takes lines: `grow N` connects up to N agents, `beats` tells the heartbeats so far,
/// `again N` starts anew with N agents at once.
fn agents(arguments: &[String]) {
    let (port, first): (u16, i64) = (arguments[0].parse().unwrap(), arguments[1].parse().unwrap());
    let heartbeats = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut connected = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (verb, count) = line.split_once(' ').unwrap_or((&line, "0"));
        let count: i64 = count.parse().unwrap();
        match verb {
            "grow" => {
                let ids: Vec<i64> = (first + connected..first + count).collect();
                connected = count;
                let storm = runtime.block_on(fleet::connect_all(port, &ids, 256, &heartbeats));
                println!("{} {}", storm.connected, storm.took.as_nanos());
            }
            "again" => {
                let ids: Vec<i64> = (first..first + count).collect();
                let storm = runtime.block_on(fleet::connect_all(port, &ids, ids.len(), &heartbeats));
                println!("{} {} {}", storm.connected, storm.took.as_nanos(), storm.slowest.as_nanos());
            }
            _ => println!("{}", heartbeats.load(Ordering::Relaxed)),
        }
    }
}

fn numbers(line: &str) -> Vec<u64> {
    line.split(' ').map(|n| n.parse().unwrap()).collect()
}

async fn bench() {
    let most: usize = std::env::var("BENCH_AGENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(19_000);
    let server = Server::start();
    let (_, cookie) = server.admin().await;
    let ids = server.create_agents(&cookie, most, "server").await;
    let arguments = [server.port.to_string(), ids[0].to_string()];
    let mut fleet = Role::start("fleet", &arguments);

    // Beside them as many connections to the floor, with the same traffic.
    let beside = || {
        let mut epoll = Role::start("epoll", &[]);
        let fleet = Role::start("fleet", &[epoll.hear(), ids[0].to_string()]);
        (epoll, fleet)
    };
    let (epoll, mut others) = beside();

    title("Idle agents");
    let mut points: Vec<(f64, f64)> = Vec::new();
    for share in [most / 19, most * 5 / 19, most * 10 / 19, most] {
        let before = server.process.cpu();
        let already = points.last().map_or(0, |p| p.0 as usize);
        let line = numbers(&fleet.ask(&format!("grow {share}")));
        assert_eq!(line[0] as usize, share - already, "agents did not connect");
        let each = (server.process.cpu() - before) / u32::try_from(share - already).unwrap();
        let rate = (share - already) as f64 / Duration::from_nanos(line[1]).as_secs_f64();
        let before = epoll.process.cpu();
        others.ask(&format!("grow {share}"));
        let connect_raw = (epoll.process.cpu() - before) / u32::try_from(share - already).unwrap();
        // At least three heartbeats each, counted where they arrive.
        let beats = async |fleet: &mut Role, process: &Process, rounds: usize| {
            let begun = Instant::now();
            let count = |fleet: &mut Role| fleet.ask("beats").parse::<usize>().unwrap();
            let before = (count(fleet), process.cpu());
            while count(fleet) - before.0 < rounds * share {
                assert!(begun.elapsed() < Duration::from_secs(300), "heartbeats are missing");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            (process.cpu() - before.1) / u32::try_from(count(fleet) - before.0).unwrap()
        };
        let (ours, raw) =
            tokio::join!(beats(&mut fleet, &server.process, 3), beats(&mut others, &epoll.process, 3));
        let memory = server.process.anonymous();
        points.push((share as f64, memory as f64));
        row(
            &format!("{share} agents: CPU per connect"),
            us(each),
            format!("floor: raw epoll, no HTTP {}; goal ≤ 30 µs; {rate:.0}/s", us(connect_raw)),
        );
        row(
            &format!("{share} agents: CPU per heartbeat, its pings included"),
            us(ours),
            format!(
                "floor: raw epoll {}, ours {:.2} ×; goal ≤ 2 ×; {} KiB anonymous",
                us(raw),
                ours.as_secs_f64() / raw.as_secs_f64(),
                memory / 1024
            ),
        );
    }
    let bytes = slope(&points);
    row("memory per idle agent (slope)", format!("{bytes:.0} B"), "goal ≤ 1536 B, stretch 1024 B");

    title("A restart of the server: the whole fleet comes back at once");
    drop((fleet, others, epoll));
    let (epoll, mut others) = beside();
    let raw = numbers(&others.ask(&format!("again {most}")));
    drop((others, epoll));
    let folder = server.stop();
    let server = Server::start_in(folder);
    row(
        &format!("start to first answer with {most} agents"),
        ms(server.started_in),
        "goal ≤ 60 ms with 10,000",
    );
    let mut fleet = Role::start("fleet", &[server.port.to_string(), ids[0].to_string()]);
    let before = server.process.cpu();
    fleet.say(&format!("again {most}"));
    let mut http = Http::connect(server.port).await.unwrap().with_cookie(&cookie);
    let request = http.encode("GET", "/api/auth/session", "");
    let stop = Arc::new(AtomicUsize::new(0));
    let probe = tokio::spawn({
        let stop = stop.clone();
        async move {
            let mut times = Vec::new();
            while stop.load(Ordering::Relaxed) == 0 {
                let start = Instant::now();
                assert_eq!(http.send(&request).await.unwrap(), 200);
                times.push(start.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times
        }
    });
    let (mut fleet, line) = tokio::task::spawn_blocking(move || {
        let line = fleet.hear();
        (fleet, line)
    })
    .await
    .unwrap();
    stop.store(1, Ordering::Relaxed);
    let mut times = probe.await.unwrap();
    let line = numbers(&line);
    assert_eq!(line[0] as usize, most, "agents did not come back");
    let used = (server.process.cpu() - before) / u32::try_from(most).unwrap();
    let floor = |at: usize| format!("floor: raw epoll {}", ms(Duration::from_nanos(raw[at])));
    row("all back in", ms(Duration::from_nanos(line[1])), format!("{}; goal ≤ 3 s", floor(1)));
    row(
        "the one that waited longest",
        ms(Duration::from_nanos(line[2])),
        format!("{}; goal ≤ 5 s", floor(2)),
    );
    row("CPU per connect, the REST requests' included", us(used), "");
    row(
        "REST p99 meanwhile",
        ms(quantile(&mut times, 0.99)),
        format!("goal ≤ 50 ms; {} requests, the slowest {}", times.len(), ms(quantile(&mut times, 1.0))),
    );
    fleet.ask("beats");
}
