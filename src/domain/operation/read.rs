//! Which operations a caller sees, and what of them.
//!
//! What is about an agent is seen by whoever may see or command the agent; what is about a device by whoever may see or
//! wake the device. To whom a device is shared are shown our words alone: what an agent says is its owner's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

pub use crate::store::operation_page::{Filter, InState};

use super::Operations;
use crate::domain::By;
use crate::error::{Error, Result};
use crate::model::operation::{Operation, OperationId, TrailEntry};
use crate::model::permission::Permission;
use crate::store::operation_page::{Of, page};
use crate::store::{Conn, Reach, Whose, devices, operation_trail, operations};

/// An operation as a caller sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The operation.
    pub operation: Operation,
    /// Whether all of it is shown: it is the caller's own, or everyone's are meant.
    pub whole: bool,
    /// Whether the caller made it.
    pub own: bool,
}

/// What a caller reaches.
pub(in crate::domain) struct Sight {
    /// Whose agents; none if none are.
    pub(in crate::domain) agents: Option<Whose>,
    /// Which devices.
    pub(in crate::domain) devices: Vec<Reach>,
    user: Option<i64>,
}

impl Sight {
    pub(in crate::domain) fn of(by: &By) -> Self {
        Self::with(
            by,
            &[Permission::AgentsRead, Permission::AgentsCommand],
            &[Permission::DevicesRead, Permission::DevicesWake, Permission::DevicesPower],
        )
    }

    /// What the caller may withdraw.
    pub(super) fn to_cancel(by: &By) -> Self {
        Self::with(by, &[Permission::AgentsCommand], &[Permission::DevicesWake, Permission::DevicesPower])
    }

    fn with(by: &By, of_agents: &[Permission], of_devices: &[Permission]) -> Self {
        let has = |permission: &&Permission| by.caller.has(**permission);
        // A token that is restricted to devices reaches no agent.
        let restricted = by.caller.only_devices().is_some();
        let whose = of_agents.iter().filter(has).map(|permission| by.whose(*permission));
        let agents = whose.max_by_key(|whose| whose.owner().is_none()).filter(|_| !restricted);
        let devices = of_devices.iter().filter(has).map(|permission| by.devices(*permission)).collect();
        Self { agents, devices, user: by.caller.user_id() }
    }

    /// The operation as the caller sees it, if they do.
    pub(super) fn see(&self, db: &Conn, operation: Operation) -> Result<Option<Seen>> {
        let own = self.user.is_some() && operation.maker.user == self.user;
        let is_of = |whose: Whose| whose.owner().is_none_or(|owner| owner == operation.owner);
        let Some(device) = operation.device else {
            let sees = self.agents.is_some_and(is_of);
            return Ok(sees.then_some(Seen { operation, whole: true, own }));
        };
        for reach in &self.devices {
            let among = reach.only.as_deref().is_none_or(|only| only.contains(&device));
            if among && is_of(reach.whose) {
                return Ok(Some(Seen { operation, whole: true, own }));
            }
        }
        for reach in &self.devices {
            if devices::get(db, reach, device)?.is_some() {
                return Ok(Some(Seen { operation, whole: false, own }));
            }
        }
        Ok(None)
    }

