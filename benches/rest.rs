//! REST reads and writes: server CPU per request beside bare hyper, group commit beside one-by-one commits.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};

use support::http::Http;
use support::process::{Process, Role, cpu, role};
use support::server::Server;
use support::{floor, quantile, row, runtime, title, us};

fn main() {
    match role() {
        Some((name, arguments)) if name == "load" => load(&arguments),
        Some((name, _)) => floor::run(&name),
        None => runtime().block_on(bench()),
    }
}

/// Role `load`: PORT COOKIE METHOD PATH BODY CONNECTIONS REQUESTS. Prints nanoseconds in all, p50 and p99.
fn load(arguments: &[String]) {
    let [port, cookie, method, path, body, connections, requests] = arguments else {
        panic!("{arguments:?}")
    };
    let (connections, requests): (usize, usize) = (connections.parse().unwrap(), requests.parse().unwrap());
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let mut http = Http::connect(port.parse().unwrap()).await.unwrap().with_cookie(cookie);
            let request = http.encode(method, path, body);
            tasks.spawn(async move {
                let mut times = Vec::with_capacity(requests / connections);
                for _ in 0..requests / connections {
                    let start = Instant::now();
                    let status = http.send(&request).await.unwrap();
                    assert!(status < 300, "status {status}");
                    times.push(start.elapsed());
                }
                times
            });
        }
        let start = Instant::now();
        let mut times: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
        let all = start.elapsed().as_nanos();
        println!("{all} {} {}", quantile(&mut times, 0.5).as_nanos(), quantile(&mut times, 0.99).as_nanos());
    });
}

struct Measured {
    /// Server CPU per request.
    cpu: Duration,
    /// Requests per second.
    rate: f64,
    p50: Duration,
    p99: Duration,
}

struct Load<'a> {
    port: u16,
    cookie: &'a str,
    method: &'a str,
    path: &'a str,
    body: &'a str,
    connections: usize,
}

impl Load<'_> {
    fn run(&self, server: u32, requests: usize) -> Measured {
        let arguments = [
            self.port.to_string(),
            self.cookie.to_owned(),
            self.method.to_owned(),
            self.path.to_owned(),
            self.body.to_owned(),
            self.connections.to_string(),
            requests.to_string(),
        ];
        // Once unmeasured, so that caches, statements and threads are there.
        Role::start("load", &{
            let mut warm = arguments.clone();
            warm[6] = (requests / 10).max(self.connections).to_string();
            warm
        })
        .hear();
        let before = cpu(server);
        let line = Role::start("load", &arguments).hear();
        let used = cpu(server) - before;
        let nanos: Vec<u64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        Measured {
            cpu: used / u32::try_from(requests).unwrap(),
            rate: requests as f64 / Duration::from_nanos(nanos[0]).as_secs_f64(),
            p50: Duration::from_nanos(nanos[1]),
            p99: Duration::from_nanos(nanos[2]),
        }
    }
}

fn hello(requests: usize) -> Measured {
    let mut role = Role::start("hello", &[]);
    let port = role.hear().parse().unwrap();
    let server: &Process = &role.process;
    Load { port, cookie: "", method: "GET", path: "/", body: "", connections: 4 }.run(server.id(), requests)
}

async fn bench() {
    let server = Server::start();
    let (_, cookie) = server.admin().await;
    let agents = server.create_agents(&cookie, 100, "server").await;
    let pid = server.process.id();
    let load = |method, path, body, connections| Load {
        port: server.port,
        cookie: &cookie,
        method,
        path,
        body,
        connections,
    };

    title("REST reads: server CPU per request");
    let floor = hello(100_000);
    row("floor: bare hyper, constant answer", us(floor.cpu), format!("p50 {}", us(floor.p50)));
    let session = load("GET", "/api/auth/session", "", 4).run(pid, 100_000);
    let ratio = session.cpu.as_secs_f64() / floor.cpu.as_secs_f64();
    row("GET /api/auth/session", us(session.cpu), format!("{ratio:.2} × the floor; goal ≤ 1.5 and ≤ 10 µs"));
    let list = load("GET", "/api/agents", "", 4).run(pid, 20_000);
    row(
        "GET /api/agents, 100 agents",
        us(list.cpu),
        format!("p50 {}; goal ≤ 60 µs, stretch 35", us(list.p50)),
    );
    let path = format!("/api/agents/{}", agents[0]);
    let one = load("GET", &path, "", 4).run(pid, 40_000);
    row("GET /api/agents/{id}", us(one.cpu), format!("p50 {}", us(one.p50)));

    title("REST writes: acknowledged creates, each one synced to disk");
    let body = r#"{"name":"Written","description":"In the hall","type":"server","secret":"bench-secret"}"#;
    let alone = load("POST", "/api/agents", body, 1).run(pid, 500);
    row("one at a time", format!("{:.0} /s", alone.rate), format!("p50 {}", us(alone.p50)));
    let many = load("POST", "/api/agents", body, 32).run(pid, 16_000);
    let ratio = many.rate / alone.rate;
    row("32 in parallel", format!("{:.0} /s", many.rate), format!("{ratio:.1} × one at a time; goal ≥ 8"));
    row("32 in parallel: server CPU per create", us(many.cpu), format!("p99 {}", us(many.p99)));
}
