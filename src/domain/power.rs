//! Shutting a device down, restarting it and sending it to sleep, which the agent that runs on it does.

use super::command_error::allow_it;
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

/// The agent that runs on a device, if there is one that is the device owner's: whatever an adopted database says, nothing
/// is sent to another's.
///
/// # Errors
/// The database refuses.
pub(super) fn runs_on(db: &Conn, device: &DeviceRow) -> Result<Option<i64>> {
    let Some(agent) = device.options.host_agent else { return Ok(None) };
    Ok(agents::get(db, Whose::User(device.owner), agent)?.map(|agent| agent.id))
}

/// The agent that runs on a device.
///
/// # Errors
/// 409 where there is none; the database refuses.
pub(super) fn host_agent(db: &Conn, device: &DeviceRow) -> Result<i64> {
    runs_on(db, device)?.ok_or_else(|| {
        Error::conflict(
            "no_host_agent",
            "No agent runs on the device: run one there, and name it as the device’s hostAgentID",
        )
    })
}

/// That an agent was not sent a power command, and what to do: it said that it does not have it.
pub(super) fn not_allowed(command: &str) -> String {
    format!("The agent does not have {command}: {}", allow_it(command))
}
