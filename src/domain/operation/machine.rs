//! The state machine of operations: what is, what happened and when, to what is then and what is to be done. Wakes until
//! online and power commands until offline have plans of their own (`wake_until`, `power_until`), and take from here alone
//! how they are withdrawn.
//!
//! It does no I/O and knows no clock. Queue, agents, restart and time drive it; each step is stored before it counts. What
//! cannot happen to an operation as it is changes nothing: an answer to what has ended, a second cancellation, a turn of
//! what was withdrawn.

use crate::clock::Millis;
use crate::model::operation::{Operation, OperationKind, State, TrailEntry, Word, agent_code, reason};

/// The first wait before another attempt; it doubles.
const BACKOFF: Millis = 1000;
/// The longest.
const LONGEST_BACKOFF: Millis = 64_000;
/// For how much longer than its answer is waited for an operation may be running: whoever waits says first that it timed
/// out.
const GRACE: Millis = 5000;

/// What became of what the agent does not know.
pub(super) const NOT_KNOWN: &str =
    "The agent answered that it does not know this command: nothing was done. Update its program or firmware";

/// What became of what waited for an agent that had no time for it.
pub(in crate::domain) const NO_TURN: &str = "Its turn did not come in time: it was never sent";

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Its turn has come: it is about to be written to the agent's socket.
    Turn,
    /// Another of the device's agents does it, since that is connected.
    Chosen(i64),
    /// It was not written after all.
    Unsent,
    /// The agent answered, in time or not.
    Answered(Reply),
    /// The connection ended before the answer, or the server did; the word says which.
    Lost(&'static str),
    /// There was no answer in time.
    TimedOut,
    /// Time has passed; whether its agent is connected.
    Tick(bool),
    /// Somebody withdraws it.
    Cancel,
    /// Its agent is about to be asked to end it.
    CancelSent,
    /// It shall not be done any more, for a reason in words of ours.
    Refused(Word, &'static str),
    /// It cannot be sent, for a reason in words of ours.
    Impossible(Word, Word),
}

/// What the agent answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It did it; with what, as JSON.
    Done(String),
    /// It said no, in its words; and why, as its word for programs.
    No(String, Option<String>),
    /// It does not know the command.
    Lacks,
    /// It ended because it was asked to.
    Canceled,
    /// It answered nonsense.
    Nonsense,
}

/// What becomes of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The operation then.
    pub after: Operation,
    /// What is to be added to its trail.
    pub trail: Vec<TrailEntry>,
}

/// The step that `input` makes of an operation at `now`; none if it changes nothing. What happened to it before did so at
/// `last` or earlier: a clock that was set back changes nothing of that order.
pub fn step(before: &Operation, input: &Input, now: Millis, last: Millis) -> Option<Step> {
    let at = now.max(last).max(before.created_at).max(before.started_at.unwrap_or(0));
    let mut next = Next { op: before.clone(), trail: Vec::new(), now, at };
    let changed = match (before.state, input) {
        (State::Queued, Input::Turn) => next.turn(),
        (State::Queued, Input::Chosen(agent)) if before.agent != Some(*agent) => next.chosen(*agent),
        (State::Running, Input::Unsent) => next.unsent(before),
        (State::Running | State::TimedOut, Input::Answered(reply)) => next.answered(reply),
        (State::Running, Input::Lost(why)) => next.lost(why),
        (State::Running, Input::TimedOut) => next.timed_out(),
        (State::Queued, Input::Tick(connected)) if now >= before.deliver_by => next.too_late(*connected),
        (State::Running, Input::Tick(_)) if before.due_at.is_some_and(|due| now >= due) => next.timed_out(),
        (State::Queued, Input::Cancel) => {
            let message = if before.attempts == 0 {
                "It was withdrawn before it was sent"
            } else {
                "It was withdrawn before its next attempt; whether an earlier one was done is unknown"
            };
            next.end(State::Canceled, reason::CANCELED, message)
        }
        // Of a wake that looks for its device nothing is left that cannot be stopped.
        (State::Running, Input::Cancel)
            if before.kind == OperationKind::Wake && before.progress.is_some() =>
        {
            next.end(State::Canceled, reason::CANCELED, "It was withdrawn; a packet may have been sent")
        }
        (State::Running, Input::CancelSent) => next.cancel_sent(),
        (State::Queued, Input::Refused(word, message)) => {
            next.end(State::Canceled, word.clone(), unless_tried(before, message))
        }
        (State::Queued, Input::Impossible(word, message)) => {
            next.end(State::Failed, word.clone(), unless_tried(before, message))
        }
        (State::Running, Input::Refused(word, message)) => next.end(State::TimedOut, word.clone(), *message),
        _ => false,
    };
    changed.then(|| {
        next.op.version += 1;
        Step { after: next.op, trail: next.trail }
    })
}

