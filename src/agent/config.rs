//! An agent's configuration file: JSON, every key optional, and what the command line says over it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::served::{Permitted, Served, meant};
use super::{AgentError, Options};
use crate::registry::{Registry, decode_object};
use crate::text::read_bytes;

/// The largest file that is read.
const LARGEST: u64 = 1024 * 1024;
/// The keys there are.
const KEYS: [&str; 8] = ["server", "id", "secretFile", "broadcast", "logLevel", "allow", "deny", "commands"];

/// What a file, or the command line, says. What is not said has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentConfig {
    /// The server's base URL.
    pub server: Option<String>,
    /// The agent's ID.
    pub id: Option<i64>,
    /// The file of the agent's secret.
    pub secret_file: Option<PathBuf>,
    /// Where magic packets go.
    pub broadcast: Option<Ipv4Addr>,
    /// How much is logged.
    pub log_level: Option<String>,
    /// Commands that run only where they are allowed.
    pub allow: Vec<String>,
    /// Commands that do not run.
    pub deny: Vec<String>,
    /// The commands' sections.
    pub commands: Map<String, Value>,
}

/// What an agent is started with, as `agent check` shows it.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// The commands that run.
    pub allowed: Vec<&'static str>,
    /// The others that the program has.
    pub not_allowed: Vec<&'static str>,
    /// Every command's section as it holds.
    pub commands: std::collections::BTreeMap<&'static str, Value>,
}

impl AgentConfig {
    /// Reads a file. Blocks.
    ///
    /// # Errors
    /// It cannot be read, is no JSON, or has a key nobody knows or a value that is none for its key. The error is one
    /// line that names the file and the key.
    pub fn read(path: &Path) -> Result<Self, AgentError> {
        let failed = |why: String| AgentError(format!("{}: {why}", path.display()));
        let text = read_bytes(path, LARGEST).map_err(|e| failed(e.to_string()))?;
        let keys: Map<String, Value> = decode_object(&text).map_err(|e| failed(e.to_string()))?;
        if let Some(key) = keys.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(failed(format!("{key:?} is no key{}", meant(key, KEYS.into_iter()))));
        }
        decode_object(&text).map_err(|e| failed(e.to_string()))
    }

    /// This over what `below` says. Allowed and denied commands of both count.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let both = |above: Vec<String>, below: Vec<String>| [below, above].concat();
        Self {
            server: self.server.or(below.server),
            id: self.id.or(below.id),
            secret_file: self.secret_file.or(below.secret_file),
            broadcast: self.broadcast.or(below.broadcast),
            log_level: self.log_level.or(below.log_level),
            // Who allows on the command line what the file denies means it.
            deny: both(self.deny, below.deny.into_iter().filter(|name| !self.allow.contains(name)).collect()),
            allow: both(self.allow, below.allow),
            commands: below.commands.into_iter().chain(self.commands).collect(),
        }
    }

    /// What the agent is run with.
    ///
    /// # Errors
    /// The server or the ID is missing.
    pub fn options(&self) -> Result<(Options, Permitted), AgentError> {
        let missing = |what: &str, key: &str| {
            AgentError(format!(
                "{what} is missing: name it with --{key}, or as {key:?} in the file of --config"
            ))
        };
        let server = self.server.clone().ok_or_else(|| missing("The server", "server"))?;
        let id = self.id.ok_or_else(|| missing("The agent's ID", "id"))?;
        let options =
            Options { server, id, secret_file: self.secret_file.clone(), broadcast: self.broadcast };
        Ok((options, self.permitted()))
    }

    fn permitted(&self) -> Permitted {
        let Self { allow, deny, commands, .. } = self.clone();
        Permitted { allow, deny, commands }
    }

    /// What would be run, without running it.
    ///
    /// # Errors
    /// A command is named that the program does not have, or a section is not as its command wants it.
    pub fn check(&self) -> Result<Checked, AgentError> {
        let registry = Registry::build().map_err(|e| AgentError(e.to_string()))?;
        let served = Served::new(registry, &self.permitted())?;
        Ok(Checked {
            allowed: served.allowed().iter().map(|entry| entry.name).collect(),
            not_allowed: served.refused().map(|entry| entry.name).collect(),
            commands: served.sections().clone(),
        })
    }
}
