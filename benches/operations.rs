//! Operations: what it costs to accept them, to work off a thousand queues at once, to start with many and to list them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use support::fleet::connect_all;
use support::http::written;
use support::load::{self, Load};
use support::process::{Role, cpu, role};
use support::server::{Server, free_port};
use support::{ms, quantile, row, runtime, title, us};

const PARALLEL: usize = 32;
/// How often as many operations are made as one user may have.
const ROUNDS: usize = 8;
const AGENTS: usize = 1000;
const EACH: usize = 10;
const LIVE: usize = 100_000;
const ENDED: usize = 1_000_000;
/// As in `model/operation.rs`: how a row's key is made of the time.
const KEYS_BEGIN: u64 = 1_577_836_800_000;
const BELOW_TIME: u32 = 22;

fn main() {
    match role() {
        Some((name, arguments)) if name == "load" => load::run(&arguments),
        Some((name, arguments)) if name == "fleet" => agents(&arguments),
        Some((name, arguments)) if name == "rows" => runtime().block_on(rows(Path::new(&arguments[0]))),
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

/// A row as that of an operation: its key, agent, state, when it was made, ended and is due, whether it was direct.
const ROW: &str = "INSERT INTO operations (key, id, kind, state, message, ownerID, agentID, deviceID, command, payload, attempts, \
     maxAttempts, createdAt, deliverBy, startedAt, endedAt, makerKind, makerID, makerName, userID, runTimeout, repeatable, \
     class, notBefore, dueAt, direct, version) VALUES (?1, randomblob(16), 'command', ?3, 'It waits until its agent is \
     connected', 1, ?2, iif(?7, ?2, NULL), 'HEARTBEAT', '{}', 0, 3, ?4, ?4 + 86400000, ?5, ?5, 'user', 1, 'admin', 1, 5000, \
     1, 1, 0, ?6, ?7, 0)";
const SENT: &str = "UPDATE operations SET state = 'running', message = 'It was sent, and its answer is waited for', attempts = 1, \
     startedAt = ?2, dueAt = ?2 + 15000, version = 1 WHERE key = ?1 AND version = 0";
const ANSWERED: &str = "UPDATE operations SET state = 'succeeded', message = 'The agent answered that it was done', \
     result = '{}', endedAt = ?2, dueAt = NULL, version = 2 WHERE key = ?1 AND version = 1";
const TRAIL: &str =
    "INSERT INTO operation_trail (operation, number, at, event, message) VALUES (?1, ?2, ?3, 'sent', 'Sent')";

/// Role `rows`: FOLDER, of a stopped server. Prints what the rows of operations take of bare libsql, in nanoseconds of CPU
/// each: accepted, 32 to a commit; then two steps with an entry in the trail, 128 steps to a commit; and done directly,
/// 2,000 to a commit.
async fn rows(folder: &Path) {
    let database = libsql::Builder::new_local(folder.join("data/db.sqlite")).build().await.unwrap();
    let db = database.connect().unwrap();
    let pragmas = "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON";
    db.execute_batch(pragmas).await.unwrap();
    let (insert, sent) = (db.prepare(ROW).await.unwrap(), db.prepare(SENT).await.unwrap());
    let (ended, trail) = (db.prepare(ANSWERED).await.unwrap(), db.prepare(TRAIL).await.unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    let key = |n: i64| ((now - i64::try_from(KEYS_BEGIN).unwrap()) << BELOW_TIME) + n;
    let agent = |n: i64| 1 + n % i64::try_from(PARALLEL).unwrap();
    let used = || cpu(std::process::id());
    let mut found = Vec::new();

    let mut before = used();
    for commit in 0..300 {
        db.execute("BEGIN IMMEDIATE", ()).await.unwrap();
        for n in commit * 32..(commit + 1) * 32 {
            let row = (key(n), agent(n), "queued", now, None::<i64>, Some(now + 86_400_000), false);
            insert.execute(row).await.unwrap();
            insert.reset();
        }
        db.execute("COMMIT", ()).await.unwrap();
    }
    found.push((used() - before) / (300 * 32));

    before = used();
    for commit in 0..150 {
        db.execute("BEGIN IMMEDIATE", ()).await.unwrap();
        for n in commit * 64..(commit + 1) * 64 {
            for (number, step) in [(1, &sent), (2, &ended)] {
                step.execute((key(n), now)).await.unwrap();
                step.reset();
                trail.execute((key(n), number, now)).await.unwrap();
                trail.reset();
            }
        }
        db.execute("COMMIT", ()).await.unwrap();
    }
    found.push((used() - before) / (150 * 64));

    before = used();
    for commit in 5..15 {
        db.execute("BEGIN IMMEDIATE", ()).await.unwrap();
        for n in commit * 2000..(commit + 1) * 2000 {
            let row = (key(n), agent(n), "succeeded", now, Some(now + 5), None::<i64>, true);
            insert.execute(row).await.unwrap();
            insert.reset();
        }
        db.execute("COMMIT", ()).await.unwrap();
    }
    found.push((used() - before) / (10 * 2000));
    println!("{} {} {}", found[0].as_nanos(), found[1].as_nanos(), found[2].as_nanos());
}

fn floors() {
    let folder = Server::start().stop();
    let line = Role::start("rows", &[folder.path().display().to_string()]).hear();
    let floors: Vec<_> = line.split(' ').map(|n| Duration::from_nanos(n.parse().unwrap())).collect();
    for (what, found) in [
        ("floor: bare libsql, a row accepted, 32 to a commit", floors[0]),
        ("floor: bare libsql, sent and answered, 128 steps to a commit", floors[1]),
        ("floor: bare libsql, a row recorded, 2,000 to a commit", floors[2]),
    ] {
        row(what, us(found), "CPU each");
    }
}

/// Adds `count` operations to the database of a stopped server, spread over the agents from `first` on.
async fn insert(folder: &Path, count: usize, agents: usize, first: i64, live: bool) {
    let database = libsql::Builder::new_local(folder.join("data/db.sqlite")).build().await.unwrap();
    let db = database.connect().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    // The key's upper bits are the time of the ID in milliseconds, as the column is read back from the ID.
    let (state, ended) = if live { ("queued", "NULL") } else { ("succeeded", "createdAt + 40") };
    let age = if live { 0 } else { 86_400_000_u128 };
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}), \
         made AS (SELECT i, {now} - {age} - {count} + i AS createdAt FROM n) \
         INSERT INTO operations (key, id, kind, state, message, ownerID, agentID, command, payload, attempts, maxAttempts, \
         createdAt, deliverBy, endedAt, makerKind, makerID, makerName, userID, runTimeout, repeatable, class, notBefore, \
         dueAt, direct, version) \
         SELECT (createdAt - {KEYS_BEGIN}) << {BELOW_TIME}, \
         unhex(printf('%012x7000', createdAt) || '8000000000000000'), 'command', '{state}', 'm', 1, \
         {first} + i % {agents}, 'WAKEUP', '{{\"macAddress\":\"AA:BB:CC:DD:EE:FF\",\"port\":9}}', {attempts}, 3, createdAt, \
         createdAt + 86000000, {ended}, 'user', 1, 'admin', 1, 10000, 1, 0, 0, {due}, 0, 0 FROM made",
        attempts = u8::from(!live),
        due = if live { "createdAt + 86000000" } else { "NULL" },
    );
    db.execute_batch(&sql).await.unwrap();
}

