//! Withdraws operations: what was not sent at once; what runs by asking its agent to end it, where the command can be ended
//! and the agent understands that. It is canceled once the agent has answered that it ended it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::Operations;
use super::ledger::apply;
use super::machine::Input;
use super::read::{self, Seen, Sight, not_found};
use crate::control::Canceler;
use crate::domain::By;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, Entry, Noted, SubjectKind};
use crate::model::operation::{Operation, OperationId, State};
use crate::store::{Conn, operations};

/// What came of it.
#[derive(Debug)]
pub enum Canceled {
    /// It is withdrawn.
    Done(Seen),
    /// It was over before.
    Ended(Seen),
    /// It was sent and cannot be taken back.
    Running(Seen),
    /// Its agent was asked to end it, and has not answered yet.
    Asked(Seen),
}

/// For how long an agent's answer is waited for.
const ANSWER: Duration = Duration::from_secs(5);

/// What has an agent end an operation that was sent.
pub(super) struct Cancel {
    canceler: Canceler,
    asked: AtomicBool,
}

impl Cancel {
    /// Whether the agent was asked.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }
}

impl Operations {
    /// Keeps what has its agent end an operation, until it is [forgotten](Self::forget_canceler).
    pub(super) fn keep_canceler(&self, id: OperationId, canceler: Canceler) -> Arc<Cancel> {
        let cancel = Arc::new(Cancel { canceler, asked: AtomicBool::new(false) });
        self.cancelers.lock().insert(id, cancel.clone());
        cancel
    }

    pub(super) fn forget_canceler(&self, id: OperationId) {
        self.cancelers.lock().remove(&id);
    }
}

/// Withdraws an operation that was not sent, or has its agent end it.
///
/// # Errors
/// The caller sees no such operation, or may not withdraw it; the database refuses.
pub async fn cancel(by: &By, id: OperationId) -> Result<Canceled> {
    by.host.pace.turn(&by.caller, Action::OperationCancel).await?;
    let (sight, may, clock) = (Sight::of(by), Sight::to_cancel(by), by.host.clock.clone());
    let operations = Operations::of(&by.host);
    let cancel = operations.cancelers.lock().get(&id).cloned();
    let cancel = cancel.filter(|cancel| cancel.canceler.is_understood());
    let (entry, asks) = (by.entry(Action::OperationCancel), cancel.clone());
    let first = Arc::new(AtomicBool::new(false));
    let first_asks = first.clone();
    // Where its agent was not asked after all, the next who cancels does so.
    let not_asked = || {
        if let Some(cancel) = cancel.as_ref().filter(|_| first.load(Relaxed)) {
            cancel.asked.store(false, Relaxed);
        }
    };
    let withdraw = move |db: &Conn| {
        // Not before: what is stored by now happened earlier.
        let now = clock.now();
        let operation = operations::get(db, id)?.ok_or_else(not_found)?;
        let seen = sight.see(db, operation.clone())?.ok_or_else(not_found)?;
        let allowed = may.see(db, operation)?.filter(|may| may.whole || may.own);
        if allowed.is_none() {
            return Err(Error::new(
                Kind::Forbidden,
                "not_allowed",
                "You may see this operation, but not withdraw it: whoever asked for it may, and the owner of what \
                     it is about",
            ));
        }
        if let Some(operation) = apply(db, &seen.operation, &Input::Cancel, now)? {
            note(db, entry, &operation)?;
            return Ok(Canceled::Done(Seen { operation, ..seen }));
        }
        if seen.operation.state != State::Running {
            return Ok(Canceled::Ended(seen));
        }
        let Some(asks) = asks else { return Ok(Canceled::Running(seen)) };
        // Of several who ask, the first is noted.
        if !asks.asked.swap(true, Relaxed)
            && !first_asks.swap(true, Relaxed)
            && let Some(operation) = apply(db, &seen.operation, &Input::CancelSent, now)?
        {
            note(db, entry, &operation)?;
            return Ok(Canceled::Asked(Seen { operation, ..seen }));
        }
        Ok(Canceled::Asked(seen))
    };
    let canceled = by.write(withdraw).await.inspect_err(|_| not_asked())?;
    match &canceled {
        Canceled::Done(seen) => {
            operations.published(&by.host, &seen.operation);
            if let Some(agent) = seen.operation.agent {
                operations.look_at(agent);
            }
        }
        Canceled::Asked(seen) => {
            operations.published(&by.host, &seen.operation);
            if !cancel.as_ref().is_some_and(|cancel| cancel.canceler.cancel()) {
                not_asked();
            }
            let seen = read::wait(by, id, ANSWER).await?;
            return Ok(match seen.operation.state {
                State::Canceled => Canceled::Done(seen),
                _ if seen.operation.is_live() => Canceled::Asked(seen),
                _ => Canceled::Ended(seen),
            });
        }
        Canceled::Ended(_) | Canceled::Running(_) => {}
    }
    Ok(canceled)
}

/// Notes in the audit log that an operation was canceled.
fn note(db: &Conn, mut entry: Entry, operation: &Operation) -> Result<()> {
    match (operation.device, operation.agent) {
        (Some(device), _) => entry.on(SubjectKind::Device, device, ""),
        (None, agent) => entry.on(SubjectKind::Agent, agent, ""),
    }
    entry.detail = Some(operation.command.clone());
    crate::store::audit::insert_noted(db, &Noted { entry, only_if_there: false })
}