/// Why it is not sent, and what is known of it where it was before.
fn unless_tried(operation: &Operation, message: &str) -> String {
    if operation.attempts == 0 {
        return message.to_owned();
    }
    format!("{message}. An earlier attempt was sent; whether that was done is unknown")
}

/// An operation on its way.
struct Next {
    op: Operation,
    trail: Vec<TrailEntry>,
    /// The time that everything is due by.
    now: Millis,
    /// When it happens, for whoever reads it.
    at: Millis,
}

impl Next {
    fn note(&mut self, event: impl Into<Word>, message: impl Into<String>) -> &mut TrailEntry {
        self.trail.push(TrailEntry::new(self.at, event, message));
        let last = self.trail.len() - 1;
        &mut self.trail[last]
    }

    fn turn(&mut self) -> bool {
        if self.now >= self.op.deliver_by {
            return self.too_late(true);
        }
        let op = &mut self.op;
        op.attempts += 1;
        op.state = State::Running;
        op.reason = None;
        op.message = "It was sent, and its answer is waited for".to_owned();
        op.started_at = op.started_at.or(Some(self.at));
        op.not_before = 0;
        op.due_at = Some(self.now.saturating_add(op.run_timeout).saturating_add(GRACE));
        let (attempt, of) = (op.attempts, op.max_attempts);
        let message =
            if attempt > 1 { format!("Attempt {attempt} of {of}: sent") } else { "Sent".to_owned() };
        self.note("sent", message);
        true
    }

    fn chosen(&mut self, agent: i64) -> bool {
        self.op.agent = Some(agent);
        self.note("agent_chosen", "Another of the device’s agents is connected: it sends").data =
            Some(format!("{{\"agentID\":{agent}}}"));
        true
    }

    fn unsent(&mut self, before: &Operation) -> bool {
        let op = &mut self.op;
        op.attempts = op.attempts.saturating_sub(1);
        if op.attempts == 0 {
            op.started_at = None;
        }
        self.wait_from(
            before.not_before,
            "The agent went offline before it was sent: it waits for the agent",
        );
        self.note("not_sent", "The agent went offline before it was sent");
        true
    }

    /// Goes back into the queue until `not_before`.
    fn wait_from(&mut self, not_before: Millis, message: &str) {
        let op = &mut self.op;
        op.state = State::Queued;
        op.not_before = not_before;
        op.message = message.to_owned();
        op.due_at = Some(if not_before > self.now { not_before.min(op.deliver_by) } else { op.deliver_by });
    }

    fn answered(&mut self, reply: &Reply) -> bool {
        let late = self.op.state == State::TimedOut;
        if late && self.op.direct {
            // Of one that was done directly nothing is stored until then.
            let (at, message) = (self.op.ended_at.unwrap_or(self.now), self.op.message.clone());
            self.trail.push(TrailEntry::new(at, State::TimedOut.word(), message));
        }
        let event = |word: &'static str| if late { "answered_late" } else { word };
        let how = if late { "late " } else { "" };
        match reply {
            Reply::Done(result) => {
                self.op.result = Some(result.clone());
                self.op.reason = None;
                self.finish(State::Succeeded, format!("The agent answered {how}that it was done"));
                let message = self.op.message.clone();
                self.note(event("answered"), message);
            }
            Reply::No(said, code) => {
                self.op.evidence = code.as_deref().map(agent_code);
                self.op.reason = Some(reason::COMMAND_FAILED.into());
                self.op.said = Some(said.clone()).filter(|said| !said.is_empty());
                self.finish(State::Failed, format!("The agent answered {how}that it could not do it"));
                let (message, said) = (self.op.message.clone(), self.op.said.clone());
                self.note(event("refused"), message).said = said;
            }
            Reply::Lacks => {
                self.op.reason = Some(reason::COMMAND_NOT_SUPPORTED.into());
                self.finish(State::Failed, NOT_KNOWN);
                self.note(event("refused"), NOT_KNOWN);
            }
            Reply::Canceled if late => return false,
            Reply::Canceled => {
                return self.end(
                    State::Canceled,
                    reason::CANCELED,
                    "It was canceled while it ran, and its agent ended it",
                );
            }
            Reply::Nonsense => {
                self.op.reason = Some(reason::BAD_REPLY.into());
                let message = "The agent answered something that is no reply to this command; its firmware may not fit \
                               this server";
                self.finish(State::Failed, message);
                self.note(event("bad_reply"), message);
            }
        }
        true
    }

