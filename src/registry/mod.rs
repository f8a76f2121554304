//! The registry of agent commands, collected at compile time and checked once at start.
//!
//! [`Registry::build`] walks what `register_command!` submitted, sorts it by name and refuses two commands of one
//! name, naming both places in the source. It knows neither HTTP nor sockets nor the database.

mod command;
mod command_error;
mod context;
mod declared;
mod decode;
mod entry;
mod machine;
pub mod origin;
mod running;
mod secret;
mod section;
mod server_side;
mod target;
mod thread_time;
mod types;
mod wire;

use std::fmt;

pub use command::{BoxFuture, Class, Command, ReplyError, encode_payload, error_in};
pub use command_error::{CommandError, error_reply, failure_reply};
pub use context::{
    AgentContext, Look, Neighbour, Neighbourhood, Network, Online, ProbeMethod, Reachability, SecretKeeper,
    SentTo, Sighting, Swept,
};
pub use declared::declared;
pub use decode::{decode, decode_object};
pub use entry::CommandEntry;
pub use machine::{Delayed, Machine, Program};
pub use running::{Progress, Running};
pub use secret::{AgentSecret, InvalidSecret};
pub use section::{AgentSection, Section, SectionValue};
pub use server_side::{
    CommandTables, Desk, Hooks, KnownDevice, ReplyContext, Rows, ServerContext, ServerSide,
};
pub use target::{InvalidTarget, ProbeTarget};
pub use thread_time::{Unblocking, unblocking, watched};
pub use types::{Empty, InvalidMac, MacAddress, OkStatus, Outcome, SecureOn};
pub use wire::{
    CANCEL, CANCELED, COMMAND_NOT_ALLOWED, COMMAND_PANICKED, COMMAND_TIMED_OUT, LARGEST_COMMAND,
    LARGEST_PROGRESS, LARGEST_REPLY, PROGRESS, REPLY_TOO_LARGE, TOO_MANY_COMMANDS, UNKNOWN_COMMAND,
};

use declared::{is_reserved, is_summary, is_timeout, longest};

use crate::model::agent_about::is_command_name;

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
    /// The protocol itself has a frame of its name.
    ReservedName(&'static CommandEntry),
    /// It has no summary, or not one line of it.
    BadSummary(&'static CommandEntry),
    /// Its time-out is none that the server can keep.
    BadTimeout(&'static CommandEntry),
    /// Its payload is no object.
    BadPayload(&'static CommandEntry),
    /// The names of one's tables begin as those of the other do.
    SharedTables(&'static CommandEntry, &'static CommandEntry),
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
            Self::ReservedName(e) => write!(
                f,
                "the command name {} registered at {} is a frame of the agent protocol itself; choose another",
                e.name, e.location
            ),
            Self::BadSummary(e) => write!(
                f,
                "the summary of the command {} registered at {} must be one line of 1 to 100 characters",
                e.name, e.location
            ),
            Self::BadTimeout(e) => write!(
                f,
                "the time-out of the command {} registered at {} is {:?}; choose one from a tenth of a second to {} s{}",
                e.name,
                e.location,
                e.timeout,
                longest(e.class).as_secs(),
                if e.class == Class::Long { "" } else { ", or have its CLASS be Class::Long" }
            ),
            Self::BadPayload(e) => write!(
                f,
                "the payload of the command {} registered at {} is no JSON object; make it a struct with named fields, or Empty",
                e.name, e.location
            ),
            Self::SharedTables(a, b) => write!(
                f,
                "the commands {}, registered at {}, and {}, registered at {}, would share the names of their tables; \
                 rename one of them",
                a.name, a.location, b.name, b.location
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
            if !is_command_name(entry.name) {
                return Err(RegistryError::BadName(entry));
            }
            if is_reserved(entry.name) {
                return Err(RegistryError::ReservedName(entry));
            }
            if !is_summary(entry.summary) {
                return Err(RegistryError::BadSummary(entry));
            }
            if !is_timeout(entry.timeout, entry.class) {
                return Err(RegistryError::BadTimeout(entry));
            }
            if (entry.payload_schema)()["type"] != "object" {
                return Err(RegistryError::BadPayload(entry));
            }
        }
        for pair in entries.windows(2) {
            if pair[0].name == pair[1].name {
                return Err(RegistryError::Duplicate(pair[0], pair[1]));
            }
        }
        let keeps = |entry: &CommandEntry| entry.server_side.is_some_and(|side| !side.migrations.is_empty());
        let keeping: Vec<_> = entries.iter().copied().filter(|entry| keeps(entry)).collect();
        for (at, one) in keeping.iter().enumerate() {
            let begins = |other: &&&CommandEntry| {
                other.name.strip_prefix(one.name).is_some_and(|rest| rest.starts_with('_'))
            };
            if let Some(other) = keeping[at + 1..].iter().find(begins) {
                return Err(RegistryError::SharedTables(one, other));
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    macro_rules! entry {
        ($name:literal, $summary:literal, $seconds:literal, $payload:ty) => {{
            struct Tried;
            impl Command for Tried {
                const NAME: &'static str = $name;
                const SUMMARY: &'static str = $summary;
                const TIMEOUT: Duration = Duration::from_secs($seconds);
                type Payload = $payload;
                type Reply = std::collections::BTreeMap<String, String>;
                async fn run(_: &AgentContext, _: $payload) -> Result<Self::Reply, CommandError> {
                    Err(std::io::Error::other("no").into())
                }
            }
            static ENTRY: CommandEntry = CommandEntry::of::<Tried>();
            &ENTRY
        }};
    }

    #[test]
    fn a_command_that_cannot_be_served_is_refused_with_its_place_and_what_to_do() {
        for (entry, words) in [
            (entry!("lower", "A command", 5, Empty), "A-Z, 0-9 and _"),
            (entry!("CANCEL", "A command", 5, Empty), "choose another"),
            (entry!("PROGRESS", "A command", 5, Empty), "choose another"),
            (entry!("EMPTY", " ", 5, Empty), "one line"),
            (entry!("LINES", "Two\nlines", 5, Empty), "one line"),
            (entry!("SLOW", "A command", 61, Empty), "Class::Long"),
            (entry!("NEVER", "A command", 0, Empty), "a tenth of a second"),
            (entry!("LIST", "A command", 5, Vec<String>), "a struct with named fields"),
        ] {
            let said = Registry::from_entries(vec![entry]).unwrap_err().to_string();
            assert!(said.contains(words) && said.contains(entry.name), "{said}");
            assert!(said.contains("registry/mod.rs:"), "{said}");
        }
    }

    #[test]
    fn a_replys_own_status_does_not_make_it_an_error() {
        let entry = entry!("STATUS", "A command", 5, Empty);
        let own = br#"{"status":"ERROR","lamp":"red"}"#;
        assert!((entry.check_reply)(own).unwrap().contains("red"));
        let failed = (entry.check_reply)(br#"{"status":"ERROR","message":"no"}"#);
        assert_eq!(failed, Err(ReplyError::Failed(CommandError { code: None, message: "no".to_owned() })));
        // What is no reply of the command either is an error, whatever else it says: firmware does so.
        let failed = (entry.check_reply)(br#"{"status":"ERROR","message":"no","online":7}"#);
        assert_eq!(failed, Err(ReplyError::Failed(CommandError { code: None, message: "no".to_owned() })));
    }
}
