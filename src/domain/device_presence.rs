//! Whether devices are there: what looks, host agents and operations bring comes together here.
//!
//! A change is stored and passed on to whoever listens; what was seen without a change is kept in memory alone. One
//! missed look is no change: a device is offline, or unknown where nobody can tell, after two in a row. While an
//! operation wakes or stops a device, its state says so until the operation ends, whatever is seen meanwhile. The
//! connection of the agent that runs on the device is the best evidence there is, and outweighs whatever an agent
//! elsewhere does not see.
//!
//! Changes are written by one task at a time, all that have come together at once, in the order in which they came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{error, warn};

use super::look::{self, Sample};
use crate::clock::Millis;
use crate::control::Requester;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::device_presence::{DevicePresence, DeviceState, SeenBy, why};
use crate::model::event::Event;
use crate::store::Conn;
use crate::store::device_presence::{self as rows, Standing};

/// How many looks in a row must miss a device.
pub(super) const MISSES: u8 = 2;
/// How long after its host agent is gone a device is looked for: an agent that only lost its connection is back by then.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// What is known of one device.
#[derive(Debug, Clone)]
struct Known {
    owner: i64,
    host_agent: Option<i64>,
    shown: DevicePresence,
    /// What it is apart from what operations do to it.
    base: (DeviceState, Option<SeenBy>, &'static str),
    /// Looks in a row that did not see it, and those of them since the last that found something else.
    misses: (u8, u8),
    /// Whether the last look could tell.
    could_tell: bool,
    /// Operations that wake or stop it.
    busy: u32,
}

impl Known {
    fn new(Standing { owner, host_agent, presence }: Standing) -> Self {
        // An operation that was at work says so again when it goes on.
        let state = match presence.state {
            state @ (DeviceState::Online | DeviceState::Offline) => state,
            _ => DeviceState::Unknown,
        };
        let why = if state == DeviceState::Online { why::SEEN } else { why::NOT_SEEN };
        let base = (state, presence.method, why);
        Self { owner, host_agent, shown: presence, base, misses: (0, 0), could_tell: true, busy: 0 }
    }

    /// Takes in what a look brought. Answers whether that is a change.
    fn take(&mut self, now: Millis, sample: Sample) -> bool {
        self.shown.checked_at = Some(now);
        self.base = match sample {
            Sample::Seen(method) => {
                self.misses = (0, 0);
                let why = if method == SeenBy::HostAgent { why::HOST_AGENT } else { why::SEEN };
                (DeviceState::Online, Some(method), why)
            }
            Sample::NotSeen(why) | Sample::CannotTell(why) => {
                let could_tell = matches!(sample, Sample::NotSeen(_));
                let (all, alike) = self.misses;
                let alike = if could_tell == self.could_tell { alike } else { 0 };
                self.could_tell = could_tell;
                self.misses = (all.saturating_add(1), alike.saturating_add(1));
                // What was seen must be missed twice, in whatever way; what is offline or unknown stays so until two
                // looks in a row agree that it is the other.
                let (all, alike) = self.misses;
                if (if self.base.0 == DeviceState::Online { all } else { alike }) < MISSES {
                    return false;
                }
                (if could_tell { DeviceState::Offline } else { DeviceState::Unknown }, None, why)
            }
        };
        self.busy == 0 && self.show(now)
    }

    /// Shows the state apart from operations. Answers whether that is a change.
    fn show(&mut self, now: Millis) -> bool {
        let (state, method, why) = self.base;
        if state == self.shown.state {
            return false;
        }
        let checked_at = self.shown.checked_at;
        self.shown = DevicePresence { state, since: Some(now), method, checked_at, why: why.into() };
        true
    }

    /// An operation begins to wake or stop the device.
    fn begin(&mut self, now: Millis, state: DeviceState) -> bool {
        self.busy += 1;
        let changes = self.shown.state != state;
        if changes {
            let checked_at = self.shown.checked_at;
            self.shown = DevicePresence {
                state,
                since: Some(now),
                method: None,
                checked_at,
                why: why::OPERATION.into(),
            };
        }
        changes
    }

