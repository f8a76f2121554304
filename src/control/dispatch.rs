//! Sending a command to an agent and waiting for its reply.

use super::cancel::Waiting;
use super::command::{Answered, Requester, Witness};
use super::{Control, message};
use crate::model::event::{CommandOutcome, Event};
use crate::registry::{
    Command, CommandEntry, CommandError, ReplyError, UNKNOWN_COMMAND, decode, encode_payload,
};
use tokio::time::Instant;

/// How much of what is wrong with a reply is kept for the log.
const MAX_COMPLAINT: usize = 300;

/// Why a command brought no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DispatchError {
    /// The payload cannot be sent: not an object, or larger than a frame may be.
    Payload(String),
    /// The agent is not connected.
    Offline,
    /// The agent does not have the command: it said so when it connected, or just now, or its configuration does not
    /// allow it. Nothing was done.
    Unsupported,
    /// The agent is a microcontroller, which runs no long commands. Nothing was sent.
    TooLong,
    /// Too many commands wait for the agent, or this one has waited too long for its turn: it was not sent.
    Busy,
    /// The connection ended before the reply.
    Disconnected,
    /// No reply in time.
    TimedOut,
    /// Whoever asked has gone, and an agent that understands it was asked to end it.
    GivenUp,
    /// The agent said no, with its code and message.
    Failed(CommandError),
    /// The agent answered nonsense; the text is for the log.
    BadReply(String),
}

impl From<ReplyError> for DispatchError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Failed(said) => Self::Failed(said),
            ReplyError::Bad(mut complaint) => {
                complaint.truncate(complaint.floor_char_boundary(MAX_COMPLAINT));
                Self::BadReply(complaint)
            }
        }
    }
}

impl DispatchError {
    /// Whether the agent answered in the protocol's words that it does not know the command.
    pub(super) fn is_unknown_command(&self) -> bool {
        matches!(self, Self::Failed(said) if said.message == UNKNOWN_COMMAND)
    }

    pub(super) fn outcome(&self) -> CommandOutcome {
        match self {
            Self::Payload(_) | Self::Busy | Self::Unsupported | Self::TooLong => CommandOutcome::Refused,
            Self::Offline => CommandOutcome::Offline,
            Self::Disconnected | Self::GivenUp => CommandOutcome::Disconnected,
            Self::TimedOut => CommandOutcome::TimedOut,
            Self::Failed(_) => CommandOutcome::Failed,
            Self::BadReply(_) => CommandOutcome::BadReply,
        }
    }
}

impl Control {
    /// Sends `C` to an agent on the server's own behalf and waits for its reply.
    ///
    /// # Errors
    /// See [`DispatchError`].
    pub async fn dispatch<C: Command>(
        &self,
        agent: i64,
        payload: &C::Payload,
    ) -> Result<C::Reply, DispatchError> {
        self.dispatch_for::<C>(Requester::Server, agent, payload).await
    }

    /// Sends `C` to an agent for whoever asked, and waits for its reply.
    ///
    /// # Errors
    /// See [`DispatchError`].
    pub async fn dispatch_for<C: Command>(
        &self,
        requester: Requester,
        agent: i64,
        payload: &C::Payload,
    ) -> Result<C::Reply, DispatchError> {
        let entry: &'static CommandEntry = const { &CommandEntry::of::<C>() };
        let payload = encode_payload::<C>(payload).map_err(|e| DispatchError::Payload(e.message))?;
        let reply = self.dispatch_json_for(requester, agent, entry, payload).await?;
        decode(reply.as_bytes()).map_err(|e| DispatchError::BadReply(e.message))
    }

    /// [`dispatch_json_for`](Self::dispatch_json_for) on the server's own behalf.
    ///
    /// # Errors
    /// See [`DispatchError`].
    pub async fn dispatch_json(
        &self,
        agent: i64,
        entry: &'static CommandEntry,
        payload: String,
    ) -> Result<String, DispatchError> {
        self.dispatch_json_for(Requester::Server, agent, entry, payload).await
    }

    /// Sends a command whose payload was checked with [`CommandEntry::check_payload`] and waits for its reply, which
    /// comes checked too. Its time-out runs from when its frame is sent; dropping the future gives the command up, and has
    /// an agent that understands it end what can be ended.
    ///
    /// # Errors
    /// See [`DispatchError`].
    pub async fn dispatch_json_for(
        &self,
        requester: Requester,
        agent: i64,
        entry: &'static CommandEntry,
        payload: String,
    ) -> Result<String, DispatchError> {
        self.dispatch_watched(requester, agent, entry, payload, None).await
    }

    /// As [`dispatch_json_for`](Self::dispatch_json_for), for whoever records it: `witness` learns that it was sent, and a
    /// reply that comes after its time or after the future was dropped.
    ///
    /// # Errors
    /// See [`DispatchError`].
    pub async fn dispatch_watched(
        &self,
        requester: Requester,
        agent: i64,
        entry: &'static CommandEntry,
        payload: String,
        witness: Option<Witness>,
    ) -> Result<String, DispatchError> {
        let asked = Instant::now();
        let result = self.send_and_wait(requester, agent, entry, payload, witness).await;
        let outcome = result.as_ref().map_or_else(DispatchError::outcome, |_| CommandOutcome::Ok);
        let user = match requester {
            Requester::User(user) => Some(user),
            Requester::Operator | Requester::Server | Requester::Queue => None,
        };
        let took = asked.elapsed();
        self.core.emit(Event::CommandDone { command: entry.name, agent, user, outcome, took });
        result
    }

    async fn send_and_wait(
        &self,
        requester: Requester,
        agent: i64,
        entry: &'static CommandEntry,
        payload: String,
        witness: Option<Witness>,
    ) -> Answered {
        check_payload(entry, &payload)?;
        let agent = self.find(agent).filter(|_| !self.is_stopping()).ok_or(DispatchError::Offline)?;
        let outcome = agent.ask(&self.core, entry, payload, requester, witness)?;
        let waiting = Waiting::new(agent, entry, outcome);
        waiting.await.unwrap_or(Err(DispatchError::Disconnected))
    }
}

/// Whether a payload may be sent: a JSON object that fits a frame.
pub(super) fn check_payload(entry: &CommandEntry, payload: &str) -> Result<(), DispatchError> {
    let json = serde_json::from_str::<serde::de::IgnoredAny>(payload).is_ok();
    if !json || !payload.trim_start().starts_with('{') {
        return Err(DispatchError::Payload(format!("the payload of {} must be a JSON object", entry.name)));
    }
    if !message::fits(entry.name, payload) {
        return Err(DispatchError::Payload(format!(
            "the payload of {} is too large: with its frame it may have {} bytes",
            entry.name,
            message::MAX_FRAME
        )));
    }
    Ok(())
}