    /// From where pages come: the owner's, or everyone's, and of each device that is shared or that a token is for.
    fn sources(&self, db: &Conn, filter: &Filter) -> Result<Vec<Of>> {
        // All operations of a device are seen, or none; those of an agent are its owner's. What another's are is not gone
        // through.
        let newest = |of| {
            Ok::<_, Error>(page(db, of, &Filter { before: i64::MAX, limit: 1, ..Filter::default() })?.pop())
        };
        if let Some(device) = filter.device {
            let of = Of::Device(device);
            let sees = newest(of)?.map(|one| self.see(db, one)).transpose()?.flatten().is_some();
            return Ok(if sees { vec![of] } else { Vec::new() });
        }
        if let Some(agent) = filter.agent {
            let of = Of::Agent(agent);
            let owner = newest(of)?.map(|one| one.owner);
            let reaches = |whose: Whose| whose.owner().is_none() || whose.owner() == owner;
            let mut all = self.agents.into_iter().chain(self.devices.iter().map(|reach| reach.whose));
            return Ok(if all.any(reaches) { vec![of] } else { Vec::new() });
        }
        let whose = self
            .agents
            .into_iter()
            .chain(self.devices.iter().filter(|reach| reach.only.is_none()).map(|reach| reach.whose));
        let widest = whose.max_by_key(|whose| whose.owner().is_none());
        let mut sources = match widest {
            Some(Whose::Anyones) => return Ok(vec![Of::All]),
            Some(Whose::User(user)) => vec![Of::Owner(user)],
            None => Vec::new(),
        };
        for reach in &self.devices {
            let found = match &reach.only {
                Some(only) => only.to_vec(),
                None if reach.shared.is_some() => devices::ids_shared(db, reach)?,
                None => Vec::new(),
            };
            sources.extend(
                found.into_iter().map(Of::Device).filter(|of| !sources.contains(of)).collect::<Vec<_>>(),
            );
        }
        Ok(sources)
    }
}

/// Rows of one reading that are looked at once a page could not be filled with the first.
const STRETCH: i64 = 500;
/// Such stretches of one reading: others read in between.
const STRETCHES: usize = 20;

/// A page of the operations that the caller sees, and whether there are more; the newest first. What agents answered may
/// be long, so that the page is handed to `show` where it was read.
///
/// # Errors
/// The database cannot be read; what `show` answers.
pub async fn list<T: Send + 'static>(
    by: &By,
    filter: Filter,
    show: impl FnOnce(Vec<Seen>) -> Result<T> + Send + 'static,
) -> Result<(T, Option<OperationId>)> {
    let (sight, reader) = (Arc::new(Sight::of(by)), by.reader());
    let limit = usize::try_from(filter.limit).unwrap_or(0);
    let (mut filter, mut page, mut show) = (filter, Vec::new(), Some(show));
    loop {
        let (sight, mut so_far, mut rest, mut shows) = (sight.clone(), page, filter, show);
        let read = reader.read(move |db| {
            let ended = look_on(db, &sight, &mut rest, limit, &mut so_far)?;
            let shown = match shows.take_if(|_| ended) {
                Some(show) => {
                    let more = so_far.len() > limit;
                    so_far.truncate(limit);
                    let next = so_far.last().filter(|_| more).map(|seen| seen.operation.id);
                    Some((show(std::mem::take(&mut so_far))?, next))
                }
                None => None,
            };
            Ok((shown, so_far, rest, shows))
        });
        let shown;
        (shown, page, filter, show) = read.await?;
        if let Some(shown) = shown {
            return Ok(shown);
        }
        // As long as nothing is found, whoever asked may lose the right to be answered.
        by.admission().stands().await?;
    }
}

/// Reads the operations of these keys that the caller sees, in a reading of whoever calls it.
pub fn rows(by: &By) -> impl Fn(&Conn, &[i64]) -> Result<Vec<Seen>> + Send + Sync + use<> {
    let sight = Sight::of(by);
    move |db, keys| {
        let found = keys.iter().filter_map(|key| operations::of_key(db, *key).transpose());
        found.filter_map(|one| one.and_then(|one| sight.see(db, one)).transpose()).collect()
    }
}

