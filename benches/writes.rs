//! REST writes: acknowledged creates, each one synced to disk, one at a time and 32 in parallel, beside bare libsql
//! commits of one insert and of 32.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};

use support::http::written;
use support::load::{self, Load};
use support::process::{Role, role};
use support::server::{Server, free_port};
use support::{row, runtime, title, us};

/// Inserts that are measured of each kind of commit.
const COMMITS: usize = 500;
const PARALLEL: usize = 32;

fn main() {
    match role() {
        Some((name, arguments)) if name == "load" => load::run(&arguments),
        Some((name, _)) if name == "commits" => runtime().block_on(commits()),
        Some((name, _)) => panic!("no role {name}"),
        None => runtime().block_on(bench()),
    }
}

/// Role `commits`: prints how long a commit of one insert takes, and one of 32, in nanoseconds.
async fn commits() {
    let folder = tempfile::tempdir().unwrap();
    let database = libsql::Builder::new_local(folder.path().join("db.sqlite")).build().await.unwrap();
    let db = database.connect().unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         CREATE TABLE agents (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, type TEXT, description TEXT, secret TEXT, \
         ownerID INTEGER); CREATE INDEX owners ON agents (ownerID)",
    )
    .await
    .unwrap();
    let insert = "INSERT INTO agents (name, type, description, secret, ownerID) VALUES (?1, ?2, ?3, ?4, ?5)";
    let insert = db.prepare(insert).await.unwrap();
    let mut found = Vec::new();
    for batch in [1, PARALLEL] {
        let start = Instant::now();
        for _ in 0..COMMITS {
            db.execute("BEGIN IMMEDIATE", ()).await.unwrap();
            for _ in 0..batch {
                insert
                    .execute(("Written", "server", "In the hall", "bench-secret-of-an-agent", 1))
                    .await
                    .unwrap();
                insert.reset();
            }
            db.execute("COMMIT", ()).await.unwrap();
        }
        found.push((start.elapsed() / u32::try_from(COMMITS).unwrap()).as_nanos());
    }
    println!("{} {}", found[0], found[1]);
}

async fn bench() {
    let metrics = free_port();
    let settings = [
        ("NETIGNITE_PLUGINS__METRICS__ENABLED", "true"),
        ("NETIGNITE_PLUGINS__METRICS__BIND", &format!("127.0.0.1:{metrics}")),
    ];
    let server = Server::start_with(tempfile::tempdir().unwrap(), &settings);
    let (_, cookie) = server.admin().await;
    let pid = server.process.id();
    let body = r#"{"name":"Written","description":"In the hall","type":"server","secret":"bench-secret-of-an-agent"}"#;
    let load = |connections| Load {
        port: server.port,
        cookie: &cookie,
        method: "POST",
        path: "/api/agents",
        body,
        connections,
    };

    title("Writes: acknowledged creates, each one synced to disk");
    let line = Role::start("commits", &[]).hear();
    let bare: Vec<Duration> = line.split(' ').map(|n| Duration::from_nanos(n.parse().unwrap())).collect();
    let rate = |batch: usize, each: Duration| batch as f64 / each.as_secs_f64();
    let (one, many) = (rate(1, bare[0]), rate(PARALLEL, bare[1]));
    row("floor: bare commits of 1 insert", format!("{one:.0} /s"), format!("{} each", us(bare[0])));
    row(
        "floor: bare commits of 32 inserts",
        format!("{many:.0} /s"),
        format!("{:.1} × commits of one", many / one),
    );
    let alone = load(1).run(pid, COMMITS);
    row("one at a time", format!("{:.0} /s", alone.rate), format!("p50 {}", us(alone.p50)));
    let before = written(metrics).await;
    let many = load(PARALLEL).run(pid, 16_000);
    let after = written(metrics).await;
    let batch = (after.1 - before.1) / (after.0 - before.0);
    let ratio = many.rate / alone.rate;
    row(
        "32 in parallel",
        format!("{:.0} /s", many.rate),
        format!("{ratio:.1} × one at a time; goal ≥ 8; {:.1} × bare commits of one", many.rate / one),
    );
    row("32 in parallel: average batch", format!("{batch:.1}"), "goal ≥ 12");
    row("32 in parallel: server CPU per create", us(many.cpu), format!("p99 {}", us(many.p99)));
}
