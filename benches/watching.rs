//! Watched devices to which nothing happens: what a look costs, and whether anything is written. `BENCH_DEVICES=1000` keeps
//! it small.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use support::fleet::connect_all;
use support::http::written;
use support::process::{Role, role};
use support::server::{Server, free_port};
use support::{row, runtime, title, us};

const AGENTS: usize = 100;
/// Seconds between two looks at a device.
const EVERY: u64 = 10;
/// For how many intervals looks are counted.
const ROUNDS: u32 = 3;

fn main() {
    match role() {
        Some((name, arguments)) if name == "fleet" => agents(&arguments),
        Some((name, _)) => panic!("no role {name}"),
        None => runtime().block_on(bench()),
    }
}

/// Role `fleet`: PORT COUNT FIRST. Says `ready` once all are connected, then answers commands.
fn agents(arguments: &[String]) {
    let [port, count, first] = arguments else { panic!("{arguments:?}") };
    let first: i64 = first.parse().unwrap();
    let ids: Vec<i64> = (first..first + count.parse::<i64>().unwrap()).collect();
    runtime().block_on(async {
        let storm = connect_all(port.parse().unwrap(), &ids, 100, &Arc::new(AtomicUsize::new(0))).await;
        assert_eq!(storm.connected, ids.len());
        println!("ready");
        std::future::pending::<()>().await;
    });
}

/// Adds `count` watched devices to the database of a stopped server, spread over the agents from `first` on.
async fn insert(folder: &Path, count: usize, first: i64) {
    let database = libsql::Builder::new_local(folder.join("data/db.sqlite")).build().await.unwrap();
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}) \
         INSERT INTO devices (name, type, macAddress, port, agentID, ownerID, address, watchInterval) \
         SELECT 'Device ' || i, 'nas', 'AA:BB:CC:DD:EE:FF', 9, {first} + i % {AGENTS}, 1, '192.0.2.1', {EVERY} FROM n"
    );
    database.connect().unwrap().execute_batch(&sql).await.unwrap();
}

/// How many commands the agents have been sent.
async fn sent(metrics: u16) -> f64 {
    let mut http = support::http::Http::connect(metrics).await.unwrap();
    let text = http.request("GET", "/metrics", "").await.unwrap().body;
    let of_probe = |line: &&str| line.starts_with("netignite_commands_total{") && line.contains("PROBE");
    text.lines().filter(of_probe).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn bench() {
    let most: usize = std::env::var("BENCH_DEVICES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let server = Server::start();
    let (_, cookie) = server.admin().await;
    let ids = server.create_agents(&cookie, AGENTS, "server").await;
    let folder = server.stop();
    insert(folder.path(), most, ids[0]).await;
    let metrics = free_port();
    let bind = format!("127.0.0.1:{metrics}");
    let settings = [
        ("NETIGNITE_PLUGINS__METRICS__ENABLED", "true"),
        ("NETIGNITE_PLUGINS__METRICS__BIND", bind.as_str()),
    ];
    let server = Server::start_with(folder, &settings);
    let mut fleet = Role::start("fleet", &[server.port.to_string(), AGENTS.to_string(), ids[0].to_string()]);
    assert_eq!(fleet.hear(), "ready");
    // The first look at each, which is a change and is written.
    let (mut before, mut quiet) = (sent(metrics).await, 0);
    while before < 2.0 * most as f64 && quiet < 60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        before = sent(metrics).await;
        quiet += 1;
    }
    let (cpu, commits) = (server.process.cpu(), written(metrics).await);
    tokio::time::sleep(Duration::from_secs(EVERY * u64::from(ROUNDS))).await;
    let (used, after) = (server.process.cpu() - cpu, written(metrics).await);
    let looks = sent(metrics).await - before;
    title("Watched devices, nothing changing");
    row(
        "looks",
        format!("{looks:.0}"),
        format!("{most} devices, every {EVERY} s, for {} s", EVERY * u64::from(ROUNDS)),
    );
    row("server CPU a look", us(used.div_f64(looks)), "goal 60 us");
    row("writes meanwhile", format!("{:.0}", after.1 - commits.1), "goal 0");
}
