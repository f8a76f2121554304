//! Whether an agent is there, since when and why.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Whether an agent is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PresenceState {
    /// It can be reached.
    Online,
    /// It cannot.
    Offline,
}

impl PresenceState {
    /// The word it is shown as.
    pub fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

/// Whether an agent is there, since when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Presence {
    /// Whether it is connected.
    pub state: PresenceState,
    /// When it came into this state, in milliseconds since the epoch. A newer connection that replaces an older one
    /// does not change it.
    pub since: Millis,
    /// Why it is in this state: one stable word.
    pub why: &'static str,
    /// The address of its newest connection, if it has connected since the server started.
    pub address: Option<IpAddr>,
    /// There only while its connections replace each other again and again: two machines may use its ID and secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
}

/// That an agent's connection was replaced `count` times in `minutes` minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Conflict {
    /// How often a newer connection took over.
    pub count: u32,
    /// In how many minutes.
    pub minutes: u32,
}