    /// An operation has ended, whose last looks brought this.
    fn end(&mut self, now: Millis, looks: &[Sample]) -> bool {
        let mut changed = false;
        for sample in looks {
            changed |= self.take(now, *sample);
        }
        self.busy = self.busy.saturating_sub(1);
        changed | (self.busy == 0 && self.show(now))
    }
}

/// What is known of all devices that anybody has looked for.
#[derive(Default)]
pub(super) struct Presences(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashMap<i64, Known>,
    /// The devices on which an agent runs.
    hosted: HashMap<i64, Vec<i64>>,
    /// Changes that are still to be stored.
    changed: Vec<(i64, i64, DevicePresence)>,
    writing: bool,
}

impl State {
    /// An agent no longer runs on a device.
    fn leave(&mut self, device: i64, host_agent: Option<i64>) {
        if let Some(agent) = host_agent
            && let Some(devices) = self.hosted.get_mut(&agent)
        {
            devices.retain(|other| *other != device);
            if devices.is_empty() {
                self.hosted.remove(&agent);
            }
        }
    }
}

/// What is known of all devices.
pub(super) fn of(host: &Host) -> Arc<Presences> {
    host.remembered.get(Presences::default)
}

impl Presences {
    /// A device's presence, if anybody has looked for it since the server started.
    pub(super) fn known(&self, device: i64) -> Option<DevicePresence> {
        self.0.lock().known.get(&device).map(|known| known.shown.clone())
    }

    /// The presence of each of some devices, in their order.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) fn of_devices(
        &self,
        db: &Conn,
        devices: impl Iterator<Item = i64>,
    ) -> Result<Vec<DevicePresence>> {
        let devices: Vec<_> = devices.collect();
        let mut found: HashMap<_, _> = {
            let state = self.0.lock();
            let known = |id: &i64| state.known.get(id).map(|known| (*id, known.shown.clone()));
            devices.iter().filter_map(known).collect()
        };
        let others: Vec<_> = devices.iter().copied().filter(|id| !found.contains_key(id)).collect();
        if !others.is_empty() {
            found.extend(rows::newest(db, &others)?);
        }
        Ok(devices.iter().map(|id| found.remove(id).unwrap_or_default()).collect())
    }

    /// Whether an operation wakes or stops a device.
    pub(super) fn is_busy(&self, device: i64) -> bool {
        self.0.lock().known.get(&device).is_some_and(|known| known.busy > 0)
    }

    /// Forgets a device that is gone.
    pub(super) fn forget(&self, device: i64, host_agent: Option<i64>) {
        let state = &mut *self.0.lock();
        state.known.remove(&device);
        state.leave(device, host_agent);
    }

    /// Changes what is known of a device, if there is that device.
    async fn change(
        self: &Arc<Self>,
        host: &Arc<Host>,
        device: i64,
        change: impl FnOnce(&mut Known, Millis) -> bool,
    ) -> Result<()> {
        if !self.0.lock().known.contains_key(&device) {
            let Some(standing) = host.store.read(move |db| rows::standing(db, device)).await? else {
                return Ok(());
            };
            self.0.lock().known.entry(device).or_insert_with(|| Known::new(standing));
        }
        self.change_known(host, device, change);
        Ok(())
    }

    /// Changes what is known of a device, if anything is.
    fn change_known(
        self: &Arc<Self>,
        host: &Arc<Host>,
        device: i64,
        change: impl FnOnce(&mut Known, Millis) -> bool,
    ) {
        let state = &mut *self.0.lock();
        let Some(known) = state.known.get_mut(&device) else { return };
        if change(known, host.clock.now()) {
            state.changed.push((device, known.owner, known.shown.clone()));
            if !std::mem::replace(&mut state.writing, true) {
                tokio::spawn(write(self.clone(), host.clone()));
            }
        }
    }
}

/// Stores changes and passes them on, until there are none.
async fn write(presences: Arc<Presences>, host: Arc<Host>) {
    loop {
        let changed = {
            let mut state = presences.0.lock();
            state.writing = !state.changed.is_empty();
            std::mem::take(&mut state.changed)
        };
        if changed.is_empty() {
            return;
        }
        let stored = changed.clone();
        let written = host.store.write(move |db| {
            stored.iter().try_for_each(|(device, _, presence)| rows::insert(db, *device, presence))
        });
        if let Err(e) = written.await {
            error!("{} changes of devices' presence were not stored: {e}", changed.len());
        }
        for (device, owner, presence) in changed {
            host.events.emit(Event::DevicePresence { device, owner, presence });
        }
    }
}

