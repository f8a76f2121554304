//! What is set of a device beyond what every device has: which agents reach it, how it is woken and looked for.
//!
//! Clients that know none of these fields leave them out, and they stay as they are. Nothing of them is shown where
//! nothing is set, nor to whom the device is shared with: agents are their owner's alone, and how a device is reached is
//! of no use to anybody else.

use std::net::Ipv4Addr;

use schemars::{JsonSchema, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::bounded::{AgentId, Bounded, Seconds, bounded, id, list, whole};
use super::check::Check;
use super::field::Field;
use crate::domain::device::{DeviceOptions, SecureOnChange};
use crate::registry::SecureOn;
use crate::text::bare;

/// How many fallback agents, and how many ports, a device may have.
const MOST: usize = 5;

bounded!(
    /// The agents that stand in for a device's own.
    FallbackAgents: Vec<i64> => Vec<i64>,
    "a list of at most 5 agents’ IDs, whole numbers, each once",
    |_| list(id(), 0..=MOST),
    |ids| few(ids, Some)
);
bounded!(
    /// The ports at which a device is looked for.
    ProbePorts: Vec<i64> => Vec<u16>,
    "a list of at most 5 TCP ports, whole numbers from 1 to 65535, each once",
    |_| list(whole(1..=65535), 0..=MOST),
    |ports| few(ports, |port| u16::try_from(port).ok().filter(|port| *port > 0))
);
bounded!(
    /// Where magic packets go.
    Broadcast: String => Ipv4Addr,
    "the IPv4 address that magic packets go to, like 192.168.1.255",
    |_| json_schema!({ "type": "string", "format": "ipv4" }),
    |text| {
        let address = bare(&text).parse::<Ipv4Addr>().ok()?;
        (!address.is_unspecified() && !address.is_multicast()).then_some(address)
    }
);
bounded!(
    /// What magic packets end with.
    SecureOnPassword: String => SecureOnChange,
    "6 bytes, like AA:BB:CC:DD:EE:FF",
    |_| json_schema!({ "type": "string", "examples": ["AA:BB:CC:DD:EE:FF"] }),
    |text| {
        let password = text.parse::<SecureOn>().ok()?;
        Some(SecureOnChange::Set(SecretString::from(String::from(password))))
    }
);

/// A short list of what is read each in turn, none of it twice.
fn few<T: PartialEq>(list: Vec<i64>, read: fn(i64) -> Option<T>) -> Option<Vec<T>> {
    let mut few = Vec::new();
    for value in list {
        let value = read(value)?;
        if few.len() == MOST || few.contains(&value) {
            return None;
        }
        few.push(value);
    }
    Some(few)
}

/// What is set of a device besides, as it is shown.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OptionsView {
    /// The agents that reach it while its own is offline, in the order in which they are tried.
    #[serde(rename = "fallbackAgentIDs", skip_serializing_if = "Vec::is_empty")]
    fallback_agent_ids: Vec<i64>,
    /// The agent that runs on the device itself.
    #[serde(rename = "hostAgentID", skip_serializing_if = "Option::is_none")]
    host_agent_id: Option<i64>,
    /// The TCP ports at which it is looked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    probe_ports: Vec<u16>,
    /// Where its magic packets go.
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcast_address: Option<Ipv4Addr>,
    /// How often it is looked for, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    watch_interval: Option<u32>,
}

impl From<DeviceOptions> for OptionsView {
    fn from(options: DeviceOptions) -> Self {
        Self {
            fallback_agent_ids: options.fallback_agents,
            host_agent_id: options.host_agent,
            probe_ports: options.probe_ports,
            broadcast_address: options.broadcast,
            watch_interval: options.watch_interval,
        }
    }
}

/// What is to be set of a device besides. What is absent stays, null clears it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OptionsBody {
    /// Agents of the device's owner that reach it while its own is offline, in the order in which they are tried; at
    /// most 5.
    #[serde(rename = "fallbackAgentIDs", default)]
    fallback_agent_ids: Field<FallbackAgents>,
    /// The agent of the device's owner that runs on the device itself.
    #[serde(rename = "hostAgentID", default)]
    host_agent_id: Field<AgentId>,
    /// The TCP ports at which the device is looked for, in place of the usual ones; at most 5.
    #[serde(default)]
    probe_ports: Field<ProbePorts>,
    /// The IPv4 address that magic packets go to, in place of every network's of the agent.
    #[serde(default)]
    broadcast_address: Field<Broadcast>,
    /// What magic packets end with, where the card asks for it: 6 bytes, written like a MAC address. Shown to the owner
    /// alone.
    #[serde(default)]
    secure_on: Field<SecureOnPassword>,
    /// How often the device is looked for, in seconds from 10 to 86400; null for never.
    #[serde(default)]
    watch_interval: Field<Seconds<10, 86_400>>,
}

impl OptionsBody {
    /// What is to be stored in place of `stored`. `None` has been noted as wrong.
    pub(super) fn read(
        self,
        check: &mut Check,
        stored: DeviceOptions,
    ) -> Option<(DeviceOptions, SecureOnChange)> {
        let fallback_agents =
            changed(check, "fallbackAgentIDs", self.fallback_agent_ids, stored.fallback_agents, |ids| ids);
        let host_agent = changed(check, "hostAgentID", self.host_agent_id, stored.host_agent, Some);
        let probe_ports = changed(check, "probePorts", self.probe_ports, stored.probe_ports, |ports| ports);
        let broadcast = changed(check, "broadcastAddress", self.broadcast_address, stored.broadcast, Some);
        let secure_on = match self.secure_on {
            Field::Null => Some(SecureOnChange::Clear),
            given => changed(check, "secureOn", given, SecureOnChange::Keep, |change| change),
        };
        let watch_interval =
            changed(check, "watchInterval", self.watch_interval, stored.watch_interval, |seconds| {
                u32::try_from(seconds).ok()
            });
        let options = DeviceOptions {
            fallback_agents: fallback_agents?,
            host_agent: host_agent?,
            probe_ports: probe_ports?,
            broadcast: broadcast?,
            watch_interval: watch_interval?,
        };
        Some((options, secure_on?))
    }
}

/// A field whose absence keeps what is stored and that null clears. `None` has been noted as wrong.
fn changed<B: Bounded, T: Default>(
    check: &mut Check,
    name: &str,
    field: Field<B>,
    stored: T,
    set: impl FnOnce(B::Read) -> T,
) -> Option<T> {
    match field {
        Field::Absent => Some(stored),
        Field::Null => Some(T::default()),
        given => check.required(name, given).map(set),
    }
}
