//! What a command's agent side may use: a set of capabilities, given by whoever runs the agent.
//!
//! `registry/` opens no socket itself. The agent (`src/agent`) brings real sockets; a test may bring its own. A new
//! capability is a new trait here and a field of [`AgentContext`].

use std::io;
use std::sync::Arc;

use secrecy::SecretString;

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

/// Where the agent keeps what it proves itself with.
pub trait SecretKeeper: Send + Sync {
    /// Keeps a new secret in place of the one before: once this is done it lasts, and the next connection uses it.
    fn keep<'a>(&'a self, secret: &'a SecretString) -> BoxFuture<'a, io::Result<()>>;
}

/// The capabilities a command's agent side runs with.
#[derive(Clone)]
pub struct AgentContext {
    network: Arc<dyn Network>,
    keeper: Option<Arc<dyn SecretKeeper>>,
}

impl AgentContext {
    /// A context on `network`.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self { network, keeper: None }
    }

    /// The same with somewhere to keep a new secret.
    #[must_use]
    pub fn with_keeper(self, keeper: Arc<dyn SecretKeeper>) -> Self {
        Self { keeper: Some(keeper), ..self }
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
