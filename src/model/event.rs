//! What happens in the server, in the words that listeners get.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::device_presence::DevicePresence;
use super::operation_change::OperationChange;

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
    /// A device came within a user's reach, or went from it: it was shared with them, or is no more.
    DeviceShared {
        /// The device.
        device: i64,
        /// Whose it is.
        owner: i64,
        /// The user it is, or was, shared with.
        user: i64,
    },
    /// An operation was made or changed, and that is stored.
    OperationChanged {
        /// How far it was then.
        change: Arc<OperationChange>,
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
    /// An agent was made, changed or deleted.
    AgentChanged {
        /// The agent.
        agent: i64,
        /// Whose it is, or was.
        owner: i64,
    },
    /// A command ended.
    CommandDone {
        /// Its wire name.
        command: &'static str,
        /// The agent it was for.
        agent: i64,
        /// The user it was sent for; none if the operator, a plugin or the server itself did it.
        user: Option<i64>,
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
        /// The user who asked; none for anyone else.
        user: Option<i64>,
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

/// What live events are called where they leave the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// An agent came online.
    AgentOnline,
    /// An agent went offline.
    AgentOffline,
    /// An agent was made, changed or deleted.
    AgentChanged,
    /// A device came, went, or is expected to.
    DevicePresence,
    /// A device was made, changed or deleted.
    DeviceChanged,
    /// An operation was made or changed.
    OperationChanged,
    /// How far an operation is.
    OperationProgress,
}

impl EventType {
    /// Every type.
    pub const ALL: &[Self] = &[
        Self::AgentOnline,
        Self::AgentOffline,
        Self::AgentChanged,
        Self::DevicePresence,
        Self::DeviceChanged,
        Self::OperationChanged,
        Self::OperationProgress,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AgentOnline => "agent.online",
            Self::AgentOffline => "agent.offline",
            Self::AgentChanged => "agent.changed",
            Self::DevicePresence => "device.presence",
            Self::DeviceChanged => "device.changed",
            Self::OperationChanged => "operation.changed",
            Self::OperationProgress => "operation.progress",
        }
    }

    /// The type of a name; none for any other text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// What an event is called by whoever wants to go on after it. Only the server's own run knows what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    /// Which run of the server.
    pub run: u64,
    /// Which event of the run.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.run, self.number)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (run, number) = text.split_once('-').ok_or(())?;
        let run = u64::from_str_radix(run, 16).map_err(|_| ())?;
        Ok(Self { run, number: number.parse().map_err(|_| ())? })
    }
}
