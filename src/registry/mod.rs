//! The registry of agent commands, collected at compile time and checked once at start.
//!
//! [`Registry::build`] walks what `register_command!` submitted, sorts it by name and refuses two commands of one
//! name, naming both places in the source. It knows neither HTTP nor sockets nor the database.

mod command;
mod context;
mod machine;
mod secret;
mod section;
mod target;
mod types;
mod wire;

use std::fmt;

pub use command::{
    BoxFuture, Class, Command, CommandEntry, CommandError, ReplyError, decode, decode_object, encode_payload,
    error_reply,
};
pub use context::{
    AgentContext, Look, Neighbour, Neighbourhood, Network, ProbeMethod, Reachability, SecretKeeper, SentTo,
    Sighting,
};
pub use machine::{Delayed, Machine, Program};
pub use secret::{AgentSecret, InvalidSecret};
pub use section::{AgentSection, Section, SectionValue};
pub use target::{InvalidTarget, ProbeTarget};
pub use types::{Empty, InvalidMac, MacAddress, OkStatus, Outcome, SecureOn};
pub use wire::{LARGEST_COMMAND, LARGEST_REPLY};

/// Every command the binary was built with, sorted by name.
#[derive(Debug, Clone)]
pub struct Registry {
    entries: Vec<&'static CommandEntry>,
}

/// Why the commands of this binary cannot be served together.
#[derive(Debug)]
pub enum RegistryError {
    /// Two commands carry one name.
    Duplicate(&'static CommandEntry, &'static CommandEntry),
    /// A name is not upper case with underscores, or longer than 32 characters.
    BadName(&'static CommandEntry),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(a, b) => write!(
                f,
                "two commands are called {}: one registered at {}, one at {}; rename one of them",
                a.name, a.location, b.location
            ),
            Self::BadName(e) => write!(
                f,
                "the command name {:?} registered at {} is not 1 to 32 characters of A-Z, 0-9 and _",
                e.name, e.location
            ),
        }
    }
}

impl std::error::Error for RegistryError {}

impl Registry {
    /// Collects, sorts and checks the commands of this binary.
    ///
    /// # Errors
    /// Two commands have one name, or a name cannot travel on the wire.
    pub fn build() -> Result<Self, RegistryError> {
        Self::from_entries(inventory::iter::<CommandEntry>.into_iter().collect())
    }

    /// The registry of just these entries, checked as [`Registry::build`] checks.
    ///
    /// # Errors
    /// As [`Registry::build`].
    pub fn from_entries(mut entries: Vec<&'static CommandEntry>) -> Result<Self, RegistryError> {
        entries.sort_by_key(|e| (e.name, e.location.file(), e.location.line()));
        for entry in &entries {
            let good = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
            if entry.name.is_empty() || entry.name.len() > 32 || !entry.name.bytes().all(good) {
                return Err(RegistryError::BadName(entry));
            }
        }
        for pair in entries.windows(2) {
            if pair[0].name == pair[1].name {
                return Err(RegistryError::Duplicate(pair[0], pair[1]));
            }
        }
        Ok(Self { entries })
    }

    /// The command called `name` on the wire.
    pub fn get(&self, name: &str) -> Option<&'static CommandEntry> {
        self.entries.binary_search_by_key(&name, |e| e.name).ok().map(|i| self.entries[i])
    }

    /// All commands, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'static CommandEntry> + '_ {
        self.entries.iter().copied()
    }

    /// The commands that people and programs can send, sorted by name: all but the internal ones.
    pub fn sendable(&self) -> impl Iterator<Item = &'static CommandEntry> + '_ {
        self.iter().filter(|entry| !entry.internal)
    }
}
