//! Having an agent end a command: `CANCEL:<id>:{}`.
//!
//! It is sent to agents that said they understand it, for commands that can be ended without harm, once each: where
//! somebody cancels the operation, and where nobody waits for the reply any more. The command keeps its place in the
//! agent's window until it is answered or its time is over, since it may run on until then.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use super::agent::Agent;
use super::command::Answered;
use super::line::Flight;
use crate::registry::CommandEntry;

impl Agent {
    /// Has the agent end those commands of which `which` says so, as far as that can be. Whether it was asked.
    fn stop(self: &Arc<Self>, which: impl Fn(&Flight) -> bool) -> bool {
        let mut state = self.state.lock();
        if !state.takes_cancel() {
            return false;
        }
        let Some(line) = &mut state.line else { return false };
        let frames = line.stop(which);
        if !frames.is_empty() {
            self.send(&mut state, &frames);
        }
        !frames.is_empty()
    }
}

/// Has the agent end one command.
pub struct Canceler {
    agent: Arc<Agent>,
    id: u32,
}

impl Canceler {
    pub(super) fn new(agent: Arc<Agent>, id: u32) -> Self {
        Self { agent, id }
    }

    /// Whether the agent understands that.
    pub fn is_understood(&self) -> bool {
        self.agent.state.lock().takes_cancel()
    }

    /// Asks the agent to end the command, if it still runs. Its answer, if one comes, says what became of it.
    pub fn cancel(&self) -> bool {
        self.agent.stop(|flight| flight.id == self.id)
    }
}

/// The outcome of a command that was sent directly. Dropped before, it gives the command up.
pub(super) struct Waiting {
    agent: Arc<Agent>,
    entry: &'static CommandEntry,
    /// None once it has come.
    outcome: Option<oneshot::Receiver<Answered>>,
}

impl Waiting {
    pub(super) fn new(
        agent: Arc<Agent>,
        entry: &'static CommandEntry,
        outcome: oneshot::Receiver<Answered>,
    ) -> Self {
        Self { agent, entry, outcome: Some(outcome) }
    }
}

impl Future for Waiting {
    type Output = Result<Answered, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(outcome) = &mut self.outcome else { return Poll::Pending };
        let polled = Pin::new(outcome).poll(cx);
        if polled.is_ready() {
            self.outcome = None;
        }
        polled
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Gone first: only then is it seen that nobody waits.
        if self.outcome.take().is_some() && self.entry.cancelable {
            self.agent.stop(|flight| flight.command.is_abandoned());
        }
    }
}
