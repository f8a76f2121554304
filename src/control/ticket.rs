//! What an agent has between its handshake and its socket.
//!
//! The handshake admits an agent before the connection is given over; a [`Ticket`] stands for the place that it has
//! meanwhile, and gives it back where the connection never comes.

use std::sync::Arc;

use super::agent::Agent;
use super::close::Why;
use super::core::Core;
use crate::clock::Millis;
use crate::error::Error;
use crate::model::presence::Conflict;

/// An admitted agent whose socket is still to come. Dropped, it ends the agent's connection.
pub struct Ticket {
    pub(super) core: Arc<Core>,
    pub(super) agent: Arc<Agent>,
    pub(super) epoch: u32,
    pub(super) attached: bool,
    /// Until when the old secret that ended with this login would have been good.
    pub(super) retired: Option<Millis>,
    pub(super) conflict: Option<Conflict>,
}

/// A handshake that was refused.
#[derive(Debug)]
pub struct NotAdmitted {
    /// What to answer.
    pub error: Error,
    /// Which agent it claimed to be, if the claim was judged and found wrong.
    pub claimed: Option<i64>,
}

impl From<Error> for NotAdmitted {
    fn from(error: Error) -> Self {
        Self { error, claimed: None }
    }
}

impl Ticket {
    /// The agent.
    pub fn agent(&self) -> i64 {
        self.agent.id()
    }

    /// That the agent's connections replace each other again and again, if it is time to report that.
    pub fn conflict(&self) -> Option<Conflict> {
        self.conflict
    }

    /// The agent, and until when its old secret would have been good, if that ended because the agent logged in with
    /// its new one: it is to be forgotten.
    pub fn retired_secret(&self) -> Option<(i64, Millis)> {
        Some((self.agent.id(), self.retired?))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.attached {
            self.agent.end(&self.core, self.epoch, Why::UpgradeFailed);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("agent", &self.agent.id()).field("epoch", &self.epoch).finish()
    }
}
