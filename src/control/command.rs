//! A command on its way to an agent, and who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{oneshot, watch};

use super::dispatch::DispatchError;
use super::wheel::Moment;
use crate::registry::{CommandEntry, Progress};

/// Callers that may share one question.
const MAX_SHARED: usize = 1024;

/// For whom a command is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    /// A user, in a session or with a token.
    User(i64),
    /// The local operator.
    Operator,
    /// The server itself: its plugins.
    Server,
    /// The agent's queue of operations, whoever made them: they keep their order.
    Queue,
}

/// What a caller gets.
pub(super) type Answered = Result<String, DispatchError>;

/// Learns of a command what its caller may not: that it was sent, and a reply that comes when nobody waits any more.
pub struct Witness {
    sent: Option<Arc<AtomicBool>>,
    reply: oneshot::Sender<Answered>,
}

/// What a [`Witness`] learned.
pub struct Witnessed {
    sent: Arc<AtomicBool>,
    reply: oneshot::Receiver<Answered>,
}

impl Witness {
    /// A new one, and what it learns.
    pub fn new() -> (Self, Witnessed) {
        let (sent, (reply, replied)) = (Arc::new(AtomicBool::new(false)), oneshot::channel());
        (Self { sent: Some(sent.clone()), reply }, Witnessed { sent, reply: replied })
    }

    /// One of whom it is known otherwise that it was sent.
    pub(super) fn of_reply(reply: oneshot::Sender<Answered>) -> Self {
        Self { sent: None, reply }
    }

    fn note_sent(&self) {
        if let Some(sent) = &self.sent {
            sent.store(true, Ordering::Release);
        }
    }

    pub(super) fn note_reply(self, reply: Answered) {
        // Who was answered, or went away altogether, does not listen.
        let _ = self.reply.send(reply);
    }
}

impl Witnessed {
    /// Whether the command's frame was written.
    pub fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// Waits for a reply that nobody else gets; none once none can come any more.
    pub async fn reply(self) -> Option<Result<String, DispatchError>> {
        self.reply.await.ok()
    }
}

/// A command on its way.
pub(super) struct Command {
    pub(super) entry: &'static CommandEntry,
    pub(super) payload: String,
    pub(super) callers: Vec<oneshot::Sender<Answered>>,
    /// Gets its ID when its turn comes, where what it sends is given only then.
    pub(super) granted: Option<oneshot::Sender<u32>>,
    /// Learn that it was sent, and get a reply that comes late.
    pub(super) late: Vec<Witness>,
    /// Gets how far it is, where somebody listens.
    pub(super) reports: Option<watch::Sender<Option<Progress>>>,
    /// Who asked first.
    pub(super) requester: Requester,
    /// Whether others have joined.
    pub(super) shared: bool,
    pub(super) turn: u64,
    /// When it is given up if it was not sent.
    pub(super) give_up: Moment,
}

impl Command {
    /// Whether nobody waits for the reply any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.callers.iter().all(oneshot::Sender::is_closed)
    }

    pub(super) fn is(&self, entry: &CommandEntry, payload: &str) -> bool {
        self.entry.name == entry.name && self.payload == payload && !self.is_queued()
    }

    /// Whether it is of the agent's queue of operations, and not asked directly.
    pub(super) fn is_queued(&self) -> bool {
        self.reports.is_some()
    }

    /// Notes that its frame was written.
    pub(super) fn note_sent(&self) {
        self.late.iter().for_each(Witness::note_sent);
    }

    /// Lets another caller wait for the same reply.
    pub(super) fn join(
        &mut self,
        caller: oneshot::Sender<Answered>,
        late: Option<Witness>,
        requester: Requester,
    ) -> Result<(), DispatchError> {
        self.callers.retain(|c| !c.is_closed());
        if self.callers.len() >= MAX_SHARED {
            return Err(DispatchError::Busy);
        }
        self.callers.push(caller);
        self.late.extend(late);
        self.shared |= self.requester != requester;
        Ok(())
    }

    /// Gives everyone who waits the outcome; what an agent answers for whom nobody waits any more is late.
    pub(super) fn finish(self, outcome: &Answered) {
        let is_reply = matches!(outcome, Ok(_) | Err(DispatchError::Failed(_) | DispatchError::BadReply(_)));
        let mut left = false;
        for caller in self.callers {
            left |= caller.send(outcome.clone()).is_err();
        }
        for late in self.late.into_iter().filter(|_| is_reply && left) {
            late.note_reply(outcome.clone());
        }
    }
}

/// Who waits for a reply that comes late.
pub(super) type Waiters = (&'static CommandEntry, Vec<Witness>);
