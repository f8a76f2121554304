//! Operations: what is wanted of agents, stored until it is done and for a while after.
//!
//! `machine` alone says what becomes of an operation; `create`, `read` and `cancel` are what callers do, `queue` sends what
//! waits, `ledger` stores every step before it counts, `timer` lets time do its part, `record` notes what was done while
//! its caller waited, `retention` deletes. [`Operations`] is what they share in memory, of which nothing need survive.

pub mod cancel;
pub mod create;
mod gone;
mod ledger;
mod lines;
pub mod machine;
mod passed_on;
mod queue;
pub mod read;
pub mod record;
pub mod retention;
pub(super) mod right;
mod room;
mod target;
mod timer;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use self::cancel::Cancel;
use self::ledger::Ledger;
use self::lines::{Lines, Ready};
use self::passed_on::PassedOn;
use self::room::Room;
use super::By;
use crate::auth::Caller;
use crate::clock::Millis;
use crate::error::Result;
use crate::host::Host;
use crate::model::operation::{Maker, MakerKind, Operation, OperationId, OperationIds};
use crate::registry::{Class, CommandEntry};
use crate::store::operations;

pub use self::gone::{agent_gone, device_gone, user_gone};
pub use self::queue::run;

/// What the verbs and the driver of operations share.
pub struct Operations {
    pub(super) ids: OperationIds,
    ledger: Ledger,
    /// Agents whose queue is to be looked at.
    ready: Ready,
    stirred: Notify,
    /// Agents for which something may be queued: of the others nobody need ask the database when they connect.
    backlog: Mutex<HashSet<i64>>,
    /// Agents of devices for which a wake may wait that another agent was meant to send.
    stand_ins: Mutex<HashSet<i64>>,
    /// What stands in an agent's line, or was sent.
    lines: Lines,
    /// How many each user may still make.
    room: Room,
    /// What has the agents end what was sent and can be ended.
    cancelers: Mutex<HashMap<OperationId, Arc<Cancel>>>,
    /// When something is due first.
    first_due: AtomicI64,
    /// Notified when something becomes due where nothing was.
    due: Notify,
    passed_on: PassedOn,
    /// Who waits for the end of an operation.
    waiters: Mutex<HashMap<OperationId, Arc<Notify>>>,
    pub(super) recorded: record::Recorded,
}

impl Default for Operations {
    fn default() -> Self {
        Self {
            ids: OperationIds::default(),
            ledger: Ledger::default(),
            ready: Ready::default(),
            stirred: Notify::new(),
            backlog: Mutex::default(),
            stand_ins: Mutex::default(),
            lines: Lines::default(),
            room: Room::default(),
            cancelers: Mutex::default(),
            first_due: AtomicI64::new(Millis::MAX),
            due: Notify::new(),
            passed_on: PassedOn::default(),
            waiters: Mutex::default(),
            recorded: record::Recorded::default(),
        }
    }
}

impl Operations {
    /// Those of a host.
    pub fn of(host: &Host) -> Arc<Self> {
        host.remembered.get(Self::default)
    }

    /// Has the queue of an agent looked at that came online. Costs nothing where nothing waits for it.
    pub fn agent_online(&self, agent: i64) {
        if self.backlog.lock().contains(&agent) || self.stand_ins.lock().contains(&agent) {
            self.look_at(agent);
        }
    }

    fn look_at(&self, agent: i64) {
        self.ready.extend([agent]);
        self.stirred.notify_one();
    }

    /// Forgets the agents for which nothing waits any more, of which most never come again to be looked at.
    pub(super) async fn forget_agents(&self, host: &Host) -> Result<()> {
        let (backlog, stand_ins) = (self.backlog.lock().len(), self.stand_ins.lock().len());
        if backlog + stand_ins == 0 {
            return Ok(());
        }
        // Taken out first: what is made from now on puts its agents back.
        let taken = (std::mem::take(&mut *self.backlog.lock()), std::mem::take(&mut *self.stand_ins.lock()));
        let read =
            host.store.read_long(0, |db| Ok((operations::agents_with_live(db)?, operations::stand_ins(db)?)));
        let (backlog, stand_ins) = match read.await {
            Ok(found) => found,
            Err(e) => {
                self.backlog.lock().extend(taken.0);
                self.stand_ins.lock().extend(taken.1);
                return Err(e);
            }
        };
        self.backlog.lock().extend(&backlog);
        self.stand_ins.lock().extend(&stand_ins);
        // One may have come online meanwhile.
        let known = backlog.into_iter().chain(stand_ins);
        known.filter(|agent| host.control.is_online(*agent)).for_each(|agent| self.look_at(agent));
        Ok(())
    }

    /// Passes on that an operation was made or changed, which is stored: to its queue, to whoever waits, and as an event.
    fn published(&self, host: &Host, operation: &Operation) {
        if let Some(due) = operation.due_at
            && self.first_due.fetch_min(due, Ordering::Relaxed) == Millis::MAX
        {
            self.due.notify_one();
        }
        if !operation.is_live() {
            let waiting = self.waiters.lock().remove(&operation.id);
            if let Some(waiting) = waiting {
                waiting.notify_waiters();
            }
        }
        self.passed_on.once(operation, |event| host.events.emit(event));
    }

    /// Passes on that an operation was made, which any of these agents may do.
    fn made(&self, host: &Host, operation: &Operation, agents: &[i64]) {
        self.published(host, operation);
        if agents.len() > 1 && operation.progress.is_none() {
            self.stand_ins.lock().extend(agents);
            agents
                .iter()
                .filter(|agent| host.control.is_online(**agent))
                .for_each(|agent| self.look_at(*agent));
        }
        if let Some(agent) = operation.agent
            && operation.is_live()
        {
            self.backlog.lock().insert(agent);
            if host.control.is_online(agent) {
                self.look_at(agent);
            }
        }
    }

    /// What is notified when an operation ends.
    pub(super) fn waiter(&self, id: OperationId) -> Arc<Notify> {
        self.waiters.lock().entry(id).or_default().clone()
    }

    /// Forgets what nobody waits at any more.
    pub(super) fn forget_waiter(&self, id: OperationId) {
        let mut waiters = self.waiters.lock();
        // The map's own, and the one of whoever is leaving.
        if waiters.get(&id).is_some_and(|waiting| Arc::strong_count(waiting) <= 2) {
            waiters.remove(&id);
        }
    }
}

/// Passes on that operations ended with what they were about.
pub(super) fn publish(host: &Host, ended: &[Operation]) {
    let operations = Operations::of(host);
    ended.iter().for_each(|one| operations.published(host, one));
}

/// Who makes an operation.
pub(super) fn maker(by: &By) -> Maker {
    match &by.caller {
        Caller::User { account, .. } => Maker {
            kind: MakerKind::User,
            id: Some(account.id),
            name: account.username.clone(),
            user: Some(account.id),
        },
        Caller::Token { account, token } => Maker {
            kind: MakerKind::Token,
            id: Some(token.row.id),
            name: token.row.name.clone(),
            user: Some(account.id),
        },
        // A plugin is part of the server, and acts with the operator's reach; the name tells which it was.
        Caller::Plugin(name) => {
            Maker { kind: MakerKind::Operator, id: None, name: format!("plugin {name}"), user: None }
        }
        Caller::Nobody | Caller::Operator => {
            Maker { kind: MakerKind::Operator, id: None, name: "operator".to_owned(), user: None }
        }
    }
}

/// The place of a command's class in the queue of an agent: wakes come first, questions last.
fn class(entry: &CommandEntry) -> i64 {
    if entry.urgent { -1 } else { i64::from(entry.class == Class::Question) }
}
