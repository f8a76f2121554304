//! What a command's agent side may use: a set of capabilities, given by whoever runs the agent.
//!
//! `registry/` opens no socket itself. The agent (`src/agent`) brings real sockets; a test may bring its own. A new
//! capability is a new trait here and a field of [`AgentContext`].

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::BoxFuture;
use super::command_error::CommandError;
use super::machine::Machine;
use super::running::{Progress, Running};
use super::secret::AgentSecret;
use super::section::{AgentSection, SectionValue};
use super::target::ProbeTarget;
use super::types::MacAddress;

/// Whether a host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reachability {
    /// The host answered.
    Up,
    /// The host did not answer.
    Down,
    /// The agent has no means of telling.
    Unknown,
    /// Somebody answers at the host's address, with another card than the host's.
    Another,
}

/// What the agent saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
// The wire's words.
#[allow(clippy::enum_variant_names)]
pub enum Online {
    /// The host answered.
    Online,
    /// The host did not answer, or another machine did.
    Offline,
    /// The agent has no means of telling.
    Unknown,
}

impl From<Reachability> for Online {
    fn from(found: Reachability) -> Self {
        match found {
            Reachability::Up => Self::Online,
            Reachability::Down | Reachability::Another => Self::Offline,
            Reachability::Unknown => Self::Unknown,
        }
    }
}

/// Which host to look for, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Where the host is.
    pub target: ProbeTarget,
    /// The MAC address of its card, if known: who answers with another one is another machine.
    pub mac: Option<MacAddress>,
    /// The TCP ports to knock at where pings bring nothing; none for a few common ones.
    pub ports: Vec<u16>,
}

impl Look {
    /// A look for whoever is at `target`.
    pub fn at(target: ProbeTarget) -> Self {
        Self { target, mac: None, ports: Vec::new() }
    }
}

/// By what a host was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProbeMethod {
    /// It answered a ping.
    Icmp,
    /// It answered a connection, be it with a refusal.
    Tcp,
    /// It answered ARP alone.
    Neighbour,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Whether the host is there.
    pub found: Reachability,
    /// The MAC address that answers at the address, where it is known.
    pub mac: Option<MacAddress>,
    /// By what somebody was seen there.
    pub method: Option<ProbeMethod>,
    /// Where somebody answered.
    pub address: Option<IpAddr>,
    /// The port that answered.
    pub port: Option<u16>,
    /// How long the answer took.
    pub latency: Option<Duration>,
}

impl Sighting {
    /// What was seen of the host at `target`, for people.
    pub fn message(&self, target: &ProbeTarget) -> String {
        match (self.found, self.mac) {
            (Reachability::Up, _) => format!("{target} answers"),
            (Reachability::Down, _) => format!("{target} does not answer"),
            (Reachability::Unknown, _) => format!("{target} cannot be looked for from here"),
            (Reachability::Another, None) => {
                format!("{target} is offline: another machine answers at this address")
            }
            (Reachability::Another, Some(mac)) => {
                format!("{target} is offline: another machine answers at this address, {mac}")
            }
        }
    }
}

impl From<Reachability> for Sighting {
    fn from(found: Reachability) -> Self {
        Self { found, mac: None, method: None, address: None, port: None, latency: None }
    }
}

/// What became of a datagram in one of the agent's networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentTo {
    /// The interface it left by, in letters, digits, `.`, `_`, `@` and `-`; none if the system chose.
    pub interface: Option<String>,
    /// The network's broadcast address.
    pub address: Ipv4Addr,
    /// Why it could not be sent; none if it was.
    pub failure: Option<String>,
}

impl fmt::Display for SentTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.interface, &self.failure) {
            (Some(interface), None) => write!(f, "{interface} ({})", self.address),
            (None, None) => write!(f, "{}", self.address),
            (Some(interface), Some(why)) => write!(f, "{interface} ({}) failed: {why}", self.address),
            (None, Some(why)) => write!(f, "{} failed: {why}", self.address),
        }
    }
}

/// A host on one of the agent's networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: Ipv4Addr,
    /// The MAC address of its card.
    pub mac: MacAddress,
    /// What it is called, where that is known.
    pub name: Option<String>,
}

/// Who is on the agent's networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbourhood {
    /// The hosts, by their addresses.
    pub hosts: Vec<Neighbour>,
    /// Whether the networks were looked through to the end.
    pub whole: bool,
}