/// Looks on for what the caller sees, where `filter` begins, until there is one more than `limit`. Answers whether that is
/// found, or nothing is left; else `filter` begins where to go on.
fn look_on(
    db: &Conn,
    sight: &Sight,
    filter: &mut Filter,
    limit: usize,
    seen: &mut Vec<Seen>,
) -> Result<bool> {
    let sources = sight.sources(db, filter)?;
    for _ in 0..STRETCHES {
        let mut found = BTreeMap::new();
        for of in &sources {
            let wanted = Filter { limit: filter.limit + 1, ..*filter };
            found.extend(page(db, *of, &wanted)?.into_iter().map(|one| (one.id.key(), one)));
        }
        let stretch = usize::try_from(filter.limit).unwrap_or(0) + 1;
        let last = found.len() < stretch;
        for (key, operation) in found.into_iter().rev().take(stretch) {
            filter.before = key;
            // To whom a device is shared its agent is not: they cannot ask which it is either.
            let shown = sight.see(db, operation)?.filter(|seen| seen.whole || filter.agent.is_none());
            seen.extend(shown);
            if seen.len() > limit {
                return Ok(true);
            }
        }
        if last {
            return Ok(true);
        }
        filter.limit = STRETCH;
    }
    Ok(false)
}

/// An operation and its trail.
///
/// # Errors
/// The caller sees no such operation; the database cannot be read.
pub async fn get(by: &By, id: OperationId) -> Result<(Seen, Vec<TrailEntry>)> {
    let sight = Sight::of(by);
    let read = by.host.store.read(move |db| {
        let operation = operations::get(db, id)?.ok_or_else(not_found)?;
        let seen = sight.see(db, operation)?.ok_or_else(not_found)?;
        let trail = operation_trail::of(db, id)?;
        Ok((seen, trail))
    });
    let (seen, trail) = read.await?;
    let trail = whole_trail(&seen.operation, trail);
    Ok((seen, trail))
}

/// The trail with what is not stored of it: its making, and what one that was done directly consists of.
fn whole_trail(operation: &Operation, stored: Vec<TrailEntry>) -> Vec<TrailEntry> {
    let mut trail = vec![TrailEntry::new(operation.created_at, "created", "It was asked for")];
    if operation.direct {
        let sent = operation.started_at.map(|at| TrailEntry::new(at, "sent", "Sent"));
        trail.extend(sent);
        // What came late is stored, with what was before.
        if let Some(at) = operation.ended_at.filter(|_| stored.is_empty()) {
            let end = TrailEntry::new(at, operation.state.word(), operation.message.clone());
            trail.push(TrailEntry { said: operation.said.clone(), ..end });
        }
    }
    trail.extend(stored);
    trail
}

/// Waits until an operation has ended, at most so long, and answers it as it is then.
///
/// # Errors
/// As for [`get`]; and 401 or 403 once the caller may not any more.
pub async fn wait(by: &By, id: OperationId, time: Duration) -> Result<Seen> {
    let until = Instant::now() + time;
    let operations = Operations::of(&by.host);
    let waiter = operations.waiter(id);
    let stop = by.host.shutdown.clone();
    let waiting = async {
        loop {
            // Before the look, so that an end between both is not missed.
            let ended = waiter.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let (seen, _) = get(by, id).await?;
            if !seen.operation.is_live() || by.host.shutdown.is_cancelled() {
                return Ok(seen);
            }
            tokio::select! {
                timely = timeout_at(until, ended) => if timely.is_err() {
                    return Ok(get(by, id).await?.0);
                },
                // It goes on after the restart.
                () = stop.cancelled() => {}
            }
        }
    };
    let seen = by.as_long_as_allowed(waiting).await;
    operations.forget_waiter(id);
    seen
}

/// The device that an operation is about, as people are shown it.
///
/// # Errors
/// The database cannot be read.
pub async fn device_name(by: &By, operation: &Operation) -> Result<String> {
    let Some(id) = operation.device else { return Ok("The device".to_owned()) };
    let found = by.host.store.read(move |db| devices::get(db, &Whose::Anyones.into(), id)).await?;
    Ok(found.map_or_else(
        || format!("Device {id}"),
        |device| format!("“{}” (device {id})", crate::text::harmless(device.name.into())),
    ))
}

pub(super) fn not_found() -> Error {
    Error::not_found("Operation not found")
}