/// Takes in what a look at a device brought.
pub(super) async fn note(host: &Arc<Host>, device: i64, sample: Sample) {
    let noted = of(host).change(host, device, taking(host, sample)).await;
    if let Err(e) = noted {
        warn!("the presence of the device {device} is not known: {e}");
    }
}

/// As [`note`], for whoever cannot wait: at once where anything is known of the device, which needs no database.
pub(super) fn note_soon(host: &Arc<Host>, device: i64, sample: Sample) {
    let presences = of(host);
    if presences.known(device).is_some() {
        return presences.change_known(host, device, taking(host, sample));
    }
    let host = host.clone();
    tokio::spawn(async move { note(&host, device, sample).await });
}

/// Takes in what a look brought, unless the agent that runs on the device knows better.
fn taking(host: &Host, sample: Sample) -> impl FnOnce(&mut Known, Millis) -> bool {
    let control = &host.control;
    move |known, now| {
        let hosted = known.host_agent.is_some_and(|agent| control.is_online(agent));
        known.take(now, if hosted { Sample::Seen(SeenBy::HostAgent) } else { sample })
    }
}

/// Takes in that another agent runs on a device than before.
pub(super) async fn host_agent_changed(host: &Arc<Host>, device: i64, before: Option<i64>, now: Option<i64>) {
    if before == now {
        return;
    }
    {
        let presences = of(host);
        let state = &mut *presences.0.lock();
        state.leave(device, before);
        if let Some(agent) = now {
            state.hosted.entry(agent).or_default().push(device);
        }
        if let Some(known) = state.known.get_mut(&device) {
            known.host_agent = now;
        }
    }
    if now.is_some_and(|agent| host.control.is_online(agent)) {
        note(host, device, Sample::Seen(SeenBy::HostAgent)).await;
    }
}

/// Begins to show that an operation wakes or stops a device.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn begin(host: &Arc<Host>, device: i64, state: DeviceState) -> Result<()> {
    of(host).change(host, device, |known, now| known.begin(now, state)).await
}

/// Shows what a device is once an operation has ended, after what its last looks brought.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn end(host: &Arc<Host>, device: i64, looks: &[Sample]) -> Result<()> {
    of(host).change(host, device, |known, now| known.end(now, looks)).await
}

/// Follows the agents that run on devices, from now on.
///
/// # Errors
/// The database cannot be read, or the system gives no thread.
pub async fn start(host: &Arc<Host>) -> Result<()> {
    let presences = of(host);
    for (agent, device) in host.store.read(rows::host_agents).await? {
        presences.0.lock().hosted.entry(agent).or_default().push(device);
    }
    let listening = host.clone();
    let listened = host.events.listen_to_changes("device presence", move |happened| {
        let (agent, online) = match happened.event {
            Event::AgentOnline { agent } => (agent, true),
            Event::AgentOffline { agent, .. } => (agent, false),
            _ => return,
        };
        let devices = presences.0.lock().hosted.get(&agent).cloned().unwrap_or_default();
        for device in devices {
            let host = listening.clone();
            tokio::spawn(async move {
                if online {
                    note(&host, device, Sample::Seen(SeenBy::HostAgent)).await;
                } else {
                    host_agent_gone(&host, device).await;
                }
            });
        }
    });
    listened.map_err(Error::internal)
}

/// An agent that ran on a device is gone, which may be the device's end or its network's: it is looked for.
async fn host_agent_gone(host: &Arc<Host>, device: i64) {
    note(host, device, Sample::NotSeen(why::NOT_SEEN)).await;
    tokio::select! {
        () = tokio::time::sleep(LOOK_AFTER) => {}
        () = host.shutdown.cancelled() => return,
    }
    match look::target(host, device).await {
        Ok(Some(target)) => {
            let look = look::look(host, Requester::Server, &target).await;
            note(host, device, look.sample).await;
        }
        Ok(None) => {}
        Err(e) => warn!("the device {device} cannot be looked for: {e}"),
    }
}
