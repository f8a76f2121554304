//! One look whether a device is up, by the best means there are.
//!
//! The agent that runs on the device is connected: nothing proves more. Else the first connected agent that reaches the
//! device is asked whether it sees it: with PROBE, which says by what it was seen and who answers at the address, or, where
//! the agent lacks that, with GET_STATUS.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::device_agent::first_online;
use super::device_questions::{self, Target as Question};
use crate::commands::probe::{Payload, Probe, Probed};
use crate::control::{Control, DispatchError, Requester, Supported};
use crate::error::Result;
use crate::host::Host;
use crate::model::device_presence::{SeenBy, why};
use crate::registry::{Command, MacAddress, Online, ProbeMethod};
use crate::store::devices::DeviceRow;
use crate::store::{Conn, Whose, device_agents, devices};

/// A device that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The agent that runs on it.
    host_agent: Option<i64>,
    /// The agents that reach it, in the order in which they are asked.
    pub(super) agents: Vec<i64>,
    /// What it is looked for by; none where nothing usable is stored.
    question: Option<Question>,
    /// The TCP ports at which it is looked for; none for the usual ones.
    ports: Vec<NonZeroU16>,
}

impl Target {
    /// Whether the agent that runs on it is connected, which proves that it is up.
    pub(super) fn is_hosted(&self, control: &Control) -> bool {
        self.host_agent.is_some_and(|agent| control.is_online(agent))
    }
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

impl Target {
    /// The same, of a device whose own agent proves nothing.
    pub(super) fn without_host_agent(self) -> Self {
        Self { host_agent: None, ..self }
    }
}

/// What the device of an ID is looked for by, if there is that device.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn target(host: &Host, device: i64) -> Result<Option<Target>> {
    let read = host.store.read(move |db| {
        let row = devices::get(db, &Whose::Anyones.into(), device)?;
        row.map(|row| target_of(db, &row)).transpose()
    });
    read.await
}

/// What a device is looked for by, in a reading of whoever calls it.
///
/// # Errors
/// The database cannot be read.
pub(super) fn target_of(db: &Conn, row: &DeviceRow) -> Result<Target> {
    let agents = device_agents::of_device(db, row.id)?;
    let ports = row.options.probe_ports.iter().copied().filter_map(NonZeroU16::new).collect();
    Ok(Target { host_agent: row.options.host_agent, agents, question: Question::of(row), ports })
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
    if host.control.supports(agent, Probe::NAME) != Supported::No {
        let (address, mac_address) = question.parts();
        let payload = Payload { mac_address, address, ports: target.ports.clone(), device_id: None };
        match host.control.dispatch_for::<Probe>(requester, agent, &payload).await {
            // It says that it lacks the command, or cannot look for this in its words: it may in the old ones.
            Err(DispatchError::Unsupported | DispatchError::Failed(_)) => {}
            Err(error) => return Seen::new(unseen(&error), Some(agent)),
            Ok(probed) => return probed_by(agent, mac_address, &probed),
        }
    }
    let sample = match device_questions::ask(host, requester, agent, question).await {
        Ok(online) => Sample::of(online),
        Err(error) => unseen(&error),
    };
    Seen::new(sample, Some(agent))
}

/// What a question without an answer says.
fn unseen(error: &DispatchError) -> Sample {
    match error {
        DispatchError::Offline | DispatchError::Disconnected => Sample::CannotTell(why::AGENT_OFFLINE),
        _ => Sample::CannotTell(why::CANNOT_PROBE),
    }
}

/// What an agent's answer to PROBE says.
fn probed_by(agent: i64, mac: Option<MacAddress>, probed: &Probed) -> Seen {
    let other = probed.mac_address.is_some_and(|answers| mac.is_some_and(|mac| mac != answers));
    let sample = match probed.online {
        Online::Online if other => Sample::NotSeen(why::OTHER_DEVICE_ANSWERS),
        Online::Online => Sample::Seen(match probed.method {
            Some(ProbeMethod::Tcp) => SeenBy::Tcp,
            Some(ProbeMethod::Neighbour) => SeenBy::Neighbour,
            Some(ProbeMethod::Icmp) | None => SeenBy::Icmp,
        }),
        Online::Offline if other => Sample::NotSeen(why::OTHER_DEVICE_ANSWERS),
        Online::Offline => Sample::NotSeen(why::NOT_SEEN),
        Online::Unknown => Sample::CannotTell(why::CANNOT_PROBE),
    };
    Seen {
        sample,
        agent: Some(agent),
        address: probed.address,
        mac: probed.mac_address,
        port: probed.port,
        latency: probed.latency_ms,
    }
}
