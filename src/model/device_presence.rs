//! Whether a device is there, since when and why.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Whether a device is up, as far as anybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// It was seen.
    Online,
    /// It was looked for twice in a row and not seen.
    Offline,
    /// Nobody has looked, or there are no means of telling.
    Unknown,
    /// It is being woken.
    Waking,
    /// It is being shut down, restarted or sent to sleep.
    Stopping,
}

impl DeviceState {
    /// The word it is stored and shown as.
    pub fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
            Self::Waking => "waking",
            Self::Stopping => "stopping",
        }
    }

    /// The state of a stored word.
    pub fn from_stored(word: &str) -> Self {
        let all = [Self::Online, Self::Offline, Self::Waking, Self::Stopping];
        all.into_iter().find(|state| state.word() == word).unwrap_or(Self::Unknown)
    }
}

/// By what a device was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeenBy {
    /// The agent that runs on it is connected.
    HostAgent,
    /// It answered a ping.
    Icmp,
    /// It answered a connection.
    Tcp,
    /// It answered ARP.
    Neighbour,
}

impl SeenBy {
    /// The word it is stored and shown as.
    pub fn word(self) -> &'static str {
        match self {
            Self::HostAgent => "host_agent",
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Neighbour => "neighbour",
        }
    }

    /// What a stored word stands for, if it is one.
    pub fn from_stored(word: &str) -> Option<Self> {
        let all = [Self::HostAgent, Self::Icmp, Self::Tcp, Self::Neighbour];
        all.into_iter().find(|seen| seen.word() == word)
    }
}

/// Why a device is in its state, as a word for programs.
pub mod why {
    /// It answered.
    pub const SEEN: &str = "seen";
    /// It did not answer.
    pub const NOT_SEEN: &str = "not_seen";
    /// The agent that runs on it is connected.
    pub const HOST_AGENT: &str = "host_agent";
    /// Another device answers at its address.
    pub const OTHER_DEVICE_ANSWERS: &str = "other_device_answers";
    /// The agent has no means of telling.
    pub const CANNOT_PROBE: &str = "cannot_probe";
    /// None of its agents is connected.
    pub const AGENT_OFFLINE: &str = "agent_offline";
    /// Nobody has looked yet.
    pub const NEVER_CHECKED: &str = "never_checked";
    /// An operation is at work.
    pub const OPERATION: &str = "operation";
}

/// Whether a device is there, since when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DevicePresence {
    /// Whether it is up.
    pub state: DeviceState,
    /// When it came into this state, in milliseconds since the epoch; null if nobody has looked yet.
    pub since: Option<Millis>,
    /// By what it was seen; null where it was not.
    pub method: Option<SeenBy>,
    /// When somebody looked last.
    pub checked_at: Option<Millis>,
    /// Why it is in this state: one stable word.
    pub why: Cow<'static, str>,
}

impl Default for DevicePresence {
    fn default() -> Self {
        Self {
            state: DeviceState::Unknown,
            since: None,
            method: None,
            checked_at: None,
            why: why::NEVER_CHECKED.into(),
        }
    }
}
