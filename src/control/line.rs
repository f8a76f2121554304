//! An agent's line: the commands in flight, those that wait for their turn, and who waits for the replies.
//!
//! A microcontroller runs one command at a time and blocks while it does, so what exceeds the agent's window waits
//! here rather than in the firmware. Actions go ahead of questions; a question that is asked already is shared.
//! Deliberately absent: sockets and clocks. The agent's lock is held around every call.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::dispatch::DispatchError;
use super::message;
use super::wheel::{Moment, millis};
use crate::registry::{Class, CommandEntry};

/// Commands that may wait for one agent, and control commands that may be under way to it.
pub(super) const MAX_WAITING: usize = 64;
/// Callers that may share one question.
const MAX_SHARED: usize = 1024;
/// Replies still expected of commands that timed out; more are forgotten, oldest first.
const MAX_LATE: usize = 64;

/// What a caller gets.
pub(super) type Outcome = Result<String, DispatchError>;

/// A command on its way.
pub(super) struct Command {
    pub(super) entry: &'static CommandEntry,
    payload: String,
    callers: Vec<oneshot::Sender<Outcome>>,
}

impl Command {
    /// Whether nobody waits for the reply any more.
    fn is_abandoned(&self) -> bool {
        self.callers.iter().all(oneshot::Sender::is_closed)
    }

    fn is(&self, entry: &CommandEntry, payload: &str) -> bool {
        self.entry.name == entry.name && self.payload == payload
    }

    /// Tells everyone who waits.
    pub(super) fn finish(self, outcome: &Outcome) {
        for caller in self.callers {
            // A caller that went away needs no answer.
            let _ = caller.send(outcome.clone());
        }
    }
}

/// A command whose frame was sent.
struct Flight {
    id: u32,
    deadline: Moment,
    command: Command,
}

/// An agent's line.
#[derive(Default)]
pub(super) struct Line {
    flights: Vec<Flight>,
    controls: VecDeque<Command>,
    actions: VecDeque<Command>,
    questions: VecDeque<Command>,
    /// IDs of commands that timed out and may still be answered.
    late: VecDeque<u32>,
    /// When the wheel looks at the deadlines next.
    pub(super) armed: Option<Moment>,
}

impl Line {
    /// Puts a command in line, or joins the same question.
    pub(super) fn ask(
        &mut self,
        entry: &'static CommandEntry,
        payload: String,
    ) -> Result<oneshot::Receiver<Outcome>, DispatchError> {
        let (caller, outcome) = oneshot::channel();
        if entry.class == Class::Question {
            let flying = self.flights.iter_mut().map(|f| &mut f.command);
            if let Some(same) = flying.chain(&mut self.questions).find(|c| c.is(entry, &payload)) {
                same.callers.retain(|c| !c.is_closed());
                if same.callers.len() >= MAX_SHARED {
                    return Err(DispatchError::Busy);
                }
                same.callers.push(caller);
                return Ok(outcome);
            }
        }
        if self.is_full(entry.class) {
            self.skip_abandoned();
            if self.is_full(entry.class) {
                return Err(DispatchError::Busy);
            }
        }
        let line = match entry.class {
            Class::Control => &mut self.controls,
            Class::Action => &mut self.actions,
            Class::Question => &mut self.questions,
        };
        line.push_back(Command { entry, payload, callers: vec![caller] });
        Ok(outcome)
    }

    fn is_full(&self, class: Class) -> bool {
        match class {
            Class::Control => self.controls.len() + self.in_flight(true) >= MAX_WAITING,
            Class::Action | Class::Question => self.actions.len() + self.questions.len() >= MAX_WAITING,
        }
    }

    fn in_flight(&self, control: bool) -> usize {
        self.flights.iter().filter(|f| (f.command.entry.class == Class::Control) == control).count()
    }

    fn skip_abandoned(&mut self) {
        for line in [&mut self.controls, &mut self.actions, &mut self.questions] {
            line.retain(|c| !c.is_abandoned());
        }
    }

    /// The next command that may be sent, from now on in flight under an ID that `id` gives: its frame.
    pub(super) fn next(
        &mut self,
        window: usize,
        now: Moment,
        id: impl FnOnce(&Self) -> u32,
    ) -> Option<Vec<u8>> {
        let command = loop {
            let command = match self.controls.pop_front() {
                Some(control) => control,
                None if self.in_flight(false) >= window => return None,
                None => self.actions.pop_front().or_else(|| self.questions.pop_front())?,
            };
            if !command.is_abandoned() {
                break command;
            }
        };
        let id = id(self);
        let frame = message::encode(command.entry.name, id, &command.payload);
        self.flights.push(Flight { id, deadline: now + millis(command.entry.timeout), command });
        Some(frame)
    }

    /// Whether an ID is in flight or may still be answered.
    pub(super) fn knows(&self, id: u32) -> bool {
        self.flights.iter().any(|f| f.id == id) || self.late.contains(&id)
    }

    /// Takes the command in flight under `id`, whose reply came.
    pub(super) fn take(&mut self, id: u32) -> Option<Command> {
        let at = self.flights.iter().position(|f| f.id == id)?;
        Some(self.flights.swap_remove(at).command)
    }

    /// Whether `id` timed out before its reply, which came now.
    pub(super) fn take_late(&mut self, id: u32) -> bool {
        let at = self.late.iter().position(|&late| late == id);
        at.is_some_and(|at| self.late.remove(at).is_some())
    }

    /// Remembers that a reply to `id` would be late.
    pub(super) fn expect_late(&mut self, id: u32) {
        if self.late.len() == MAX_LATE {
            self.late.pop_front();
        }
        self.late.push_back(id);
    }

    /// Takes the commands whose time is over.
    pub(super) fn expire(&mut self, now: Moment) -> Vec<Command> {
        let mut expired = Vec::new();
        while let Some(at) = self.flights.iter().position(|f| f.deadline <= now) {
            let flight = self.flights.swap_remove(at);
            self.expect_late(flight.id);
            expired.push(flight.command);
        }
        expired
    }

    /// When the first command in flight times out.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.flights.iter().map(|f| f.deadline).min()
    }

    /// Takes every command, in flight or waiting.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Command> + use<> {
        let Self { flights, controls, actions, questions, .. } = std::mem::take(self);
        flights.into_iter().map(|f| f.command).chain(controls).chain(actions).chain(questions)
    }

    /// Whether nothing is left to remember, so that an idle agent carries no line.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty()
            && self.controls.is_empty()
            && self.actions.is_empty()
            && self.questions.is_empty()
            && self.late.is_empty()
            && self.armed.is_none()
    }
}
