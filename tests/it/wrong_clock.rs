//! A wall clock that is wrong by years, and right again later: nothing is deleted for good by one reading of it, and
//! sessions outlive it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::binary::{command, superadmin};
use crate::support::scene::{MAC, SECRET};
use crate::support::system::with_clock;
use crate::support::trail::assert_in_order;
use crate::support::wait::{until, until_equal};
use crate::support::{Agent, Binary, Client, sqlite};
use crate::wake_until::{Probe, connect_at, lan};

const DAY: i64 = 86_400;
const YEARS_AHEAD: i64 = 14 * 365 * DAY;

/// A server whose clock can be set.
struct Machine {
    directory: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn set(&self, ahead: i64) {
        fs::write(self.path().join("clock"), ahead.to_string()).unwrap();
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    async fn start(&self, ahead: i64) -> (Binary, SocketAddr) {
        self.set(ahead);
        let mut program = command(self.path(), &["serve"]);
        with_clock(&mut program, &self.path().join("clock"));
        program.env("NETIGNITE_LOG__FILE", "./logs/netignite.log");
        let mut server = Binary::spawn(program);
        let address = server.listening().await;
        (server, address)
    }

    async fn stop(&self, server: Binary) -> String {
        server.signal(Signal::TERM);
        let (status, log) = server.ended().await;
        assert!(status.success(), "{log}");
        log
    }

    async fn count(&self, query: &str) -> i64 {
        sqlite::text(&self.path().join("data/db.sqlite"), query).await.parse().unwrap()
    }
}

fn moved(client: &Client, address: SocketAddr) -> Client {
    Client { address, ..client.clone() }
}

async fn is_in(client: &Client, address: SocketAddr) -> bool {
    moved(client, address).get("/api/auth/session").await.status == 200
}

/// Milliseconds since the epoch that the real clock shows.
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

#[tokio::test]
async fn one_start_years_ahead_deletes_nothing() {
    let machine = Machine::new();
    let (server, address) = machine.start(0).await;
    let client = superadmin(machine.path(), address).await;
    client.create_agent("server", "a long secret of an agent").await;
    machine.stop(server).await;
    let entries = machine.count("SELECT count(*) FROM audit").await;
    let logs = || fs::read_dir(machine.path().join("logs")).unwrap().count();
    assert!(entries > 1 && logs() == 1);

    for _ in 0..2 {
        let (server, address) = machine.start(YEARS_AHEAD).await;
        server.line(&["The clock is", "years ahead"]).await;
        assert!(!is_in(&client, address).await, "it has ended by this clock");
        // A login now must last, but not for years.
        let late = superadmin(machine.path(), address).await;
        assert!(is_in(&late, address).await);
        machine.stop(server).await;
        assert!(machine.count("SELECT count(*) FROM audit").await >= entries);

        let (server, address) = machine.start(0).await;
        assert!(is_in(&client, address).await, "it was deleted");
        assert!(is_in(&late, address).await, "it died when the clock was right again");
        let session = moved(&late, address).get("/api/auth/session").await;
        let ends = session.data()["expirationTimestamp"].as_i64().unwrap();
        assert!(ends < now() + 31 * DAY * 1000, "{ends}");
        machine.stop(server).await;
        let longest = machine.count("SELECT max(expires) FROM sessions").await;
        assert!(longest < now() + 31 * DAY * 1000, "{longest}");
    }
    assert!(logs() >= 2, "the file of the day was deleted");
}

#[tokio::test]
async fn a_session_outlives_a_clock_that_is_set_while_it_is_in_use() {
    for wrong in [YEARS_AHEAD, -now() / 1000] {
        let machine = Machine::new();
        let (server, address) = machine.start(wrong).await;
        let made_wrong = superadmin(machine.path(), address).await;
        machine.set(0);
        server.line(&["wall clock was set"]).await;
        assert!(is_in(&made_wrong, address).await, "{wrong}");
        let made_right = superadmin(machine.path(), address).await;
        machine.set(wrong);
        assert!(is_in(&made_right, address).await, "{wrong}: used just now");
        until("the clock to be set twice", || async {
            (server.log().matches("wall clock was set").count() >= 2).then_some(())
        })
        .await;
        machine.set(0);
        until("the clock to be set again", || async {
            (server.log().matches("wall clock was set").count() >= 3).then_some(())
        })
        .await;
        machine.stop(server).await;
        let (server, address) = machine.start(0).await;
        assert!(is_in(&made_wrong, address).await && is_in(&made_right, address).await, "{wrong}");
        machine.stop(server).await;
    }
}

#[tokio::test]
async fn a_start_in_1970_deletes_nothing_and_stores_no_such_times() {
    let machine = Machine::new();
    let (server, address) = machine.start(0).await;
    let client = superadmin(machine.path(), address).await;
    machine.stop(server).await;
    let entries = machine.count("SELECT count(*) FROM audit").await;
    let (server, address) = machine.start(-now() / 1000).await;
    server.line(&["The clock is", "behind"]).await;
    assert!(is_in(&client, address).await);
    let early = superadmin(machine.path(), address).await;
    early.create_agent("server", "a long secret of an agent").await;
    machine.stop(server).await;
    assert!(machine.count("SELECT count(*) FROM audit").await > entries);
    let oldest = machine.count("SELECT min(at) FROM audit").await;
    assert!(oldest > now() - DAY * 1000, "{oldest}");
    let (server, address) = machine.start(0).await;
    assert!(is_in(&client, address).await && is_in(&early, address).await);
    machine.stop(server).await;
}

#[tokio::test]
async fn failed_logins_are_not_held_against_anyone_for_years() {
    let machine = Machine::new();
    let (server, address) = machine.start(YEARS_AHEAD).await;
    let wrong = json!({"username": "admin", "password": "wrong"});
    for _ in 0..10 {
        Client::anonymous(address).post("/api/auth/login", wrong.clone()).await.expect(401);
    }
    machine.set(0);
    let refused = Client::anonymous(address).post("/api/auth/login", wrong).await.expect(429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(wait <= 300, "{wait}");
    machine.stop(server).await;
}

#[tokio::test]
async fn a_new_database_takes_the_word_of_older_logs() {
    let machine = Machine::new();
    let (server, _) = machine.start(0).await;
    machine.stop(server).await;
    fs::remove_dir_all(machine.path().join("data")).unwrap();
    let (server, _) = machine.start(YEARS_AHEAD).await;
    server.line(&["The clock is", "years ahead"]).await;
    machine.stop(server).await;
    assert!(fs::read_dir(machine.path().join("logs")).unwrap().count() == 2, "a log was deleted");
}

#[tokio::test]
async fn what_lets_in_for_a_while_does_not_do_so_for_years() {
    let machine = Machine::new();
    let (server, address) = machine.start(YEARS_AHEAD).await;
    let admin = superadmin(machine.path(), address).await;
    let agent = admin.create_agent("server", SECRET).await;
    let code = admin.post("/api/agents/enrolment-codes", json!({"type": "server"})).await.expect(201);
    let ann = json!({"username": "ann", "password": "a long password of ann", "role": "user"});
    let ann = admin.post("/api/admin/users", ann).await.expect(201).id();
    let reset = admin.post(&format!("/api/admin/users/{ann}/password-reset"), json!({})).await.expect(201);
    let rotation = json!({"graceHours": 24});
    admin.post(&format!("/api/agents/{agent}/secret"), rotation).await.expect(200);
    assert!(Agent::try_connect(address, agent, SECRET).await.is_ok(), "the old secret is good for a day");

    machine.set(0);
    server.line(&["wall clock was set back"]).await;
    let anonymous = Client::anonymous(address);
    let enrol = json!({"code": code.data()["code"], "name": "Late"});
    let refused = anonymous.post("/api/agents/enrol", enrol).await.expect(403);
    assert_eq!(refused.code(), "invalid_enrolment_code");
    let token = json!({"token": reset.data()["token"], "password": "another long password"});
    let refused = anonymous.post("/api/auth/reset-password", token).await.expect(400);
    assert_eq!(refused.code(), "invalid_reset_token");
    assert!(Agent::try_connect(address, agent, SECRET).await.is_err(), "it would be good for years");
    machine.stop(server).await;
}

/// Has a command queued for an agent that is not connected.
async fn queue(client: &Client, agent: i64, within: u32) -> String {
    let payload = json!({"macAddress": MAC, "port": 9});
    let body = json!({"kind": "command", "agentID": agent, "command": "WAKEUP", "payload": payload,
        "deliverWithin": within});
    let queued = client.post("/api/operations", body).await.expect(202);
    queued.data()["id"].as_str().unwrap().to_owned()
}

async fn state(client: &Client, id: &str) -> String {
    let read = client.get(&format!("/api/operations/{id}")).await.expect(200);
    read.data()["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_waits_has_its_time_whatever_the_clock_is_set_to() {
    for wrong in [YEARS_AHEAD, -3 * 60 * 60] {
        let machine = Machine::new();
        let (server, address) = machine.start(wrong).await;
        let admin = superadmin(machine.path(), address).await;
        let agent = admin.create_agent("server", SECRET).await;
        let (short, long) = (queue(&admin, agent, 8).await, queue(&admin, agent, 3600).await);
        machine.set(0);
        server.line(&["wall clock was set"]).await;
        until_equal("the end of its time", "expired".to_owned(), || state(&admin, &short)).await;
        assert_eq!(state(&admin, &long).await, "queued", "{wrong}: its time is not over");
        machine.stop(server).await;
        let left = "SELECT max(deliverBy) FROM operations WHERE endedAt IS NULL";
        let left = machine.count(left).await - now();
        assert!((3000 * 1000..=3600 * 1000).contains(&left), "{wrong}: {left} ms are left");
    }
}

#[tokio::test]
async fn what_a_wrong_clock_made_does_not_wait_for_years_after_a_restart() {
    let machine = Machine::new();
    let (server, address) = machine.start(YEARS_AHEAD).await;
    let admin = superadmin(machine.path(), address).await;
    let agent = admin.create_agent("server", SECRET).await;
    let queued = queue(&admin, agent, 10).await;
    let device = admin.create_device(agent, MAC).await;
    let wake =
        json!({"kind": "wake", "deviceID": device, "until": "online", "timeout": 10, "deliverWithin": 10});
    let wake =
        admin.post("/api/operations", wake).await.expect(202).data()["id"].as_str().unwrap().to_owned();
    machine.stop(server).await;
    let (server, address) = machine.start(0).await;
    let admin = superadmin(machine.path(), address).await;
    for id in [queued, wake] {
        until("it to end", || async { (state(&admin, &id).await != "queued").then_some(()) }).await;
    }
    machine.stop(server).await;
}

#[tokio::test]
async fn what_happens_to_an_operation_goes_forward_though_the_clock_goes_back() {
    let machine = Machine::new();
    let (server, address) = machine.start(0).await;
    let admin = superadmin(machine.path(), address).await;
    let agent = admin.create_agent("server", SECRET).await;
    let device = admin.create_device(agent, MAC).await;
    let queued = queue(&admin, agent, 3600).await;
    let wake = json!({"kind": "wake", "deviceID": device, "until": "online"});
    let wake = admin.post("/api/operations", wake).await.expect(202);
    let wake = wake.data()["id"].as_str().unwrap().to_owned();
    machine.set(-60 * 60);
    server.line(&["wall clock was set"]).await;
    let _agent = connect_at(address, agent, &lan(Some(Duration::ZERO), Probe::Answers)).await;
    for id in [queued, wake] {
        until_equal("the end", "succeeded".to_owned(), || state(&admin, &id)).await;
        let ended = admin.get(&format!("/api/operations/{id}")).await.expect(200);
        assert_in_order(ended.data());
    }
    machine.stop(server).await;
}

#[tokio::test]
async fn a_wake_looks_for_its_device_as_long_as_was_asked() {
    for wrong in [YEARS_AHEAD, 3 * 60 * 60, -3 * 60 * 60] {
        let machine = Machine::new();
        let (server, address) = machine.start(0).await;
        let admin = superadmin(machine.path(), address).await;
        let agent = admin.create_agent("server", SECRET).await;
        let device = admin.create_device(agent, MAC).await;
        let never = lan(None, Probe::Answers);
        let playing = connect_at(address, agent, &never).await;
        let wake = json!({"kind": "wake", "deviceID": device, "until": "online", "timeout": 12});
        let wake = admin.post("/api/operations", wake).await.expect(202);
        let wake = wake.data()["id"].as_str().unwrap().to_owned();
        until("the first packet", || async { never.lock().woken }).await;
        machine.set(wrong);
        server.line(&["wall clock was set"]).await;
        let woken = never.lock().woken.unwrap();
        if woken.elapsed().as_secs() < 10 {
            assert_eq!(state(&admin, &wake).await, "running", "{wrong}: its time is not over");
        }
        until_equal("the end of its time", "failed".to_owned(), || state(&admin, &wake)).await;
        playing.abort();
        machine.stop(server).await;
    }
}
