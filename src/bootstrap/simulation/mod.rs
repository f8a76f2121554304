//! Operations in simulated worlds: the program's services over a network whose links are cut, held and slow, with agents
//! that crash and a server that is killed or stopped in the middle, in virtual time.
//!
//! A seed decides everything that happens. Control service, queues, drivers, state machine and database are the real
//! ones; simulated are the network and the clock, and with it how long the disk takes (`store/in_step`). Each agent keeps
//! a ledger of what it got and answered, and what of that arrived; what the server says of its operations, while it runs
//! and at the end, is compared with it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agent;
mod caller;
mod check;
mod server;
mod world;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use turmoil::Sim;

use self::world::{Device, Stage, World};
use super::services;
use crate::control::AgentKind;
use crate::control::tests::network_fate::Fate;
use crate::control::tests::network_seeds::run_all;
use crate::model::device::DeviceKind;
use crate::store::agents::{self, NewAgent};
use crate::store::device_options::{DeviceOptions, SecureOnChange};
use crate::store::devices::{self, NewDevice};
use crate::store::{Store, users};
use crate::vault::Given;

/// The seeds every run of the tests goes through; `NETIGNITE_OPERATIONS` names one to be run alone.
const SEEDS: u64 = 200;
/// The step of a simulation.
const STEP: Duration = Duration::from_millis(100);
/// How long everything breaks.
const ROUGH: Duration = Duration::from_secs(120);
/// How long after that everything must have ended.
const END: Duration = Duration::from_secs(400);

/// What must come about in all of them together.
const TRIED: &str = "asked, asked again, withdrawn, waited for, killed, stopped, clock set, asked to end, answered late, \
    refused by the disk, succeeded -, failed command_failed, failed bad_reply, failed command_not_supported, \
    failed connection_lost, timed_out agent_timeout, timed_out connection_lost, timed_out server_restarted, \
    expired agent_offline, canceled canceled, failed not_seen";

const SECRET: &str = "correct:horse:battery";
/// The simulated agents are 1 to this; the odd ones are microcontrollers.
const AGENTS: i64 = 4;
/// Devices that are woken until the packet was sent, once each.
const WAKES: RangeInclusive<i64> = 1..=24;
/// Devices that are woken until they are seen, once each.
const ONLINE: RangeInclusive<i64> = 25..=30;
/// Devices that are shut down, once each, and the agents that run on them.
const HOSTED: [(i64, i64); 3] = [(31, 4), (32, 2), (33, 4)];

fn kind(agent: i64) -> AgentKind {
    if agent % 2 == 1 { AgentKind::Microcontroller } else { AgentKind::Server }
}

/// The number of the wake of a device.
fn number_of(device: i64) -> u32 {
    0x1_0000 + u32::try_from(device).unwrap()
}

/// The device that is woken under a number.
fn device_of(number: u32) -> Option<i64> {
    number.checked_sub(0x1_0000).map(Into::into)
}

/// The MAC address that carries a number.
fn mac(number: u32) -> String {
    let [a, b, c, d] = number.to_be_bytes();
    format!("02:00:{a:02X}:{b:02X}:{c:02X}:{d:02X}")
}

/// In memory where there is such a place: it is the program that is tested, and not the disk.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = tempfile::Builder::new().prefix("netignite-simulation-").tempdir_in(memory);
    made.or_else(|_| tempfile::tempdir()).unwrap()
}

/// A database with users, agents and devices, of which each simulation gets a copy.
fn prepared() -> TempDir {
    let directory = directory();
    let store = Store::open_blocking(directory.path(), &Given::default()).unwrap();
    let prepared = store.write(|db| {
        users::insert_first_admin(db, "no hash", 0)?;
        for agent in 1..=AGENTS {
            let (name, secret) = (format!("Agent {agent}"), SECRET.to_owned().into());
            agents::insert(
                db,
                &NewAgent { name, kind: kind(agent), description: String::new(), secret, owner: 1 },
            )?;
        }
        for device in 1..=HOSTED[HOSTED.len() - 1].0 {
            let host_agent = HOSTED.iter().find(|(hosted, _)| *hosted == device).map(|(_, agent)| *agent);
            let fallback_agents = if device % 3 == 0 { vec![1 + (device + 1) % AGENTS] } else { Vec::new() };
            let new = NewDevice {
                name: format!("Device {device}"),
                kind: DeviceKind::Desktop,
                description: None,
                mac_address: mac(number_of(device)),
                port: 9,
                agent_id: 1 + device % AGENTS,
                owner: 1,
                address: None,
                options: DeviceOptions { host_agent, fallback_agents, ..DeviceOptions::default() },
                secure_on: SecureOnChange::Keep,
            };
            assert_eq!(devices::insert(db, &new)?, device);
        }
        Ok(())
    });
    pollster::block_on(prepared).unwrap();
    store.end();
    directory
}

