//! An operation: one thing that somebody wants done through an agent, with a life that can be read afterwards.
//!
//! Here is what is known of one and what its states mean. How it gets from one to the next is `domain::operation`'s
//! business alone.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;

pub use super::operation_id::{NoOperationId, OperationId, OperationIds};

/// A word for programs: a reason, or what happened.
pub type Word = Cow<'static, str>;

/// What kind of thing is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// An agent is to run a command.
    Command,
    /// A device is to be woken.
    Wake,
}

impl OperationKind {
    /// The word it is stored and shown as.
    pub fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Wake => "wake",
        }
    }

    /// The kind of a word; none for any other.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Command, Self::Wake].into_iter().find(|kind| kind.word() == word)
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits: for its agent, for its turn, or for its next attempt.
    Queued,
    /// Its frame was written to the agent's socket, or its machine is at work; nothing is known of the outcome.
    Running,
    /// The agent did it; for a wake until online, the device was seen; until offline, no more.
    Succeeded,
    /// The agent said no, answered nonsense, or every attempt is used up.
    Failed,
    /// It was sent, and there was no answer in time. One that still comes ends it otherwise.
    TimedOut,
    /// It was not sent in the time it had for that.
    Expired,
    /// It was withdrawn.
    Canceled,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Expired,
        Self::Canceled,
    ];

    /// The word it is stored and shown as.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Expired => "expired",
            Self::Canceled => "canceled",
        }
    }

    /// The state of a word; none for any other.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether it is still to end.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// Why an operation ended, or waits, as words for programs.
pub mod reason {
    /// The agent said no.
    pub const COMMAND_FAILED: &str = "command_failed";
    /// The agent answered nonsense.
    pub const BAD_REPLY: &str = "bad_reply";
    /// The agent did not answer in time.
    pub const AGENT_TIMEOUT: &str = "agent_timeout";
    /// The agent was not connected.
    pub const AGENT_OFFLINE: &str = "agent_offline";
    /// Too much else was waiting for the agent.
    pub const AGENT_BUSY: &str = "agent_busy";
    /// The connection ended before the answer.
    pub const CONNECTION_LOST: &str = "connection_lost";
    /// The server stopped before the answer.
    pub const SERVER_RESTARTED: &str = "server_restarted";
    /// Somebody withdrew it.
    pub const CANCELED: &str = "canceled";
    /// Whoever asked for it may do so no longer.
    pub const NOT_ALLOWED: &str = "not_allowed";
    /// Its agent was deleted.
    pub const AGENT_DELETED: &str = "agent_deleted";
    /// Its device was deleted.
    pub const DEVICE_DELETED: &str = "device_deleted";
    /// The agent does not know the command.
    pub const COMMAND_NOT_SUPPORTED: &str = "command_not_supported";
    /// The device was not seen in time.
    pub const NOT_SEEN: &str = "not_seen";
    /// Another device answers at its address.
    pub const OTHER_DEVICE_ANSWERS: &str = "other_device_answers";
    /// The agent has no means of telling.
    pub const CANNOT_PROBE: &str = "cannot_probe";
    /// The device was to go, and was still seen.
    pub const STILL_SEEN: &str = "still_seen";
    /// The device has another agent than when it was asked for.
    pub const DEVICE_CHANGED: &str = "device_changed";
}

/// Who asked for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// What they are.
    pub kind: MakerKind,
    /// The user's ID, or the token's.
    pub id: Option<i64>,
    /// The name they had then.
    pub name: String,
    /// The user, or whose token it is.
    pub user: Option<i64>,
}

/// What asked for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MakerKind {
    /// A user, in a session.
    User,
    /// A program, with an API token.
    Token,
    /// A schedule.
    Schedule,
    /// Whoever owns the data directory.
    Operator,
}

impl MakerKind {
    /// The word it is stored and shown as.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Schedule => "schedule",
            Self::Operator => "operator",
        }
    }

    /// The kind of a stored word; an unknown one reads as the operator, whom nothing is shown of.
    pub fn from_stored(word: &str) -> Self {
        let all = [Self::User, Self::Token, Self::Schedule];
        all.into_iter().find(|kind| kind.word() == word).unwrap_or(Self::Operator)
    }
}

/// An operation, with all that is stored of it but its trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its ID.
    pub id: OperationId,
    /// What kind of thing is wanted.
    pub kind: OperationKind,
    /// How far it is.
    pub state: State,
    /// Why it ended, or waits.
    pub reason: Option<Word>,
    /// What became of it, for people, in words of ours.
    pub message: String,
    /// What the agent said of it, which is its owner's alone.
    pub said: Option<String>,
    /// The user whose agent or device it is about.
    pub owner: i64,
    /// The agent; for a wake, the one that was chosen last.
    pub agent: Option<i64>,
    /// The device.
    pub device: Option<i64>,
    /// The command's wire name.
    pub command: String,
    /// What was asked for, as JSON: of a command its payload, of a wake until when and for how long.
    pub payload: String,
    /// What the agent answered, as JSON.
    pub result: Option<String>,
    /// What was seen, as JSON.
    pub evidence: Option<String>,
    /// How often it was sent.
    pub attempts: u32,
    /// How often it may be sent.
    pub max_attempts: u32,
    /// When it was made.
    pub created_at: Millis,
    /// Until when it must be sent.
    pub deliver_by: Millis,
    /// When it was sent first, or its machine began.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// Who asked for it.
    pub maker: Maker,
    /// What it is a part of.
    pub parent: Option<OperationId>,
    /// How long an answer is waited for once it was sent.
    pub run_timeout: Millis,
    /// Whether sending it again does no harm.
    pub repeatable: bool,
    /// Where it stands in its agent's queue: those of a lower class first.
    pub class: i64,
    /// Before when it is not sent: the next attempt waits.
    pub not_before: Millis,
    /// When something happens to it by itself; none once it has ended.
    pub due_at: Option<Millis>,
    /// How far a wake until online, or a power command until offline, is, as JSON that its driver alone reads.
    pub progress: Option<String>,
    /// Whether it was done while its caller waited, and stored afterwards.
    pub direct: bool,
    /// Counts its changes: whoever changes it names the one they know.
    pub version: i64,
}

impl Operation {
    /// Whether it is still to end.
    pub fn is_live(&self) -> bool {
        self.state.is_live()
    }
}

/// One entry of an operation's trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailEntry {
    /// When.
    pub at: Millis,
    /// What happened, as a word.
    pub event: Word,
    /// What happened, for people, in words of ours.
    pub message: String,
    /// What the agent said, which is its owner's alone.
    pub said: Option<String>,
    /// What else there is to know, as a JSON object, which is the owner's alone.
    pub data: Option<String>,
}

impl TrailEntry {
    /// An entry in words of ours.
    pub fn new(at: Millis, event: impl Into<Word>, message: impl Into<String>) -> Self {
        Self { at, event: event.into(), message: message.into(), said: None, data: None }
    }
}

/// The evidence of an operation whose agent said no, with its word for why.
pub fn agent_code(code: &str) -> String {
    serde_json::json!({ "agentCode": code }).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn words_are_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
        assert_eq!(State::from_word("live"), None);
    }
}
