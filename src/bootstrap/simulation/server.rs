//! The simulated server: the program's services on a database of its own, with a door in the simulated network.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

use super::agent::PORT;
use super::caller::call;
use super::check;
use super::world::{Stage, World, now};
use super::{SECRET, services};
use crate::auth::password::Passwords;
use crate::clock::{Clock, Millis};
use crate::config::{Config, Level};
use crate::control::Control;
use crate::control::tests::admit_saying;
use crate::control::tests::network_ear::Ear;
use crate::domain::{operation, power_until, wake_until};
use crate::events::Events;
use crate::host::Host;
use crate::logging::LogLevel;
use crate::model::event::Event;
use crate::registry::Registry;
use crate::store::{Disk, Store};
use crate::vault::Given;

/// When simulations begin.
const BEGAN: Millis = 1_790_000_000_000;
/// How often it is looked what the server tells.
const LOOK: Duration = Duration::from_millis(250);
/// What server agents say of themselves.
const ABOUT: &str = "1; commands=HEARTBEAT,WAKEUP,PROBE,REBOOT,SHUTDOWN; features=cancel";

/// The host of the server, from its start to its stop.
pub(super) async fn serve(world: World, seed: u64, directory: PathBuf) -> turmoil::Result {
    let mut dice = fastrand::Rng::with_seed(seed ^ 0x5e7 ^ (now().as_secs() << 32));
    let clock = Clock::simulated(BEGAN, turmoil::sim_elapsed);
    clock.set_by(world.book().wrong_by);
    let store = Store::open_blocking(&directory, &Given::default())?;
    let slowest = Duration::from_millis([5, 50, 500][dice.usize(..3)]);
    let refuses = if dice.u32(..4) == 0 { 20 } else { 0 };
    store.keep_step(clock.clone(), Disk { slowest, refuses: 0 }, dice.fork());
    {
        let mut book = world.book();
        book.store = Some(store.clone());
        book.runs.push((now(), None));
        book.note(format_args!(
            "the server starts; the disk takes up to {slowest:?}, and refuses {refuses} ‰"
        ));
        if refuses > 0 {
            book.count("refused by the disk");
        }
    }
    let registry = Registry::build().map_err(|e| e.to_string())?;
    let events = Arc::new(Events::new(clock.clone()));
    let config = Config { data_directory: directory, ..Config::default() };
    let level = LogLevel::detached(Level::Error);
    let passwords = Passwords::new().map_err(|e| e.to_string())?;
    let host = services::host(config, level, registry, events, clock, store, passwords).await?;
    // A start on a disk that refuses is none.
    host.store.set_disk(Disk { slowest, refuses });
    wake_until::resume(&host).await.map_err(|e| e.to_string())?;
    power_until::resume(&host).await.map_err(|e| e.to_string())?;
    host.control.start(host.shutdown.clone());
    let driving = tokio::spawn(operation::run(host.clone(), host.shutdown.clone()));
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    tokio::spawn(open_door(listener, host.control.clone(), world.clone(), dice.fork()));
    tokio::spawn(call(host.clone(), world.clone(), dice.fork()));
    let mut last = 0;
    while !world.book().stop {
        sleep(LOOK).await;
        listen(&host, &world, &mut last);
        if world.stage() == Stage::Rough {
            set_clock(&host, &world, &mut dice);
        } else {
            host.store.set_disk(Disk { slowest: Duration::from_millis(5), refuses: 0 });
            check::look(&host, &world).await?;
        }
    }
    world.book().ended();
    host.shutdown.cancel();
    host.control.stop(Duration::from_millis(500)).await;
    driving.await?;
    listen(&host, &world, &mut last);
    world.book().note("the server has stopped");
    Ok(())
}

/// Takes in what the server tells of operations.
fn listen(host: &Host, world: &World, last: &mut u64) {
    let mut book = world.book();
    let Some(kept) = host.events.kept_after(*last, usize::MAX) else {
        return book.fault("events were lost");
    };
    for one in kept {
        *last = one.number;
        match one.event {
            Event::OperationChanged { change } => book.changed(change.id, change.state),
            Event::AgentOnline { agent } => book.is_online(agent, true),
            Event::AgentOffline { agent, why } => {
                book.is_online(agent, false);
                book.note(format_args!("agent {agent} is offline: {why}"));
            }
            _ => {}
        }
    }
}

/// Sets the wall clock now and then, in some of the worlds.
fn set_clock(host: &Host, world: &World, dice: &mut fastrand::Rng) {
    if dice.u32(..400) > 0 {
        return;
    }
    let by = dice.i64(-7_200_000..7_200_000);
    let mut book = world.book();
    book.note(format_args!("the wall clock is set by {by}"));
    book.count("clock set");
    book.wrong_by += by;
    book.clock_set.push(now());
    host.clock.set_by(by);
}

async fn open_door(listener: TcpListener, control: Arc<Control>, world: World, mut dice: fastrand::Rng) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(welcome(control.clone(), world.clone(), stream, dice.fork()));
    }
}

/// The handshake: the agent's ID, and whether it says what it is; the number of its connection once it is admitted.
async fn welcome(control: Arc<Control>, world: World, mut stream: TcpStream, mut dice: fastrand::Rng) {
    let mut hello = [0; 9];
    let Ok(Ok(_)) = timeout(Duration::from_secs(10), stream.read_exact(&mut hello)).await else { return };
    let [id @ .., says] = hello;
    let agent = i64::from_be_bytes(id);
    let Ok(ticket) = admit_saying(&control, agent, SECRET, (says == 1).then_some(ABOUT)) else { return };
    let link = world.book().linked(agent);
    if world.stage() == Stage::Rough && dice.u32(..5) == 0 {
        // The answer takes its time, and what is sent to the agent waits for its socket, or never gets it.
        sleep(Duration::from_millis(dice.u64(..4_000))).await;
        if dice.bool() {
            return;
        }
    }
    if stream.write_all(&link.to_be_bytes()).await.is_ok() {
        let (read, write) = stream.into_split();
        let listening = Arc::downgrade(&control);
        let ear = Ear::new(read, move |bytes| {
            // What comes when the server has given the connection up counts no more.
            if listening.upgrade().is_some_and(|control| control.is_online(agent)) {
                world.book().arrived(agent, link, bytes);
            }
        });
        control.attach_transport(ticket, ear, write, Bytes::new(), ());
    }
}