/// How the server fares: when it ends next, and when it is there again.
struct ServerFate {
    /// How often it still ends.
    left: u32,
    next: Duration,
    down: bool,
}

impl ServerFate {
    fn new(dice: &mut fastrand::Rng) -> Self {
        let left = dice.u32(..4);
        Self { left, next: Duration::from_millis(dice.u64(3_000..60_000)), down: false }
    }

    fn go_on(&mut self, sim: &mut Sim<'_>, world: &World, dice: &mut fastrand::Rng) {
        if self.down || sim.elapsed() < self.next || self.left == 0 {
            return self.come_back(sim, world, dice);
        }
        self.left -= 1;
        if dice.bool() {
            sim.crash("server");
            world.server_gone();
            let mut book = world.book();
            book.note("the server was killed");
            book.count("killed");
        } else {
            let mut book = world.book();
            book.stop = true;
            book.count("stopped");
        }
        let down = if dice.bool() { dice.u64(100..2_000) } else { dice.u64(2_000..30_000) };
        (self.down, self.next) = (true, sim.elapsed() + Duration::from_millis(down));
    }

    fn come_back(&mut self, sim: &mut Sim<'_>, world: &World, dice: &mut fastrand::Rng) {
        if !self.down || sim.elapsed() < self.next || sim.is_host_running("server") {
            return;
        }
        world.server_gone();
        sim.bounce("server");
        (self.down, self.next) = (false, sim.elapsed() + Duration::from_millis(dice.u64(1_000..60_000)));
    }
}

/// One step of a simulation; nothing may be wrong after it.
fn step(sim: &mut Sim<'_>, world: &World, seed: u64) {
    let result = sim.step();
    let mut book = world.book();
    book.at = sim.elapsed();
    if result.is_err() || !book.faults.is_empty() {
        if is_alone() {
            println!("{}", book.history.join("\n"));
        }
        panic!(
            "seed {seed} (NETIGNITE_OPERATIONS={seed} runs it alone, and shows what happened): {result:?}\n{}",
            book.faults.join("\n")
        );
    }
}

fn is_alone() -> bool {
    std::env::var_os("NETIGNITE_OPERATIONS").is_some()
}

/// Runs one seed: what happened, and how often.
fn run(seed: u64, prepared: &Path) -> BTreeMap<String, u32> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let directory = directory();
    for file in std::fs::read_dir(prepared).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(STEP)
        .simulation_duration(ROUGH + END)
        .min_message_latency(Duration::from_millis(dice.u64(..20)))
        .max_message_latency(Duration::from_millis(dice.u64(20..1_000)))
        .enable_random_order()
        .build();
    let world = World::default();
    for device in ONLINE {
        let boots = (dice.u32(..5) > 0).then(|| Duration::from_millis(dice.u64(100..50_000)));
        let up = (dice.u32(..8) == 0).then_some(Duration::ZERO);
        world.book().devices.insert(device, Device { boots, up, other: dice.u32(..8) == 0 });
    }
    for (device, _) in HOSTED {
        world.book().devices.insert(device, Device { up: Some(Duration::ZERO), ..Device::default() });
    }
    let (serving, path) = (world.clone(), directory.path().to_owned());
    sim.host("server", move || server::serve(serving.clone(), seed, path.clone()));
    let mut fates = Vec::new();
    for agent in 1..=AGENTS {
        let (host, living) = (format!("agent-{agent}"), world.clone());
        sim.host(host.as_str(), move || agent::live(living.clone(), agent, seed));
        let begins = Duration::from_millis(dice.u64(..40_000));
        fates.push(Fate::new(host, kind(agent) == AgentKind::Server, begins));
    }
    let mut server = ServerFate::new(&mut dice);
    while sim.elapsed() < ROUGH || server.down {
        fates.iter_mut().for_each(|fate| fate.go_on(&mut sim, &mut dice));
        server.go_on(&mut sim, &world, &mut dice);
        step(&mut sim, &world, seed);
    }
    fates.iter_mut().for_each(|fate| fate.end(&mut sim));
    world.book().stage = Stage::Calm;
    while world.stage() != Stage::Done {
        step(&mut sim, &world, seed);
        assert!(sim.elapsed() < ROUGH + END, "seed {seed} does not come to an end");
    }
    step(&mut sim, &world, seed);
    drop(sim);
    world.server_gone();
    std::mem::take(&mut world.book().tally)
}

#[test]
fn operations_are_true_whatever_befalls_network_agents_and_server() {
    let prepared = prepared();
    let run = |seed| run(seed, prepared.path());
    let Some(tally) = run_all(SEEDS, "NETIGNITE_OPERATIONS", run) else { return };
    println!("{tally:#?}");
    // What was to be tried was, and often enough.
    for what in TRIED.split(", ") {
        assert!(tally.get(what).is_some_and(|&count| count >= 10), "{what} is not tried enough: {tally:#?}");
    }
}
