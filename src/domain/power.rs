//! Shutting a device down, restarting it and sending it to sleep, which the agent that runs on it does.

use crate::error::{Error, Result};
use crate::store::devices::DeviceRow;
use crate::store::{Conn, Whose, agents};

/// What is to become of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It is switched off.
    Shutdown,
    /// It is restarted.
    Reboot,
    /// It is sent to sleep.
    Sleep,
}

impl Power {
    /// The command of agents that does it.
    pub fn command(self) -> &'static str {
        match self {
            Self::Shutdown => "SHUTDOWN",
            Self::Reboot => "REBOOT",
            Self::Sleep => "SLEEP",
        }
    }
}

/// The agent that runs on a device.
///
/// # Errors
/// 409 where there is none, or one that is not the device owner's, whatever an adopted database says; the database refuses.
pub(super) fn host_agent(db: &Conn, device: &DeviceRow) -> Result<i64> {
    let agent = match device.options.host_agent {
        Some(agent) => agents::get(db, Whose::User(device.owner), agent)?,
        None => None,
    };
    agent.map(|agent| agent.id).ok_or_else(|| {
        Error::conflict(
            "no_host_agent",
            "No agent runs on the device: run one there, and name it as the device’s hostAgentID",
        )
    })
}
