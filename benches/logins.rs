//! A flood of logins, right ones and wrong ones at once: what becomes of everyone else's requests, and of the memory
//! afterwards.
//!
//! The flood comes through a trusted proxy that names another client for each attempt, so that the hashing is what is
//! measured; then once more from one address, where the throttle refuses it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::BufRead;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use support::http::Http;
use support::load::{self, Load};
use support::process::{Role, role};
use support::server::Server;
use support::{mib, quantile, row, runtime, title, us};

/// Loops that log in, half of them with the right password.
const LOOPS: usize = 8;
/// Times that idle and flooded are measured in turn.
const ROUNDS: usize = 5;
/// Requests of the bystander in each of them.
const REQUESTS: usize = 10_000;

fn main() {
    match role() {
        Some((name, arguments)) if name == "load" => load::run(&arguments),
        Some((name, arguments)) if name == "flood" => flood(&arguments),
        Some((name, _)) => panic!("no role {name}"),
        None => runtime().block_on(bench()),
    }
}

/// Role `flood`: PORT PASSWORD `many` or `one` (clients). Floods until it hears a line, then prints how many attempts
/// were answered 200, 401, and otherwise.
fn flood(arguments: &[String]) {
    let [port, password, clients] = arguments else { panic!("{arguments:?}") };
    let (port, many): (u16, bool) = (port.parse().unwrap(), clients == "many");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        stop.store(true, Ordering::Relaxed);
    });
    let client = Arc::new(AtomicU32::new(Ipv4Addr::new(10, 0, 0, 0).to_bits()));
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..LOOPS {
            let password = if i % 2 == 0 { password.clone() } else { "wrong".to_owned() };
            let (stopped, client) = (stopped.clone(), client.clone());
            tasks.spawn(async move {
                let mut http = Http::connect(port).await.unwrap();
                let mut answers = [0; 3];
                while !stopped.load(Ordering::Relaxed) {
                    let client = client.fetch_add(u32::from(many), Ordering::Relaxed);
                    let request = login(&password, Ipv4Addr::from_bits(client));
                    match http.send(&request).await.unwrap() {
                        200 => answers[0] += 1,
                        401 => answers[1] += 1,
                        _ => answers[2] += 1,
                    }
                }
                answers
            });
        }
        let answers = tasks.join_all().await;
        let sum = |i: usize| answers.iter().map(|answers| answers[i]).sum::<u32>();
        println!("{} {} {}", sum(0), sum(1), sum(2));
    });
}

fn login(password: &str, client: Ipv4Addr) -> Vec<u8> {
    let body = format!("{{\"username\":\"admin\",\"password\":\"{password}\"}}");
    format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {client}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn bench() {
    let settings = [("NETIGNITE_TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with(tempfile::tempdir().unwrap(), &settings);
    let (_, cookie) = server.admin().await;
    let bystander = Load {
        port: server.port,
        cookie: &cookie,
        method: "GET",
        path: "/api/auth/session",
        body: "",
        connections: 1,
    };
    let p99 = || bystander.run(server.process.id(), REQUESTS).p99;

    for (clients, what) in [("many", "each from another address"), ("one", "all from one address")] {
        // The first measurement only warms up.
        p99();
        let before = (server.process.resident(), server.process.anonymous());
        let (mut idle, mut flooded, mut peak) = (Vec::new(), Vec::new(), 0);
        let mut answers = [0; 3];
        for _ in 0..ROUNDS {
            idle.push(p99());
            let arguments = [server.port.to_string(), server.password.clone(), clients.to_owned()];
            let mut flood = Role::start("flood", &arguments);
            tokio::time::sleep(Duration::from_millis(500)).await;
            flooded.push(p99());
            peak = peak.max(server.process.resident());
            let line = flood.ask("stop");
            answers.iter_mut().zip(line.split(' ')).for_each(|(sum, n)| *sum += n.parse::<u32>().unwrap());
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = (server.process.resident(), server.process.anonymous());

        title(&format!("Login flood: {LOOPS} loops, {what}"));
        let (idle, flooded) = (quantile(&mut idle, 0.5), quantile(&mut flooded, 0.5));
        let ratio = flooded.as_secs_f64() / idle.as_secs_f64();
        row("floor: GET /api/auth/session, idle: p99", us(idle), format!("median of {ROUNDS}"));
        row("GET /api/auth/session, flooded: p99", us(flooded), format!("{ratio:.1} × idle; goal ≤ 3"));
        let [right, wrong, refused] = answers;
        row("attempts", right + wrong + refused, format!("{right} let in, {wrong} wrong, {refused} refused"));
        row("resident memory before", mib(before.0), format!("anonymous {}", mib(before.1)));
        row("resident memory during", mib(peak), "");
        let grown = (after.0 as f64 / before.0 as f64 - 1.0) * 100.0;
        row(
            "resident memory 5 s after",
            mib(after.0),
            format!("{grown:+.1} %; goal within 10; anonymous {}", mib(after.1)),
        );
    }
}
