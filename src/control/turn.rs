//! A command whose sender decides what is sent only when its turn has come: an operation, of which it must be stored that
//! it is sent before it is.
//!
//! It lines up like any other command. When its turn comes it holds a place in the agent's window, and is sent, or gives
//! the place back. What was not sent, what was sent and lost, what was answered and what was answered late are distinguished.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::Control;
use super::agent::Agent;
use super::cancel::Canceler;
use super::command::{Answered, Requester};
use super::core::Core;
use super::dispatch::{DispatchError, check_payload};
use super::line::Ends;
use crate::model::event::{CommandOutcome, Event};
use crate::registry::{CommandEntry, Progress};

/// A command in line. Dropped, it leaves.
pub struct InLine {
    place: Place,
    ends: Ends,
}

/// A command whose turn has come. Dropped, it gives its place in the window back.
pub struct Turn {
    place: Place,
    id: u32,
    outcome: oneshot::Receiver<Answered>,
    late: oneshot::Receiver<Answered>,
    reports: watch::Receiver<Option<Progress>>,
    used: bool,
}

/// A command whose frame was written.
pub struct Sent {
    place: Place,
    id: u32,
    at: Instant,
    outcome: oneshot::Receiver<Answered>,
    late: oneshot::Receiver<Answered>,
    reports: watch::Receiver<Option<Progress>>,
}

struct Place {
    core: Arc<Core>,
    agent: Arc<Agent>,
    entry: &'static CommandEntry,
}

impl Control {
    /// Puts a command in an agent's line.
    ///
    /// # Errors
    /// The agent is offline, or its line is full.
    pub fn line_up(
        &self,
        requester: Requester,
        agent: i64,
        entry: &'static CommandEntry,
    ) -> Result<InLine, DispatchError> {
        let agent = self.find(agent).filter(|_| !self.is_stopping()).ok_or(DispatchError::Offline)?;
        let ends = agent.line_up(&self.core, entry, requester)?;
        Ok(InLine { place: Place { core: self.core.clone(), agent, entry }, ends })
    }
}

impl InLine {
    /// Waits for the turn.
    ///
    /// # Errors
    /// It did not come: the connection ended, or others' commands filled the line. Nothing was sent.
    pub async fn turn(self) -> Result<Turn, DispatchError> {
        let Self { place, ends: Ends { granted, outcome, late, reports } } = self;
        match granted.await {
            Ok(id) => Ok(Turn { place, id, outcome, late, reports, used: false }),
            Err(_) => match outcome.await {
                Ok(Err(error)) => Err(error),
                _ => Err(DispatchError::Disconnected),
            },
        }
    }
}

impl Turn {
    /// Sends the command with this payload, whose answer is waited for so long.
    ///
    /// # Errors
    /// The payload cannot be sent, or the connection has ended: nothing was sent.
    pub fn send(mut self, payload: String, time: Duration) -> Result<Sent, DispatchError> {
        check_payload(self.place.entry, &payload)?;
        self.used = self.place.agent.give(&self.place.core, self.id, payload, time);
        if !self.used {
            return Err(DispatchError::Offline);
        }
        let place =
            Place { core: self.place.core.clone(), agent: self.place.agent.clone(), entry: self.place.entry };
        let (_, nothing) = oneshot::channel();
        let (_, no_late) = oneshot::channel();
        Ok(Sent {
            place,
            id: self.id,
            at: Instant::now(),
            outcome: std::mem::replace(&mut self.outcome, nothing),
            late: std::mem::replace(&mut self.late, no_late),
            reports: self.reports.clone(),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.used {
            self.place.agent.give_back(&self.place.core, self.id);
        }
    }
}

impl Sent {
    /// What has its agent end it; none for a command that cannot be ended.
    pub fn canceler(&self) -> Option<Canceler> {
        let Place { agent, entry, .. } = &self.place;
        entry.cancelable.then(|| Canceler::new(agent.clone(), self.id))
    }

    /// Waits for the answer, or for the end of its time or of the connection; `report` gets how far it is meanwhile.
    ///
    /// # Errors
    /// See [`DispatchError`].
    pub async fn outcome(&mut self, mut report: impl FnMut(Progress)) -> Result<String, DispatchError> {
        let Self { outcome, reports, .. } = self;
        let result = loop {
            tokio::select! {
                biased;
                result = &mut *outcome => break result.unwrap_or(Err(DispatchError::Disconnected)),
                Ok(()) = reports.changed() => {
                    let newest = reports.borrow_and_update().clone();
                    newest.into_iter().for_each(&mut report);
                }
            }
        };
        let outcome = result.as_ref().map_or_else(DispatchError::outcome, |_| CommandOutcome::Ok);
        let command = self.place.entry.name;
        let (agent, took) = (self.place.agent.id(), self.at.elapsed());
        // The operation says who made it.
        self.place.core.emit(Event::CommandDone { command, agent, user: None, outcome, took });
        result
    }

    /// After the end of its time: waits for an answer that comes late; none once none can come any more.
    pub async fn late(self) -> Option<Result<String, DispatchError>> {
        self.late.await.ok()
    }
}