/// Hears how far a sweep is: how many of how many addresses were asked for.
pub type Swept<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// The agent's network.
pub trait Network: Send + Sync {
    /// Sends one UDP datagram to `port` of everybody on each of the agent's networks, or of whom `to` names alone, and
    /// says what became of it there. An error if it could be sent to none.
    fn broadcast<'a>(
        &'a self,
        datagram: &'a [u8],
        port: u16,
        to: Option<Ipv4Addr>,
    ) -> BoxFuture<'a, io::Result<Vec<SentTo>>>;
    /// Looks whether a host is up.
    fn probe<'a>(&'a self, look: &'a Look) -> BoxFuture<'a, io::Result<Sighting>>;
    /// Looks who is on the agent's networks, and says to `swept` how far that is. It takes seconds, and one is done at a
    /// time; dropped, it ends.
    fn sweep<'a>(&'a self, swept: Swept<'a>) -> BoxFuture<'a, io::Result<Neighbourhood>>;
}

/// Where the agent keeps what it proves itself with.
pub trait SecretKeeper: Send + Sync {
    /// Keeps a new secret: once this is done it lasts, and the next connection uses it. The one before stays beside it
    /// until the server has taken the new one.
    fn keep<'a>(&'a self, secret: &'a AgentSecret) -> BoxFuture<'a, io::Result<()>>;
}

/// The capabilities a command's agent side runs with.
#[derive(Clone)]
pub struct AgentContext {
    network: Arc<dyn Network>,
    keeper: Option<Arc<dyn SecretKeeper>>,
    machine: Option<Arc<dyn Machine>>,
    /// The command's section, if it has one; `None` where nobody said, as in a test.
    config: Option<Option<SectionValue>>,
    running: Running,
}

impl AgentContext {
    /// A context on `network`.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self { network, keeper: None, machine: None, config: None, running: Running::default() }
    }

    /// The same with somewhere to keep a new secret.
    #[must_use]
    pub fn with_keeper(self, keeper: Arc<dyn SecretKeeper>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// The same with the machine it runs on.
    #[must_use]
    pub fn with_machine(self, machine: Arc<dyn Machine>) -> Self {
        Self { machine: Some(machine), ..self }
    }

    /// The same for a command with this section of the agent's configuration.
    #[must_use]
    pub fn with_config(self, config: Option<SectionValue>) -> Self {
        Self { config: Some(config), ..self }
    }

    /// The same for one run of a command.
    #[must_use]
    pub fn with_running(self, running: Running) -> Self {
        Self { running, ..self }
    }

    /// Reports how far the command is: a text, or [`Progress::of`] how much of how much. Never waits. At most four
    /// reports a second are sent, the newest each time, and none to a server that does not understand them.
    pub fn progress(&self, progress: impl Into<Progress>) {
        self.running.report(progress.into());
    }

    /// Waits until the command is to end, because nobody waits for it any more or somebody canceled it. That is so for
    /// commands that are [`CANCELABLE`](super::Command::CANCELABLE) alone.
    ///
    /// From the first call of this or [`is_cancelled`](Self::is_cancelled) on, a command ends by itself, within two
    /// seconds, and answers what it likes, such as [`CommandError::canceled`]. One that never looks is dropped at its
    /// next `.await`.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        self.running.watch()
    }

    /// Whether the command is to end; see [`cancelled`](Self::cancelled).
    pub fn is_cancelled(&self) -> bool {
        self.running.look()
    }

    /// The command's section of the agent's configuration, of the type it was registered with; the defaults where the
    /// configuration says nothing.
    ///
    /// # Panics
    /// The command was registered without a section, or with one of another type: what the configuration says would never be
    /// heard of.
    pub fn config<T: AgentSection>(&self) -> T {
        let Some(section) = &self.config else { return T::default() };
        section.as_ref().and_then(|section| section.downcast_ref::<T>()).cloned().unwrap_or_else(|| {
            let name = std::any::type_name::<T>();
            panic!("register_command! does not name {name}: write `config = {name}` behind the command there")
        })
    }

    /// The machine the agent runs on.
    ///
    /// # Errors
    /// Whoever runs the agent's side does not give it its machine.
    pub fn machine(&self) -> Result<&dyn Machine, CommandError> {
        self.machine
            .as_deref()
            .ok_or_else(|| CommandError::new("not_permitted", "This agent may not start programs"))
    }

    /// Where the agent keeps its secret; none if it gets that from somewhere it cannot write.
    pub fn keeper(&self) -> Option<&dyn SecretKeeper> {
        self.keeper.as_deref()
    }

    /// The agent's network.
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }
}
