//! What an agent is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an agent is, which decides how many commands it takes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentKind {
    /// A program on a machine of its own: 16 commands at a time.
    Server,
    /// A microcontroller that runs one command at a time.
    Microcontroller,
}

impl AgentKind {
    /// Every kind's word.
    pub const WORDS: [&str; 2] = [Self::Server.word(), Self::Microcontroller.word()];

    /// The word it is stored and shown as.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Microcontroller => "microcontroller",
        }
    }

    /// The kind of a stored word; an unknown word reads as the kind of which the least is asked.
    pub fn from_stored(word: &str) -> Self {
        if word == Self::Server.word() { Self::Server } else { Self::Microcontroller }
    }

    /// How many long commands may be in flight at once, beside the others.
    pub fn long_window(self) -> usize {
        match self {
            Self::Server => 4,
            Self::Microcontroller => 0,
        }
    }

    /// How many wakes may be in flight at once, beside the others; none if they count among the others.
    pub fn urgent_window(self) -> usize {
        match self {
            Self::Server => 16,
            Self::Microcontroller => 0,
        }
    }

    /// How many commands may be in flight at once.
    pub fn window(self) -> usize {
        match self {
            Self::Server => 16,
            Self::Microcontroller => 1,
        }
    }
}
