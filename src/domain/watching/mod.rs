//! Watching: devices with an interval are looked at again and again, so that their coming and going is known without
//! anybody asking.
//!
//! One task has all of them in one queue (`schedule`) and begins each look as a short task of its own. An agent is asked
//! about few devices at a time, a microcontroller about one, and its line lets wakes go first. What a device is looked
//! at by is read when it is watched and when it changes, never for a look; what a look brings goes where all looks go
//! (`device_presence`), and is written only where it is a change.

mod schedule;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::schedule::{Due, Schedule};
use super::device_agent::first_online;
use super::device_presence;
use super::look::{self, Sample, Target};
use crate::clock::Millis;
use crate::control::{AgentKind, Requester};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::shutdown::Shutdown;
use crate::store::{Conn, Whose, device_watch, devices};

/// How often it is looked who is due.
const TICK: Duration = Duration::from_millis(100);
/// How long until it is tried again where the database refuses.
const AGAIN: Duration = Duration::from_secs(1);
/// How long after a start the first look comes: agents come back first.
const AFTER_START: Millis = 15_000;
/// Within how long after that every device is looked at once, if its interval is not shorter.
const FIRST_LOOKS: Millis = 300_000;
/// Within how long a device is looked at once it is watched.
const SOON: Millis = 1000;
/// Looks under way at once.
const MOST: usize = 1024;
/// About how many devices an agent on a server is asked at once: a part of its window, so that others' questions find room.
const OF_SERVER: usize = 4;
/// Devices that are read at once.
const SOME: usize = 500;

/// The devices that are to be read again.
#[derive(Default)]
struct Changed {
    devices: Mutex<HashSet<i64>>,
    stirred: Notify,
}

/// Takes in that a device was made, changed or deleted.
pub(super) fn device_changed(host: &Host, device: i64) {
    let changed = host.remembered.get(Changed::default);
    changed.devices.lock().insert(device);
    changed.stirred.notify_one();
}

/// Watches devices until `shutdown` begins.
pub async fn run(host: Arc<Host>, shutdown: Shutdown) {
    let watching = async {
        while let Err(e) = watch(&host).await {
            tracing::warn!("devices are not watched for a moment: {e}");
            sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = watching => {}
    }
}

/// A look that has ended.
struct Looked {
    device: i64,
    entry: u64,
    /// Whose place it took.
    agent: Option<i64>,
    sample: Sample,
}

struct Watcher<'a> {
    host: &'a Arc<Host>,
    schedule: Schedule<Arc<Target>>,
    looks: JoinSet<Looked>,
}

async fn watch(host: &Arc<Host>) -> Result<()> {
    let changed = host.remembered.get(Changed::default);
    let mut watcher = Watcher { host, schedule: Schedule::default(), looks: JoinSet::new() };
    watcher.read_all().await?;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick(), if !watcher.schedule.is_empty() => watcher.begin_due(),
            () = changed.stirred.notified() => {
                let some: Vec<_> = changed.devices.lock().drain().collect();
                watcher.read_again(some).await?;
            }
            Some(looked) = watcher.looks.join_next() => watcher.looked(looked.map_err(Error::internal)?),
        }
    }
}

/// What some devices are looked at by and how often; of those that are not watched nothing.
fn read(db: &Conn, ids: &[i64]) -> Result<Vec<(i64, Target, Millis)>> {
    let rows = devices::of_ids(db, &Whose::Anyones.into(), ids)?;
    let one = |row: devices::DeviceRow| {
        let Some(seconds) = row.options.watch_interval else { return Ok(None) };
        // In an adopted database it may be anything.
        let every = Millis::from(seconds).clamp(10, 86_400) * 1000;
        Ok(Some((row.id, look::target_of(db, &row)?, every)))
    };
    rows.into_iter().filter_map(|row| one(row).transpose()).collect()
}

impl Watcher<'_> {
    /// Reads all that are watched, spread over the time after a start.
    async fn read_all(&mut self) -> Result<()> {
        let now = self.host.clock.elapsed();
        let ids = self.host.store.read(device_watch::watched).await?;
        for some in ids.chunks(SOME) {
            let some = some.to_vec();
            for (device, target, every) in self.host.store.read(move |db| read(db, &some)).await? {
                let at = now + AFTER_START + fastrand::i64(..every.min(FIRST_LOOKS));
                self.schedule.put(device, Arc::new(target), every, at);
            }
        }
        Ok(())
    }

    /// Reads devices again that changed.
    async fn read_again(&mut self, ids: Vec<i64>) -> Result<()> {
        for some in ids.chunks(SOME) {
            let asked = some.to_vec();
            let found = self.host.store.read(move |db| read(db, &asked)).await?;
            let now = self.host.clock.elapsed();
            let gone = some.iter().filter(|id| !found.iter().any(|(device, ..)| device == *id));
            gone.for_each(|device| self.schedule.remove(*device));
            for (device, target, every) in found {
                self.schedule.put(device, Arc::new(target), every, now + fastrand::i64(..SOON));
            }
        }
        Ok(())
    }

    fn begin_due(&mut self) {
        let now = self.host.clock.elapsed();
        while self.looks.len() < MOST
            && let Some(due) = self.schedule.pop(now)
        {
            // Whatever wakes or stops it looks by itself.
            if device_presence::of(self.host).is_busy(due.device) {
                self.schedule.again(due.device, due.entry, now);
                continue;
            }
            self.begin(due);
        }
    }

    fn begin(&mut self, Due { device, target, entry }: Due<Arc<Target>>) {
        let control = &self.host.control;
        // Where its host agent proves that it is there, and where there is nobody to ask, nobody is asked.
        let agent = if target.is_hosted(control) { None } else { first_online(control, &target.agents) };
        if let Some(agent) = agent {
            let width = if control.kind(agent) == Some(AgentKind::Server) { OF_SERVER } else { 1 };
            if !self.schedule.begin(agent, width, device, entry) {
                return;
            }
        }
        let host = self.host.clone();
        self.looks.spawn(async move {
            let sample = look::look(&host, Requester::Server, &target).await.sample;
            Looked { device, entry, agent, sample }
        });
    }

    fn looked(&mut self, Looked { device, entry, agent, sample }: Looked) {
        // What was found of a device as it was before is nothing of what it is now.
        if self.schedule.is_current(device, entry) {
            let host = self.host.clone();
            device_presence::note_soon(&host, device, sample);
        }
        self.schedule.again(device, entry, self.host.clock.elapsed());
        if let Some(next) = agent.and_then(|agent| self.schedule.end(agent)) {
            self.begin(next);
        }
    }
}
