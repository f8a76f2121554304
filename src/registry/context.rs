//! What a command's agent side may use: a set of capabilities, given by whoever runs the agent.
//!
//! `registry/` opens no socket itself. The agent (`src/agent`) brings real sockets; a test may bring its own. A new
//! capability is a new trait here and a field of [`AgentContext`].

use std::io;
use std::sync::Arc;

use super::command::BoxFuture;
use super::target::ProbeTarget;

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reachability {
    /// The host answered.
    Up,
    /// The host did not answer.
    Down,
    /// The agent has no means of telling.
    Unknown,
}

/// The agent's network.
pub trait Network: Send + Sync {
    /// Sends one UDP datagram to the broadcast address at `port`.
    fn broadcast<'a>(&'a self, datagram: &'a [u8], port: u16) -> BoxFuture<'a, io::Result<()>>;
    /// Looks whether a host is up.
    fn probe<'a>(&'a self, target: &'a ProbeTarget) -> BoxFuture<'a, io::Result<Reachability>>;
}

/// The capabilities a command's agent side runs with.
#[derive(Clone)]
pub struct AgentContext {
    network: Arc<dyn Network>,
}

impl AgentContext {
    /// A context on `network`.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self { network }
    }

    /// The agent's network.
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }
}
