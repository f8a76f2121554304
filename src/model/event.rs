//! What happens in the server, in the words that listeners get.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::device_presence::DevicePresence;
use super::operation::Operation;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandOutcome {
    /// The agent did it.
    Ok,
    /// The agent said no.
    Failed,
    /// The agent answered nonsense.
    BadReply,
    /// The agent is not connected.
    Offline,
    /// The connection ended before the reply.
    Disconnected,
    /// No reply in time.
    TimedOut,
    /// Too many commands wait for the agent already.
    Refused,
}

/// Something that happened. It holds all that there is to know of it, so that it can be looked at later and elsewhere.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// An agent came online: it was offline before. A connection that replaces an older one is none.
    AgentOnline {
        /// The agent.
        agent: i64,
    },
    /// An agent's connection ended and no newer one took its place.
    AgentOffline {
        /// The agent.
        agent: i64,
        /// Why, as one stable word.
        why: &'static str,
    },
    /// A device was made, changed or deleted.
    DeviceChanged {
        /// The device.
        device: i64,
        /// Whose it is, or was.
        owner: i64,
    },
    /// An operation was made or changed, and that is stored.
    OperationChanged {
        /// The operation as it is now.
        operation: Arc<Operation>,
    },
    /// A device's presence changed, and that is stored.
    DevicePresence {
        /// The device.
        device: i64,
        /// Whose it is.
        owner: i64,
        /// What it came to be.
        presence: DevicePresence,
    },
    /// A command ended.
    CommandDone {
        /// Its wire name.
        command: &'static str,
        /// How it ended.
        outcome: CommandOutcome,
        /// From the call to its end.
        took: Duration,
    },
    /// A request was answered.
    RequestDone {
        /// The route's path with its placeholders, or `other`.
        route: Cow<'static, str>,
        /// The method.
        method: &'static str,
        /// The status of the answer.
        status: u16,
        /// From the head of the request to the answer.
        took: Duration,
    },
}

impl Event {
    /// Whether it is one of the many that say only how much goes on and how long it takes.
    pub fn is_measurement(&self) -> bool {
        matches!(self, Self::CommandDone { .. } | Self::RequestDone { .. })
    }
}
