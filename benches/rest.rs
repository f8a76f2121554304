//! REST reads: server CPU per request beside bare hyper.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::load::{self, Load, Measured};
use support::process::{Process, Role, role};
use support::server::Server;
use support::{floor, row, runtime, title, us};

fn main() {
    match role() {
        Some((name, arguments)) if name == "load" => load::run(&arguments),
        Some((name, _)) => floor::run(&name),
        None => runtime().block_on(bench()),
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
}
