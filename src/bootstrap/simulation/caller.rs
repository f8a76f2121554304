//! Whoever asks a simulated server for operations, withdraws them and waits for them. What they ask for outlives the
//! server: requests without an answer are sent again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;

use super::world::{Stage, Wanted, What, World, now};
use super::{AGENTS, HOSTED, ONLINE, WAKES, number_of};
use crate::domain::By;
use crate::domain::operation::cancel::{self, Canceled};
use crate::domain::operation::create::{self, Options};
use crate::domain::operation::read;
use crate::domain::power::Power;
use crate::host::Host;
use crate::model::operation::OperationId;

/// Numbers of commands begin here.
const FIRST: u32 = 1000;

/// Asks for something again and again, as long as everything breaks, and until everybody has been answered.
pub(super) async fn call(host: Arc<Host>, world: World, mut dice: fastrand::Rng) {
    loop {
        sleep(Duration::from_millis(dice.u64(10..2_000))).await;
        let unanswered = world.book().unanswered.pop_first();
        if let Some(number) = unanswered {
            tokio::spawn(ask(host.clone(), world.clone(), number));
        }
        if world.stage() != Stage::Rough {
            continue;
        }
        let known: Vec<_> = world.book().wanted.values().filter_map(|wanted| wanted.acknowledged).collect();
        let some = |dice: &mut fastrand::Rng| {
            // Most often one of the newest.
            let among = known.len().min(if dice.bool() { 3 } else { usize::MAX });
            (among > 0).then(|| known[known.len() - 1 - dice.usize(..among)].0)
        };
        match dice.u32(..10) {
            0..7 => {
                let many = if dice.u32(..30) == 0 { 20 } else { 1 };
                for _ in 0..many {
                    if let Some(number) = think_of(&world, &mut dice) {
                        tokio::spawn(ask(host.clone(), world.clone(), number));
                    }
                }
            }
            7..9 => {
                if let Some(id) = some(&mut dice) {
                    tokio::spawn(withdraw(host.clone(), world.clone(), id));
                }
            }
            _ => {
                if let Some(id) = some(&mut dice) {
                    tokio::spawn(wait(host.clone(), world.clone(), id, Duration::from_secs(dice.u64(1..60))));
                }
            }
        }
    }
}

/// Thinks of something to ask for: its number.
fn think_of(world: &World, dice: &mut fastrand::Rng) -> Option<u32> {
    let mut book = world.book();
    let left = |devices: std::ops::RangeInclusive<i64>, book: &super::world::Book| {
        devices.clone().find(|device| !book.wanted.contains_key(&number_of(*device)))
    };
    let agent = dice.i64(1..=AGENTS);
    let (number, what) = match dice.u32(..10) {
        0 => left(WAKES, &book).map(|device| (number_of(device), What::Wake(device)))?,
        1 => left(ONLINE, &book).map(|device| (number_of(device), What::Online(device, dice.u64(5..60))))?,
        2 => {
            let (number, device) = (1..).zip(HOSTED).find(|(number, _)| !book.wanted.contains_key(number))?;
            (number, What::Offline(device.0, number, dice.u64(5..60)))
        }
        kind => {
            let number = book.wanted.keys().copied().filter(|number| *number < number_of(0)).max();
            let number = number.unwrap_or(0).max(FIRST) + 1;
            (number, What::Command(agent, ["REBOOT", "WAKEUP", "PROBE"][kind as usize % 3]))
        }
    };
    let options = Options {
        deliver_within: Some(if dice.bool() { dice.i64(1..10) } else { dice.i64(10..90) }),
        max_attempts: dice.bool().then(|| dice.u32(1..=4)),
        run_timeout: (!what.is_driven() && dice.bool()).then(|| dice.i64(1..8)),
        ..Options::default()
    };
    book.wanted.insert(number, Wanted { what, options, acknowledged: None });
    Some(number)
}

