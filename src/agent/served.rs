//! Which commands an agent runs: those of its binary that its configuration allows, each with its section.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::AgentError;
use crate::registry::{
    COMMAND_NOT_ALLOWED, CommandEntry, CommandError, Registry, SectionValue, UNKNOWN_COMMAND,
};
use crate::text::nearest;

/// What is said of a section for a command that has none.
pub(crate) const NOTHING_TO_SET_UP: &str = "there is nothing to set up";

/// What keeps the connection going.
const HEARTBEAT: &str = "HEARTBEAT";

/// What of the commands is allowed, and how they are set up: as the configuration says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Permitted {
    /// Commands that run only where they are allowed, and are.
    pub allow: Vec<String>,
    /// Commands that do not run, whatever is allowed.
    pub deny: Vec<String>,
    /// The commands' sections, by their names.
    pub commands: Map<String, Value>,
}

/// The commands an agent runs.
pub(super) struct Served {
    all: Registry,
    allowed: Registry,
    sections: HashMap<&'static str, SectionValue>,
    shown: BTreeMap<&'static str, Value>,
}

impl Served {
    /// The commands of `all` that `permitted` permits.
    ///
    /// # Errors
    /// A name is no command's, a section is not as its command wants it, or what has to run is denied.
    pub(super) fn new(all: Registry, permitted: &Permitted) -> Result<Self, AgentError> {
        for (list, names) in [("allow", &permitted.allow), ("deny", &permitted.deny)] {
            for name in names {
                known(&all, list, name)?;
            }
        }
        if permitted.deny.iter().any(|name| name == HEARTBEAT) {
            return Err(AgentError(format!(
                "deny: {HEARTBEAT} keeps the connection going and cannot be denied"
            )));
        }
        let (mut sections, mut shown) = (HashMap::new(), BTreeMap::new());
        for name in permitted.commands.keys() {
            let entry = known(&all, "commands", name)?;
            if entry.section.is_none() {
                return Err(AgentError(format!(
                    "commands.{name}: {NOTHING_TO_SET_UP} for {name}; remove it"
                )));
            }
        }
        for entry in all.iter() {
            let Some(section) = entry.section else { continue };
            let name = entry.name;
            let none = Value::Object(Map::new());
            let set = permitted.commands.get(name).unwrap_or(&none);
            if let (Some(set), Value::Object(keys)) = (set.as_object(), (section.default)())
                && let Some(key) = set.keys().find(|key| !keys.contains_key(*key))
            {
                let names: Vec<_> = keys.keys().map(String::as_str).collect();
                let meant = match meant(key, names.iter().copied()) {
                    none if none.is_empty() => format!("; it has {}", names.join(", ")),
                    meant => meant,
                };
                return Err(AgentError(format!("commands.{name}.{key}: there is no such key{meant}")));
            }
            let (value, whole) = (section.read)(set).map_err(|e| {
                let dot = if e.field.is_empty() { "" } else { "." };
                AgentError(format!("commands.{name}{dot}{}: {}", e.field, e.message))
            })?;
            sections.insert(name, value);
            shown.insert(name, whole);
        }
        let allowed = |entry: &&'static CommandEntry| {
            let named = |names: &[String]| names.iter().any(|name| name == entry.name);
            (!entry.opt_in || named(&permitted.allow)) && !named(&permitted.deny)
        };
        let entries = all.iter().filter(allowed).collect();
        let allowed = Registry::from_entries(entries).map_err(|e| AgentError(e.to_string()))?;
        Ok(Self { all, allowed, sections, shown })
    }

    /// The commands that run.
    pub(super) fn allowed(&self) -> &Registry {
        &self.allowed
    }

    /// The commands of this program that do not run.
    pub(super) fn refused(&self) -> impl Iterator<Item = &'static CommandEntry> + '_ {
        self.all.iter().filter(|entry| self.allowed.get(entry.name).is_none())
    }

    /// A command's section.
    pub(super) fn section(&self, name: &str) -> Option<SectionValue> {
        self.sections.get(name).cloned()
    }

    /// Every section as it holds.
    pub(super) fn sections(&self) -> &BTreeMap<&'static str, Value> {
        &self.shown
    }

    /// Why a command does not run.
    pub(super) fn refusal(&self, name: &str) -> CommandError {
        let why = match self.all.get(name) {
            // Servers know it by its words.
            None => return CommandError { code: None, message: UNKNOWN_COMMAND.to_owned() },
            Some(entry) if entry.opt_in => format!(
                "{name} is not allowed on this machine; whoever runs its agent can allow it with --allow {name}"
            ),
            Some(_) => format!("{name} is denied by the configuration of this machine's agent"),
        };
        CommandError::new(COMMAND_NOT_ALLOWED, why)
    }
}

fn known(all: &Registry, list: &str, name: &str) -> Result<&'static CommandEntry, AgentError> {
    all.get(name).ok_or_else(|| {
        let meant = meant(name, all.iter().map(|entry| entry.name));
        AgentError(format!("{list}: {name:?} is no command of this program{meant}"))
    })
}

/// `; did you mean …?`, if something is near enough.
pub(super) fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(word, known).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}
