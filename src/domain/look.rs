//! One look whether a device is up, by the best means there are.
//!
//! The agent that runs on the device is connected: nothing proves more. Else the first connected agent that reaches the
//! device is asked whether it sees it.

use std::net::IpAddr;
use std::sync::Arc;

use super::device_agent::first_online;
use super::device_questions::{self, Target as Question};
use crate::commands::get_status::Online;
use crate::control::{DispatchError, Requester};
use crate::error::Result;
use crate::host::Host;
use crate::model::device_presence::{SeenBy, why};
use crate::registry::MacAddress;
use crate::store::{Whose, device_agents, devices};

/// A device that is looked for.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The agent that runs on it.
    host_agent: Option<i64>,
    /// The agents that reach it, in the order in which they are asked.
    agents: Vec<i64>,
    /// What it is looked for by; none where nothing usable is stored.
    question: Option<Question>,
}

/// What a look brings for the device's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sample {
    /// It was seen.
    Seen(SeenBy),
    /// It was not, and this is why.
    NotSeen(&'static str),
    /// Nobody could tell, and this is why.
    CannotTell(&'static str),
}

impl Sample {
    /// What an agent's answer says.
    pub(super) fn of(online: Online) -> Self {
        match online {
            // Firmware pings.
            Online::Online => Self::Seen(SeenBy::Icmp),
            Online::Offline => Self::NotSeen(why::NOT_SEEN),
            Online::Unknown => Self::CannotTell(why::CANNOT_PROBE),
        }
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether the device is up.
    pub(super) sample: Sample,
    /// Which agent was asked; for a host agent, that one.
    pub(super) agent: Option<i64>,
    /// Where somebody answered.
    pub(super) address: Option<IpAddr>,
    /// Whose MAC address answered there.
    pub(super) mac: Option<MacAddress>,
    /// The TCP port that answered.
    pub(super) port: Option<u16>,
    /// How long the answer took, in milliseconds.
    pub(super) latency: Option<u64>,
}

impl Seen {
    fn new(sample: Sample, agent: Option<i64>) -> Self {
        Self { sample, agent, address: None, mac: None, port: None, latency: None }
    }
}

/// What the device of an ID is looked for by, if there is that device.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn target(host: &Host, device: i64) -> Result<Option<Target>> {
    let read = host.store.read(move |db| {
        let Some(row) = devices::get(db, &Whose::Anyones.into(), device)? else { return Ok(None) };
        let agents = device_agents::of_device(db, device)?;
        Ok(Some(Target { host_agent: row.options.host_agent, agents, question: Question::of(&row) }))
    });
    read.await
}

/// Looks whether a device is up, for whoever asks.
pub(super) async fn look(host: &Arc<Host>, requester: Requester, target: &Target) -> Seen {
    if let Some(agent) = target.host_agent
        && host.control.is_online(agent)
    {
        return Seen::new(Sample::Seen(SeenBy::HostAgent), Some(agent));
    }
    let Some(agent) = first_online(&host.control, &target.agents) else {
        return Seen::new(Sample::CannotTell(why::AGENT_OFFLINE), None);
    };
    let Some(question) = &target.question else {
        return Seen::new(Sample::CannotTell(why::CANNOT_PROBE), Some(agent));
    };
    let sample = match device_questions::ask(host, requester, agent, question).await {
        Ok(online) => Sample::of(online),
        Err(DispatchError::Offline | DispatchError::Disconnected) => Sample::CannotTell(why::AGENT_OFFLINE),
        Err(_) => Sample::CannotTell(why::CANNOT_PROBE),
    };
    Seen::new(sample, Some(agent))
}