/// What is asked for in the server's terms.
fn request(number: u32, what: What) -> create::Wanted {
    match what {
        What::Command(agent, command) => {
            let bytes = number.to_be_bytes();
            let payload = match command {
                "WAKEUP" => json!({"macAddress": super::mac(number), "port": 9}),
                "PROBE" => json!({"address": format!("10.0.{}.{}", bytes[2], bytes[3])}),
                _ => json!({"delaySeconds": number}),
            };
            create::Wanted::Command { agent, command: command.into(), payload: payload.to_string().into() }
        }
        What::Wake(device) => create::Wanted::Wake { device },
        What::Online(device, timeout) => {
            create::Wanted::Online { device, timeout: Duration::from_secs(timeout) }
        }
        What::Offline(device, delay, timeout) => create::Wanted::Offline {
            device,
            power: Power::Shutdown,
            delay,
            timeout: Duration::from_secs(timeout),
        },
    }
}

fn by(host: &Arc<Host>) -> By {
    By::plugin(host, "simulation")
}

/// Whether a request may be refused so.
fn is_fair(code: &str) -> bool {
    ["too_many_operations", "command_not_supported", "storage_full"].contains(&code)
}

async fn ask(host: Arc<Host>, world: World, number: u32) {
    let by = by(&host);
    let (what, mut options) = {
        let mut book = world.book();
        book.unanswered.insert(number);
        let Some(Wanted { what, options, .. }) = book.wanted.get(&number) else { return };
        (*what, options.clone())
    };
    let body = Bytes::from(format!("{what:?}"));
    options.request = Some(create::request(&by, "POST", "/api/operations", format!("key-{number}"), &body));
    let created = create::create(&by, request(number, what), options).await;
    let mut book = world.book();
    book.unanswered.remove(&number);
    match created {
        Ok(created) => {
            let id = created.seen.operation.id;
            book.note(format_args!("{number} is {id}: {what:?}"));
            book.count(if created.replayed { "asked again" } else { "asked" });
            if let Some(wanted) = book.wanted.get_mut(&number) {
                wanted.acknowledged = Some((id, now()));
            }
        }
        // Nothing was made. It is asked for again later, as somebody would.
        Err(e) if e.code() == "storage_full" => drop(book.unanswered.insert(number)),
        Err(e) if is_fair(e.code()) => {
            book.count(e.code());
            book.note(format_args!("{number} is refused: {}", e.code()));
        }
        Err(_) if host.shutdown.is_cancelled() => drop(book.unanswered.insert(number)),
        Err(e) => book.fault(format_args!("{number} is refused: {e}")),
    }
}

async fn withdraw(host: Arc<Host>, world: World, id: OperationId) {
    let canceled = cancel::cancel(&by(&host), id).await;
    let mut book = world.book();
    match canceled {
        Ok(Canceled::Done(_)) => {
            book.note(format_args!("{id} is withdrawn"));
            book.count("withdrawn");
            book.withdrawn.insert(id);
        }
        Ok(Canceled::Ended(_)) => book.count("withdrawn too late"),
        Ok(Canceled::Running(_) | Canceled::Asked(_)) => book.count("not withdrawn while it runs"),
        Err(e) if is_fair(e.code()) || host.shutdown.is_cancelled() => {}
        Err(e) => book.fault(format_args!("{id} is not withdrawn: {e}")),
    }
}

async fn wait(host: Arc<Host>, world: World, id: OperationId, time: Duration) {
    let until = now() + time;
    let seen = read::wait(&by(&host), id, time).await;
    let mut book = world.book();
    match seen {
        Ok(seen) if seen.operation.is_live() => {
            if now() < until && !host.shutdown.is_cancelled() {
                book.fault(format_args!("whoever waits for {id} was answered too early"));
            }
        }
        Ok(seen) => {
            book.count("waited for");
            book.answered.push((id, seen.operation.state));
        }
        Err(_) if host.shutdown.is_cancelled() => {}
        Err(e) => book.fault(format_args!("{id} cannot be waited for: {e}")),
    }
}
