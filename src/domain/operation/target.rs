//! What an operation is to be about: the command, whose agent or device, and whether the caller reaches it.

use std::time::Duration;

use super::create::{UNTIL_SENT, Wanted};
use crate::commands::wakeup::Wakeup;
use crate::domain::By;
use crate::domain::agent::not_found;
use crate::domain::command;
use crate::domain::device::Needed;
use crate::domain::power;
use crate::domain::server_side;
use crate::domain::{power_until, wake_until};
use crate::error::{Error, Kind, Result};
use crate::model::operation::OperationKind;
use crate::model::permission::Permission;
use crate::registry::{Command, CommandEntry};
use crate::store::{Conn, Whose, agents, devices};

/// What is wanted, checked as far as that takes no database.
pub(super) struct Target {
    pub(super) kind: OperationKind,
    pub(super) entry: &'static CommandEntry,
    pub(super) payload: String,
    /// How far it is, where it goes on until the device is seen, or no more.
    pub(super) progress: Option<String>,
    /// For how long the device is looked for, where that is all there is to wait for.
    pub(super) timeout: Option<Duration>,
    whom: Whom,
}

enum Whom {
    Agent(Whose, i64),
    Device(Needed, i64),
    /// The agent that runs on a device.
    Host(Needed, i64),
}

/// What it is about.
pub(super) struct About {
    pub(super) owner: i64,
    pub(super) agents: Vec<i64>,
    pub(super) device: Option<i64>,
    pub(super) shared: bool,
}

pub(super) fn target(by: &By, wanted: Wanted) -> Result<(Target, Permission)> {
    match wanted {
        Wanted::Command { agent, command, payload } => {
            let entry = command::listed(by, &command).ok_or_else(command::unknown)?;
            let payload = command::checked(entry, &payload)?;
            check_size(entry, &payload)?;
            let permission = Permission::AgentsCommand;
            let whom = Whom::Agent(by.whose(permission), agent);
            let (kind, progress, timeout) = (OperationKind::Command, None, None);
            Ok((Target { kind, entry, payload, progress, timeout, whom }, permission))
        }
        Wanted::Power { device, power, .. } | Wanted::Offline { device, power, .. } => {
            let entry = by.host.registry.get(power.command());
            let entry = entry.ok_or_else(|| Error::internal("there is no such command"))?;
            let (payload, progress) = match wanted {
                Wanted::Offline { delay, timeout, .. } => {
                    let (payload, progress) = power_until::stored(delay, timeout)?;
                    (payload, Some(progress))
                }
                Wanted::Power { payload, .. } => (command::checked(entry, &payload)?, None),
                _ => return Err(Error::internal("this is no power command")),
            };
            let permission = Permission::DevicesPower;
            let whom = Whom::Host(Needed::of(by, permission), device);
            let (kind, timeout) = (OperationKind::Command, None);
            Ok((Target { kind, entry, payload, progress, timeout, whom }, permission))
        }
        Wanted::Wake { device } | Wanted::Online { device, .. } => {
            let entry = by
                .host
                .registry
                .get(Wakeup::NAME)
                .ok_or_else(|| Error::internal("there is no command that wakes"))?;
            let permission = Permission::DevicesWake;
            let whom = Whom::Device(Needed::of(by, permission), device);
            let timeout = match wanted {
                Wanted::Online { timeout, .. } => Some(timeout),
                _ => None,
            };
            let (payload, progress) = match timeout {
                Some(timeout) => {
                    let (payload, progress) = wake_until::stored(timeout)?;
                    (payload, Some(progress))
                }
                None => (UNTIL_SENT.to_owned(), None),
            };
            let kind = OperationKind::Wake;
            Ok((Target { kind, entry, payload, progress, timeout, whom }, permission))
        }
    }
}

impl Target {
    /// The same after the command's server side has completed its payload.
    pub(super) async fn completed(mut self, by: &By) -> Result<Self> {
        let Whom::Agent(whose, agent) = self.whom else { return Ok(self) };
        if self.entry.server_side.is_some() {
            let read = by.host.store.read(move |db| agents::get(db, whose, agent)).await?;
            let owner = read.ok_or_else(not_found)?.owner;
            self.payload = server_side::before(by, (agent, owner), self.entry, self.payload).await?;
            check_size(self.entry, &self.payload)?;
        }
        Ok(self)
    }

    pub(super) fn find(&self, db: &Conn) -> Result<(About, String)> {
        match &self.whom {
            Whom::Agent(whose, id) => {
                let agent = agents::get(db, *whose, *id)?.ok_or_else(not_found)?;
                let about = About { owner: agent.owner, agents: vec![agent.id], device: None, shared: false };
                Ok((about, agent.name))
            }
            Whom::Host(needed, id) => {
                let device = needed.find(db, *id, devices::get)?;
                let agents = vec![power::host_agent(db, &device)?];
                let about = About { owner: device.owner, agents, device: Some(*id), shared: false };
                Ok((about, device.name))
            }
            Whom::Device(needed, id) => {
                let wake = needed.find(db, *id, devices::to_wake)?;
                // Refused now, where somebody reads it.
                crate::domain::wake::payload(&wake)?;
                let agents = crate::domain::wake::agents(&wake);
                if agents.is_empty() {
                    return Err(Error::new(Kind::Unavailable, "agent_offline", "Agent is offline"));
                }
                let about = About { owner: wake.owner, agents, device: Some(*id), shared: wake.shared };
                Ok((about, wake.name))
            }
        }
    }
}

fn check_size(entry: &CommandEntry, payload: &str) -> Result<()> {
    if crate::control::fits(entry.name, payload) {
        return Ok(());
    }
    Err(Error::invalid("The payload is too large for an agent"))
}
