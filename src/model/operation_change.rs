//! What became of an operation at one moment: as much as is needed to say so later, and to whom.

use super::operation::{Operation, OperationId, OperationKind, State, Word};
use crate::clock::Millis;

/// How far an operation was when it had been made or changed. Very many are kept, so that what is long or seldom asked
/// for, such as its payload, is looked up where it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationChange {
    /// The operation.
    pub id: OperationId,
    /// What kind of thing is wanted.
    pub kind: OperationKind,
    /// The command's wire name.
    pub command: Box<str>,
    /// When it was made.
    pub created_at: Millis,
    /// Which of its changes it was.
    pub version: i64,
    /// The user whose agent or device it is about.
    pub owner: i64,
    /// The agent.
    pub agent: Option<i64>,
    /// The device.
    pub device: Option<i64>,
    /// How far it was.
    pub state: State,
    /// Why it had ended, or waited.
    pub reason: Option<Word>,
    /// What had become of it, for people, in words of ours.
    pub message: String,
    /// How often it had been sent.
    pub attempts: u32,
    /// When it was sent first.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
}

impl OperationChange {
    /// The operation as it was then, out of what it is now. What only its end brought is not there before.
    pub fn of(&self, now: &Operation) -> Operation {
        let mut then = now.clone();
        if now.version == self.version {
            return then;
        }
        then.version = self.version;
        then.agent = self.agent;
        then.state = self.state;
        then.reason.clone_from(&self.reason);
        then.message.clone_from(&self.message);
        then.attempts = self.attempts;
        then.started_at = self.started_at;
        then.ended_at = self.ended_at;
        (then.said, then.result, then.evidence) = (None, None, None);
        then
    }
}

impl From<&Operation> for OperationChange {
    fn from(now: &Operation) -> Self {
        Self {
            id: now.id,
            kind: now.kind,
            command: now.command.as_str().into(),
            created_at: now.created_at,
            version: now.version,
            owner: now.owner,
            agent: now.agent,
            device: now.device,
            state: now.state,
            reason: now.reason.clone(),
            message: now.message.clone(),
            attempts: now.attempts,
            started_at: now.started_at,
            ended_at: now.ended_at,
        }
    }
}