async fn accepted() {
    let metrics = free_port();
    let bind = format!("127.0.0.1:{metrics}");
    let settings = [
        ("NETIGNITE_PLUGINS__METRICS__ENABLED", "true"),
        ("NETIGNITE_PLUGINS__METRICS__BIND", bind.as_str()),
    ];
    let server = Server::start_with(tempfile::tempdir().unwrap(), &settings);
    let (_, cookie) = server.admin().await;
    let ids = server.create_agents(&cookie, PARALLEL, "server").await;
    assert_eq!((ids[0], ids.len()), (1, PARALLEL), "a connection's number is its agent's ID");
    let pid = server.process.id();
    let load = |path: &str, body: &str, requests| {
        let load =
            Load { port: server.port, cookie: &cookie, method: "POST", path, body, connections: PARALLEL };
        load.run(pid, requests)
    };
    // Their agents are offline, so that nothing but accepting is measured; a user may have 1,000 of them.
    let body = r#"{"kind":"command","agentID":{connection},"command":"HEARTBEAT","deliverWithin":86400}"#;
    let (mut http, _) = server.admin().await;
    let (mut rounds, mut commits) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = written(metrics).await;
        rounds.push(load("/api/operations", body, PARALLEL * 27));
        let after = written(metrics).await;
        commits.push((after.1 - before.1) / (after.0 - before.0));
        for _ in 0..2 {
            let live = http.request("GET", "/api/operations?state=live&limit=500", "").await.unwrap().body;
            let ids = live.split(r#""id":""#).skip(1).filter_map(|rest| rest.split('"').next());
            for id in ids {
                let canceled =
                    http.request("POST", &format!("/api/operations/{id}/cancel"), "{}").await.unwrap();
                assert_eq!(canceled.status, 200, "{}", canceled.body);
            }
        }
    }
    // The first is spent on what every first request costs.
    let measured = &mut rounds[1..];
    measured.sort_by_key(|round| round.cpu);
    let found = &measured[measured.len() / 2];
    row(
        "202 at 32 in parallel: server CPU each",
        us(found.cpu),
        format!("median of {}; goal 60 us; p99 {}", measured.len(), ms(found.p99)),
    );
    let commits = commits[1..].iter().sum::<f64>() / measured.len() as f64;
    row("202 at 32 in parallel: writes to a commit", format!("{commits:.1}"), "goal 12");
    let mut fleet = Role::start("fleet", &[server.port.to_string(), PARALLEL.to_string(), "1".to_owned()]);
    assert_eq!(fleet.hear(), "ready");
    // No more than may wait for one agent and of one user, however fast they are worked off.
    let whole = load("/api/operations", body, PARALLEL * 30);
    row(
        "the same, sent and answered too: server CPU each",
        us(whole.cpu),
        format!("{:.0} a second", whole.rate),
    );
    let direct = load("/api/agents/1/commands/HEARTBEAT", "{}", 4_000);
    row(
        "a direct command, recorded behind: server CPU each",
        us(direct.cpu),
        format!("p99 {}", ms(direct.p99)),
    );
}

