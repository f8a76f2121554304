//! Operations are true whatever happens to the server: the program is killed, or asked to stop, or its disk fills up, in the
//! middle of a storm of creations, answers and withdrawals, again and again, and its operations are compared with what the
//! agents did.
//!
//! What is asked for, what agents answer and when the program ends is decided by dice whose seed is printed;
//! `NETIGNITE_CRASH_SEED` throws the same ones again. `NETIGNITE_CRASH_ROUNDS` says how often the program ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::support::binary::superadmin;
use crate::support::firmware::Message;
use crate::support::system::SmallDisk;
use crate::support::trail::assert_in_order;
use crate::support::wait::{until, within};
use crate::support::{Agent, Binary, Client, sqlite};

const SECRET: &str = "correct horse battery staple";
const PATH: &str = "/api/operations";
const AGENTS: usize = 4;
const CLIENTS: usize = 6;
/// How long everything has until it has ended.
const SETTLED: Duration = Duration::from_secs(90);

/// How often the program ends: as often as asked for, or so often.
fn rounds(otherwise: u32) -> u32 {
    std::env::var("NETIGNITE_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(otherwise)
}

/// The seed of all dice: the one asked for, or another each time.
fn seed() -> u64 {
    let asked =
        std::env::var("NETIGNITE_CRASH_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
    let seed = asked.unwrap_or_else(|| fastrand::u64(..));
    println!("NETIGNITE_CRASH_SEED={seed} throws the same dice again");
    seed
}

/// What the agents were sent of one command, by the number in its payload.
#[derive(Default, Clone)]
struct Done {
    sent: u32,
    done: u32,
    refused: u32,
}

/// What is known outside of the server.
#[derive(Default)]
struct Known {
    number: AtomicU32,
    calm: AtomicBool,
    ledger: Mutex<BTreeMap<u32, Done>>,
    /// Requests that were acknowledged: the operation, and the number in its payload, if it is a command.
    acknowledged: Mutex<BTreeMap<String, Option<u32>>>,
    /// Requests whose answer did not come: they are sent again.
    unanswered: Mutex<Vec<(u32, Value)>>,
    /// Operations whose withdrawal was acknowledged.
    canceled: Mutex<Vec<String>>,
}

/// The number that a command carries.
fn number(message: &Message) -> Option<u32> {
    match message.command.as_str() {
        "WAKEUP" => {
            let mac = message.json["macAddress"].as_str()?;
            let digits: String = mac.chars().filter(char::is_ascii_hexdigit).collect();
            (&digits[..2] == "02").then(|| u32::from_str_radix(&digits[4..], 16).unwrap())
        }
        "REBOOT" => Some(u32::try_from(message.json["delaySeconds"].as_u64()?).unwrap()),
        _ => None,
    }
}

/// An agent that connects again and again, does what it is sent or does not, and writes down what it did.
async fn agent(address: SocketAddr, id: i64, known: Arc<Known>, mut dice: fastrand::Rng) {
    while let Ok(Agent { socket }) = Agent::try_connect(address, id, SECRET).await {
        let (mut sink, mut stream) = socket.split();
        while let Some(Ok(frame)) = stream.next().await {
            let Frame::Text(text) = frame else { continue };
            let message = Message::parse(&text);
            let number = number(&message);
            if let Some(number) = number {
                known.ledger.lock().entry(number).or_default().sent += 1;
            }
            let luck = if known.calm.load(Ordering::SeqCst) { 0 } else { dice.u32(0..100) };
            let ok = match message.command.as_str() {
                "HEARTBEAT" => Value::Null,
                "GET_STATUS" | "PROBE" => json!({"status": "OK", "message": "m", "online": "online"}),
                _ => json!({"status": "OK", "message": "done"}),
            };
            let reply = match luck {
                0..80 => ok,
                80..85 => json!({"status": "ERROR", "message": "no"}),
                // It says nothing.
                85..93 => continue,
                // It says so late.
                93..97 => {
                    tokio::time::sleep(Duration::from_millis(dice.u64(0..1200))).await;
                    ok
                }
                // It is gone before it answers.
                _ => break,
            };
            // Before the server can know.
            if let Some(number) = number {
                let mut ledger = known.ledger.lock();
                let entry = ledger.entry(number).or_default();
                if reply["status"] == "OK" { entry.done += 1 } else { entry.refused += 1 }
            }
            if sink.send(Frame::text(format!("{}:{}:{reply}", message.command, message.id))).await.is_err() {
                break;
            }
        }
    }
}

/// What is wanted next.
fn wanted(number: u32, agents: &[i64], devices: &[i64], dice: &mut fastrand::Rng) -> Value {
    let at = dice.usize(0..agents.len());
    let mut body = match dice.u32(0..10) {
        0..4 => {
            let bytes = number.to_be_bytes();
            let mac = format!("02:00:{:02X}:{:02X}:{:02X}:{:02X}", bytes[0], bytes[1], bytes[2], bytes[3]);
            json!({"kind": "command", "agentID": agents[at], "command": "WAKEUP",
                "payload": {"macAddress": mac, "port": 9}, "maxAttempts": dice.u32(1..4)})
        }
        4..8 => json!({"kind": "command", "agentID": agents[at], "command": "REBOOT",
            "payload": {"delaySeconds": number}}),
        8 => json!({"kind": "wake", "deviceID": devices[at]}),
        _ => json!({"kind": "wake", "deviceID": devices[at], "until": "online", "timeout": 5}),
    };
    body["deliverWithin"] = json!(dice.u32(2..15));
    body["runTimeout"] = json!(1);
    body
}

/// Sends a request; none if the server went away. What it answers otherwise is answered whole.
async fn post(client: &Client, path: &str, body: &Value, key: Option<u32>) -> Option<(u16, Value)> {
    let mut request = client.http.post(client.url(path)).json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", format!("key-{key}"));
    }
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let text = answer.text().await.ok()?;
    Some((status, serde_json::from_str(&text).expect("JSON")))
}

/// Creates and withdraws until the server is gone.
async fn storm(
    client: Client,
    agents: Vec<i64>,
    devices: Vec<i64>,
    known: Arc<Known>,
    mut dice: fastrand::Rng,
) {
    for _ in 0..40 {
        let again = known.unanswered.lock().pop();
        let (number, body) = again.unwrap_or_else(|| {
            let number = known.number.fetch_add(1, Ordering::SeqCst);
            (number, wanted(number, &agents, &devices, &mut dice))
        });
        let Some((status, answer)) = post(&client, PATH, &body, Some(number)).await else {
            known.unanswered.lock().push((number, body));
            return;
        };
        match status {
            200 | 202 => {}
            // There are too many, the server is stopping or the disk is full: nothing was made.
            429 | 503 => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
            _ => panic!("{status}: {answer}"),
        }
        let id = answer["data"]["id"].as_str().expect("a UUID").to_owned();
        let of_command = (body["kind"] == "command").then_some(number);
        known.acknowledged.lock().insert(id.clone(), of_command);
        if dice.u32(0..4) == 0 {
            match post(&client, &format!("{PATH}/{id}/cancel"), &json!({}), None).await {
                Some((200, _)) => known.canceled.lock().push(id),
                Some((409 | 503, _)) => {}
                Some((status, answer)) => panic!("{status}: {answer}"),
                None => return,
            }
        }
    }
}

/// Whether an operation was withdrawn while it waited for its next attempt, which only what may be repeated does, and only
/// after an attempt whose outcome is unknown.
fn is_withdrawn_between_attempts(operation: &Value) -> bool {
    let trail = operation["trail"].as_array().unwrap();
    let mut events: Vec<_> = trail.iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    let withdrawn = events.pop() == Some("canceled");
    // A turn that came to nothing.
    while events.ends_with(&["sent", "not_sent"]) {
        events.truncate(events.len() - 2);
    }
    let waited =
        events.ends_with(&["connection_lost", "queued"]) || events.ends_with(&["server_restarted", "queued"]);
    let left = operation["attempts"].as_u64() < operation["maxAttempts"].as_u64();
    let says_so =
        operation["message"].as_str().unwrap().contains("whether an earlier one was done is unknown");
    operation["command"] == "WAKEUP" && withdrawn && waited && left && says_so
}

/// Compares an operation with what the agents did.
fn check(operation: &Value, number: Option<u32>, known: &Known) {
    let word = |field: &str| operation[field].as_str().unwrap_or_default();
    let (state, why) = (word("state"), word("reason"));
    let trail: Vec<_> = operation["trail"].as_array().unwrap().iter().collect();
    let count = |event: &str| trail.iter().filter(|entry| entry["event"] == event).count();
    assert!(operation["endedAt"].is_i64(), "live for ever: {operation}");
    assert_in_order(operation);
    let Some(number) = number else {
        assert!(
            ["succeeded", "failed", "timed_out", "expired", "canceled"].contains(&state),
            "no state: {operation}"
        );
        return;
    };
    let done = known.ledger.lock().get(&number).cloned().unwrap_or_default();
    let attempts = u32::try_from(operation["attempts"].as_u64().unwrap()).unwrap();
    let about = format!("sent {}, done {}, refused {}: {operation}", done.sent, done.done, done.refused);
    assert!(done.sent <= attempts, "sent without an attempt: {about}");
    assert!(u64::from(attempts) <= operation["maxAttempts"].as_u64().unwrap(), "too many attempts: {about}");
    assert_eq!(count("sent") - count("not_sent"), attempts as usize, "not in the trail: {about}");
    if operation["command"] == "REBOOT" {
        assert!(done.sent <= 1, "it may not be repeated: {about}");
    }
    match (state, why) {
        ("succeeded", "") => assert!(done.done > 0, "not done: {about}"),
        ("failed", "command_failed") => assert!(done.refused > 0, "not refused: {about}"),
        ("failed" | "timed_out", "connection_lost" | "server_restarted" | "agent_timeout") => {
            assert!(attempts > 0, "never tried: {about}");
        }
        ("expired", _) => assert_eq!(attempts, 0, "it was sent: {about}"),
        ("canceled", "canceled") => {
            assert!(attempts == 0 || is_withdrawn_between_attempts(operation), "it was sent: {about}");
        }
        _ => panic!("no end for it: {about}"),
    }
}

async fn agents(
    address: SocketAddr,
    ids: &[i64],
    client: &Client,
    known: &Arc<Known>,
    dice: &mut fastrand::Rng,
) -> JoinSet<()> {
    let mut connected = JoinSet::new();
    for id in ids {
        connected.spawn(agent(address, *id, known.clone(), dice.fork()));
    }
    for id in ids {
        until("the agent", || async { (client.agent_status(*id).await == "online").then_some(()) }).await;
    }
    connected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_stay_true_when_the_program_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    stay_true(directory.path(), rounds(40), async |server, _| server.kill().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_stay_true_when_the_program_is_asked_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    stay_true(directory.path(), rounds(8), async |server, _| {
        server.signal(Signal::TERM);
        let (status, log) = server.ended().await;
        assert!(status.success(), "{log}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_stay_true_when_the_disk_fills_up() {
    let (directory, rounds) = (tempfile::tempdir().unwrap(), rounds(8));
    let (data, size) = (directory.path().join("data"), format!("{}m", 32 + rounds / 2));
    let Some(disk) = SmallDisk::mount(&data, &size, "operations_stay_true_when_the_disk_fills_up") else {
        return;
    };
    stay_true(directory.path(), rounds, async |server, mut dice| {
        let filler = disk.fill();
        tokio::time::sleep(Duration::from_millis(dice.u64(0..500))).await;
        if dice.bool() {
            // It goes on, and has its disk back.
            std::fs::remove_file(&filler).unwrap();
            tokio::time::sleep(Duration::from_millis(dice.u64(0..3_000))).await;
        }
        server.kill().await;
        let _ = std::fs::remove_file(&filler);
    })
    .await;
}

/// Everything that is stored, as lists show it, by its ID.
async fn listed(client: &Client) -> BTreeMap<String, Value> {
    let (mut all, mut next) = (BTreeMap::new(), Some(format!("{PATH}?limit=500")));
    while let Some(path) = next {
        let page = client.get(&path).await.expect(200);
        let rows = page.data().as_array().unwrap().iter();
        all.extend(rows.map(|one| (one["id"].as_str().unwrap().to_owned(), one.clone())));
        let link = page.header("link").and_then(|link| link.strip_prefix('<'));
        next = link.and_then(|link| link.split_once('>')).map(|(path, _)| path.to_owned());
    }
    all
}

/// Looks after a restart at all that was acknowledged so far: nothing is lost, and what has ended is true. Each that has
/// ended for good is looked at whole once; `checked` has their states.
async fn look(client: &Client, known: &Known, checked: &mut BTreeMap<String, String>) {
    let listed = listed(client).await;
    let acknowledged = known.acknowledged.lock().clone();
    for (id, number) in &acknowledged {
        let one = listed.get(id).unwrap_or_else(|| panic!("it was acknowledged and is lost: {id}"));
        let state = one["state"].as_str().unwrap();
        if let Some(before) = checked.get(id) {
            assert_eq!(state, before, "it had ended: {one}");
            continue;
        }
        // A late answer may still end one that timed out, though none comes over a restart.
        if one["endedAt"].is_null() || state == "timed_out" {
            let done =
                number.and_then(|number| known.ledger.lock().get(&number).cloned()).unwrap_or_default();
            let attempts = one["attempts"].as_u64().unwrap();
            assert!(number.is_none() || u64::from(done.sent) <= attempts, "sent without an attempt: {one}");
            continue;
        }
        let operation = client.get(&format!("{PATH}/{id}")).await.expect(200).data().clone();
        check(&operation, *number, known);
        checked.insert(id.clone(), state.to_owned());
    }
    for id in known.canceled.lock().iter() {
        assert_eq!(listed[id]["state"], "canceled", "its withdrawal was acknowledged: {}", listed[id]);
    }
}

/// Ends the program again and again, and looks at its operations each time.
async fn stay_true(directory: &Path, rounds: u32, end: impl AsyncFn(Binary, fastrand::Rng)) {
    let mut dice = fastrand::Rng::with_seed(seed());
    let mut checked = BTreeMap::new();
    let known = Arc::new(Known::default());
    let (mut server, mut address) = Binary::serve(directory).await;
    let mut admin = superadmin(directory, address).await;
    let (mut ids, mut devices) = (Vec::new(), Vec::new());
    for _ in 0..AGENTS {
        let agent = admin.create_agent("server", SECRET).await;
        ids.push(agent);
        devices.push(admin.create_device(agent, "AA:BB:CC:DD:EE:FF").await);
    }
    for _ in 0..rounds {
        // Some of them come later than the storm, or not at all.
        let mut connected =
            agents(address, &ids[..dice.usize(1..=AGENTS)], &admin, &known, &mut dice.fork()).await;
        let enough = known.acknowledged.lock().len() + dice.usize(5..40);
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(storm(admin.clone(), ids.clone(), devices.clone(), known.clone(), dice.fork()));
        }
        until("some operations", || {
            let there = known.acknowledged.lock().len() >= enough || clients.is_empty();
            async move { there.then_some(()) }
        })
        .await;
        // Not at a moment of our choosing: somewhere within a commit, or between two.
        tokio::time::sleep(Duration::from_micros(dice.u64(0..40_000))).await;
        end(server, dice.fork()).await;
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        while let Some(ended) = connected.join_next().await {
            ended.unwrap();
        }
        (server, address) = Binary::serve(directory).await;
        admin = Client { address, ..admin };
        look(&admin, &known, &mut checked).await;
    }
    // From now on all is well.
    known.calm.store(true, Ordering::SeqCst);
    let _connected = agents(address, &ids, &admin, &known, &mut dice).await;
    within(SETTLED, "the end of all of them", async {
        loop {
            let live = admin.get(&format!("{PATH}?state=live&limit=1")).await.expect(200);
            if live.data().as_array().unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    let acknowledged = known.acknowledged.lock().clone();
    let mut states = BTreeMap::<String, u32>::new();
    let listed = listed(&admin).await;
    for (id, number) in &acknowledged {
        let one = &listed[id];
        if checked.get(id).is_none_or(|state| one["state"] != state.as_str()) {
            let operation = admin.get(&format!("{PATH}/{id}")).await.expect(200).data().clone();
            check(&operation, *number, &known);
        }
        let end = format!("{} {}", one["state"], one["reason"]);
        *states.entry(end).or_default() += 1;
    }
    for id in known.canceled.lock().iter() {
        assert_eq!(listed[id]["state"], "canceled", "its withdrawal was acknowledged: {}", listed[id]);
    }
    // No request made two operations, not even one that was sent again.
    let path = directory.join("data/db.sqlite");
    let twice = "SELECT payload FROM operations WHERE kind = 'command' GROUP BY payload HAVING count(*) > 1";
    assert_eq!(sqlite::texts(&path, twice).await, Vec::<String>::new());
    assert_eq!(sqlite::texts(&path, "PRAGMA integrity_check").await, ["ok"]);
    println!("{} operations: {states:#?}", acknowledged.len());
    assert!(states.len() >= 4, "{states:?}");
}
