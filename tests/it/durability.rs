//! What was acknowledged is on disk: the program is killed in the middle of a storm of creates, again and again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::binary::superadmin;
use crate::support::{Binary, Client, sqlite};

const ROUNDS: usize = 50;
const WRITERS: usize = 8;

/// Names by ID of every agent whose creation was answered with 201.
type Acknowledged = Arc<Mutex<BTreeMap<i64, String>>>;

/// The client on another port of the same host: cookies know no ports.
fn moved(client: &Client, address: SocketAddr) -> Client {
    Client { address, ..client.clone() }
}

/// Creates agents until the server is gone.
async fn storm(client: Client, name: String, acknowledged: Acknowledged) {
    for n in 0.. {
        let name = format!("{name}-{n}");
        let body =
            json!({"name": name, "description": "", "type": "server", "secret": "a long enough secret"});
        let Ok(answer) = client.http.post(client.url("/api/agents")).json(&body).send().await else { return };
        let status = answer.status();
        let Ok(text) = answer.text().await else { return };
        assert_eq!(status, 201, "{text}");
        let body: Value = serde_json::from_str(&text).expect("JSON");
        acknowledged.lock().insert(body["data"].as_i64().expect("an ID"), name);
    }
}

/// Checks the files as the kill left them, in a copy: the next start has to cope with the originals.
async fn check_copy(data: &Path, acknowledged: &Acknowledged) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["db.sqlite", "db.sqlite-wal"] {
        if data.join(name).exists() {
            std::fs::copy(data.join(name), copy.path().join(name)).unwrap();
        }
    }
    let path = copy.path().join("db.sqlite");
    let acknowledged = acknowledged.lock().clone();
    assert_eq!(sqlite::texts(&path, "PRAGMA integrity_check").await, ["ok"]);
    assert_eq!(sqlite::texts(&path, "PRAGMA foreign_key_check").await, Vec::<String>::new());
    let stored = sqlite::texts(&path, "SELECT id || ' ' || name FROM agents").await;
    let stored: std::collections::HashSet<_> = stored.into_iter().collect();
    // A change and its entry in the audit log are one.
    let noted =
        sqlite::texts(&path, "SELECT targetID || ' ' || targetName FROM audit WHERE action = 'agent.create'");
    assert_eq!(noted.await.into_iter().collect::<std::collections::HashSet<_>>(), stored);
    for (id, name) in acknowledged {
        assert!(stored.contains(&format!("{id} {name}")), "{id} {name} was acknowledged and is gone");
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_program_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let acknowledged = Acknowledged::default();
    let mut admin = None;
    for round in 0..ROUNDS {
        let (server, address) = Binary::serve(directory.path()).await;
        // The first round's session must outlive every kill.
        let client = match &admin {
            None => superadmin(directory.path(), address).await,
            Some(client) => moved(client, address),
        };
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(storm(client.clone(), format!("{round}-{writer}"), acknowledged.clone()));
        }
        let before = acknowledged.lock().len();
        let enough = before + fastrand::usize(1..20);
        crate::support::wait::until("some creates", || {
            let there = acknowledged.lock().len() >= enough;
            async move { there.then_some(()) }
        })
        .await;
        // Not at a moment of our choosing: somewhere within a commit, or between two.
        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..15_000))).await;
        server.kill().await;
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        check_copy(&directory.path().join("data"), &acknowledged).await;
        admin = Some(client);
    }
    let (_server, address) = Binary::serve(directory.path()).await;
    let admin = moved(&admin.expect("a client"), address);
    let listed = admin.get("/api/agents").await.expect(200);
    let listed: BTreeMap<i64, String> = listed
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| (agent["id"].as_i64().unwrap(), agent["name"].as_str().unwrap().to_owned()))
        .collect();
    let acknowledged = acknowledged.lock().clone();
    for (id, name) in &acknowledged {
        assert_eq!(listed.get(id), Some(name), "{id} was acknowledged");
    }
    assert!(acknowledged.len() >= ROUNDS, "only {} creates", acknowledged.len());
}

#[tokio::test]
async fn a_kill_during_the_first_start_leaves_a_way_in() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..15 {
        let started = Binary::spawn(crate::support::binary::command(directory.path(), &[]));
        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..60_000))).await;
        started.kill().await;
    }
    // However far each start came, the password in the file is the one that works.
    let (_server, address) = Binary::serve(directory.path()).await;
    superadmin(directory.path(), address).await.get("/api/auth/session").await.expect(200);
}