async fn reconnected() {
    let server = Server::start();
    let (_, cookie) = server.admin().await;
    let ids = server.create_agents(&cookie, AGENTS, "microcontroller").await;
    let folder = server.stop();
    insert(folder.path(), AGENTS * EACH, AGENTS, ids[0], true).await;
    let server = Server::start_in(folder);
    let (mut http, _) = server.admin().await;
    let (before, start) = (server.process.cpu(), Instant::now());
    let fleet = [server.port.to_string(), AGENTS.to_string(), ids[0].to_string()];
    let mut fleet = Role::start("fleet", &fleet);
    let mut times = Vec::new();
    loop {
        let asked = Instant::now();
        let reply = http.request("GET", "/api/operations?state=live&limit=1", "").await.unwrap();
        times.push(asked.elapsed());
        if reply.body.contains(r#""data":[]"#) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = start.elapsed();
    assert_eq!(fleet.hear(), "ready");
    let cpu = server.process.cpu() - before;
    let each = cpu / u32::try_from(AGENTS * EACH).unwrap();
    row(
        "10,000 queued for 1,000 agents: server CPU each",
        us(each),
        format!("goal 120 us; all done after {}", ms(took)),
    );
    row("REST meanwhile: p99", ms(quantile(&mut times, 0.99)), "goal 50 ms");
}

async fn started() {
    let server = Server::start();
    let (_, cookie) = server.admin().await;
    let ids = server.create_agents(&cookie, AGENTS, "server").await;
    let folder = server.stop();
    insert(folder.path(), ENDED, AGENTS, ids[0], false).await;
    insert(folder.path(), LIVE, AGENTS, ids[0], true).await;
    let server = Server::start_in(folder);
    row("start with 100,000 live and 1,000,000 ended", ms(server.started_in), "goal 150 ms");
    let (mut http, _) = server.admin().await;
    let mut times = Vec::new();
    for _ in 0..200 {
        let asked = Instant::now();
        http.request("GET", "/api/operations?state=live&limit=100", "").await.unwrap();
        times.push(asked.elapsed());
    }
    row("a page of live ones: p50", ms(quantile(&mut times, 0.5)), "goal 2 ms");
}

async fn bench() {
    title("Operations");
    floors();
    accepted().await;
    reconnected().await;
    started().await;
}