    /// It is not begun anew, whatever becomes of it.
    fn cancel_sent(&mut self) -> bool {
        self.op.max_attempts = self.op.attempts;
        self.op.message = "Its agent was asked to end it, and its answer is waited for".to_owned();
        self.note("cancel_sent", "Its agent was asked to end it");
        true
    }

    fn lost(&mut self, why: &'static str) -> bool {
        let restarted = why == reason::SERVER_RESTARTED;
        let what =
            if restarted { "The server was restarted" } else { "The connection to the agent was lost" };
        self.note(why, format!("{what} before the agent answered"));
        let op = &self.op;
        let attempts = op.attempts;
        let backoff = BACKOFF << attempts.saturating_sub(1).min(6);
        let at = self.now.saturating_add(backoff.min(LONGEST_BACKOFF));
        if !op.repeatable {
            let message =
                format!("{what} before the agent answered; whether it did what was asked is unknown");
            return self.end(State::TimedOut, why, message);
        }
        if attempts >= op.max_attempts {
            let message = format!(
                "{what} before the agent answered, and every attempt is used up ({attempts}); whether it did what was \
                 asked is unknown"
            );
            return self.end(State::Failed, why, message);
        }
        if at >= op.deliver_by {
            let message = format!(
                "{what} before the agent answered, and there is no time for another attempt; whether it did what was \
                 asked is unknown"
            );
            return self.end(State::TimedOut, why, message);
        }
        self.op.reason = Some(why.into());
        self.wait_from(at, &format!("{what} before the agent answered: it waits for its next attempt"));
        self.note("queued", format!("The next attempt is made in {} s or later", backoff / 1000));
        true
    }

    fn timed_out(&mut self) -> bool {
        self.end(
            State::TimedOut,
            reason::AGENT_TIMEOUT,
            "The agent did not answer in time; whether it did what was asked is unknown",
        )
    }

    /// The time to send it is over.
    fn too_late(&mut self, connected: bool) -> bool {
        if self.op.attempts > 0 {
            let why = self.op.reason.clone().unwrap_or(reason::CONNECTION_LOST.into());
            let message = "It was sent and not answered, and could not be sent again in time; whether it was done is unknown";
            return self.end(State::TimedOut, why, message);
        }
        let unless_said = if connected { reason::AGENT_BUSY } else { reason::AGENT_OFFLINE };
        let why = self.op.reason.clone().unwrap_or(unless_said.into());
        let message = if why == reason::AGENT_OFFLINE {
            "The agent was not connected in time: it was never sent"
        } else {
            NO_TURN
        };
        self.end(State::Expired, why, message)
    }

    /// Ends it, with an entry in the trail that says so.
    fn end(&mut self, state: State, why: impl Into<Word>, message: impl Into<String>) -> bool {
        self.op.reason = Some(why.into());
        let message = message.into();
        self.note(state.word(), message.clone());
        self.finish(state, message);
        true
    }

    fn finish(&mut self, state: State, message: impl Into<String>) {
        let op = &mut self.op;
        op.state = state;
        op.message = message.into();
        op.ended_at = Some(self.at);
        op.due_at = None;
        op.not_before = 0;
    }
}

#[cfg(test)]
mod tests;
