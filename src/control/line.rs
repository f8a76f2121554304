//! An agent's line: the commands in flight, those that wait for their turn, and who waits for the replies.
//!
//! A microcontroller runs one command at a time and blocks while it does, so what exceeds the agent's window waits
//! here rather than in the firmware. Urgent commands, the wakes, go ahead of actions, and those ahead of questions; a
//! question that is asked already is shared. A server has a window of its own for what is urgent and one for what takes
//! long, so that neither waits for the others.
//!
//! Whoever may send the agent something has a fair share of the line. Each command gets a *turn*: one more than the
//! turn of the last command that its requester has waiting, or than the turn that was sent last. Those with the lowest
//! turn are sent first, so requesters alternate however many commands one of them has waiting. In a full line the
//! requester with the most waiting makes room. A question is overtaken by a few actions of others, not by all of them.
//!
//! Deliberately absent: sockets and clocks. The agent's lock is held around every call.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::command::{Answered, Command, Requester, Waiters, Witness};
use super::dispatch::DispatchError;
use super::message;
use super::report::Rate;
use super::wheel::{Moment, millis};
use super::windows::{Window, Windows};
use crate::registry::{CANCEL, Class, CommandEntry, Progress};

/// Commands that may wait for one agent, and control commands that may be under way to it.
pub(super) const MAX_WAITING: usize = 64;
/// Replies still expected of commands that timed out; more are forgotten, oldest first.
const MAX_LATE: usize = 64;

/// How long a command may wait to be sent: whoever asked, or a proxy between, has given up not long after.
pub const MAX_WAIT: Duration = Duration::from_secs(25);
/// How many turns of others' actions a question lets pass.
const OVERTAKEN: u64 = 8;

/// The turn of a requester's next command in a line that has come to `current`.
fn next_turn(line: &VecDeque<Command>, current: u64, requester: Requester) -> u64 {
    let last = line.iter().rev().find(|c| c.requester == requester).map_or(0, |c| c.turn);
    last.max(current) + 1
}

/// Puts a command behind those of its turn.
fn insert(line: &mut VecDeque<Command>, command: Command) {
    let at = line.iter().rposition(|c| c.turn <= command.turn).map_or(0, |last| last + 1);
    line.insert(at, command);
}

/// A command whose frame was sent.
pub(super) struct Flight {
    pub(super) id: u32,
    pub(super) deadline: Moment,
    /// Whether its frame was sent: one that was granted its turn waits for what to send.
    sent: bool,
    /// Whether the agent was asked to end it.
    canceled: bool,
    /// How often it says how far it is.
    pub(super) rate: Rate,
    pub(super) command: Command,
}

impl Flight {
    fn new(id: u32, deadline: Moment, sent: bool, command: Command) -> Self {
        Self { id, deadline, sent, canceled: false, rate: Rate::default(), command }
    }
}

/// A reply that is still expected of a command that timed out.
struct Late {
    id: u32,
    name: &'static str,
    waiters: Option<Waiters>,
}

/// What became of the next command in line.
pub(super) enum Next {
    /// It is in flight: its frame.
    Frame(Vec<u8>),
    /// It has its place in the window, and whoever asked gives what is to be sent.
    Granted,
}

/// The ends of a command that lines up before it is known what is sent.
pub(super) struct Ends {
    pub(super) granted: oneshot::Receiver<u32>,
    pub(super) outcome: oneshot::Receiver<Answered>,
    pub(super) late: oneshot::Receiver<Answered>,
    pub(super) reports: watch::Receiver<Option<Progress>>,
}

/// How long a command that was granted its turn may take to say what is sent.
const GRANTED: Duration = Duration::from_secs(20);

/// An agent's line.
#[derive(Default)]
pub(super) struct Line {
    pub(super) flights: Vec<Flight>,
    pub(super) controls: VecDeque<Command>,
    pub(super) urgents: VecDeque<Command>,
    pub(super) actions: VecDeque<Command>,
    pub(super) questions: VecDeque<Command>,
    pub(super) longs: VecDeque<Command>,
    /// The turn that was sent last.
    turn: u64,
    /// IDs and names of commands that timed out and may still be answered.
    late: VecDeque<Late>,
    /// When the wheel looks at the deadlines next.
    pub(super) armed: Option<Moment>,
    /// How often the agent says how far its commands are.
    pub(super) rate: Rate,
}

impl Line {
    /// Puts a command in line, or joins the same question; `late` gets a reply that comes late.
    pub(super) fn ask(
        &mut self,
        entry: &'static CommandEntry,
        payload: String,
        requester: Requester,
        late: Option<Witness>,
        now: Moment,
    ) -> Result<oneshot::Receiver<Answered>, DispatchError> {
        let (caller, outcome) = oneshot::channel();
        let give_up = now + millis(MAX_WAIT);
        if entry.class == Class::Question {
            if let Some(flight) =
                self.flights.iter_mut().find(|f| !f.canceled && f.command.is(entry, &payload))
            {
                flight.command.join(caller, late, requester)?;
                if flight.sent {
                    flight.command.note_sent();
                }
                return Ok(outcome);
            }
            if let Some(at) = self.questions.iter().position(|c| c.is(entry, &payload)) {
                // It comes up when the one who joins would have come up, if that is earlier.
                let turn = next_turn(&self.questions, self.turn, requester);
                let waiting = &mut self.questions[at];
                waiting.join(caller, late, requester)?;
                if turn < waiting.turn
                    && let Some(mut waiting) = self.questions.remove(at)
                {
                    waiting.turn = turn;
                    insert(&mut self.questions, waiting);
                }
                return Ok(outcome);
            }
        }
        self.find_room(entry, requester)?;
        let current = self.turn;
        let line = self.waiting(entry);
        let turn = next_turn(line, current, requester);
        let callers = vec![caller];
        let late = late.into_iter().collect();
        let (granted, reports, shared) = (None, None, false);
        let command =
            Command { entry, payload, callers, granted, late, reports, requester, shared, turn, give_up };
        insert(line, command);
        Ok(outcome)
    }

    /// Puts a command in line of which it is said only when its turn has come what is sent.
    pub(super) fn line_up(
        &mut self,
        entry: &'static CommandEntry,
        requester: Requester,
        now: Moment,
    ) -> Result<Ends, DispatchError> {
        self.find_room(entry, requester)?;
        let current = self.turn;
        let line = if entry.class == Class::Control { &mut self.actions } else { self.waiting(entry) };
        let turn = next_turn(line, current, requester);
        let (caller, outcome) = oneshot::channel();
        let (grant, granted) = oneshot::channel();
        let (late_caller, late) = oneshot::channel();
        let (reporter, reports) = watch::channel(None);
        let command = Command {
            entry,
            payload: String::new(),
            callers: vec![caller],
            granted: Some(grant),
            late: vec![Witness::of_reply(late_caller)],
            reports: Some(reporter),
            requester,
            shared: false,
            turn,
            give_up: now + millis(MAX_WAIT),
        };
        insert(line, command);
        Ok(Ends { granted, outcome, late, reports })
    }

    /// Says what the command sends that was granted its turn under `id`: its frame. None if it has lost its turn.
    pub(super) fn give(&mut self, id: u32, payload: String, deadline: Moment) -> Option<Vec<u8>> {
        let flight = self.flights.iter_mut().find(|f| f.id == id && !f.sent)?;
        let frame = message::encode(flight.command.entry.name, id, &payload);
        flight.command.payload = payload;
        flight.sent = true;
        flight.deadline = deadline;
        Some(frame)
    }

    /// Gives back a turn that was granted under `id` and not used.
    pub(super) fn give_back(&mut self, id: u32) {
        self.flights.retain(|f| f.id != id || f.sent);
    }

    /// Where a command waits for its turn.
    fn waiting(&mut self, entry: &CommandEntry) -> &mut VecDeque<Command> {
        match (Window::of(entry), entry.class) {
            (Window::Control, _) => &mut self.controls,
            (Window::Urgent, _) => &mut self.urgents,
            (Window::Short, Class::Question) => &mut self.questions,
            (Window::Short, _) => &mut self.actions,
            (Window::Long, _) => &mut self.longs,
        }
    }

    /// The next command that may be sent, from now on in flight under an ID that `id` gives: its frame.
    pub(super) fn next(
        &mut self,
        windows: Windows,
        now: Moment,
        id: impl FnOnce(&Self) -> u32,
    ) -> Option<Next> {
        let mut command = loop {
            let command = match self.controls.pop_front() {
                Some(control) => control,
                None => match self.pop_urgent(windows).or_else(|| self.pop_short(windows)) {
                    Some(command) => command,
                    None if self.in_flight(Window::Long) >= windows.long => return None,
                    None => self.longs.pop_front()?,
                },
            };
            if !command.is_abandoned() {
                break command;
            }
        };
        let id = id(self);
        if let Some(granted) = command.granted.take() {
            // Whoever lined up may be gone by now; then the place is given back by time.
            let deadline = now + if granted.send(id).is_ok() { millis(GRANTED) } else { 0 };
            self.flights.push(Flight::new(id, deadline, false, command));
            return Some(Next::Granted);
        }
        let frame = message::encode(command.entry.name, id, &command.payload);
        let deadline = now + millis(command.entry.timeout);
        command.note_sent();
        self.flights.push(Flight::new(id, deadline, true, command));
        Some(Next::Frame(frame))
    }

    /// The next that is urgent, if there is a window of its own for that and room in it.
    fn pop_urgent(&mut self, windows: Windows) -> Option<Command> {
        if self.in_flight(Window::Urgent) < windows.urgent { self.urgents.pop_front() } else { None }
    }

    /// The next that counts in the common window, if that has room.
    fn pop_short(&mut self, windows: Windows) -> Option<Command> {
        let apart = windows.urgent > 0;
        let flying = self.in_flight(Window::Short) + if apart { 0 } else { self.in_flight(Window::Urgent) };
        if flying < windows.short { self.pop_waiting(!apart) } else { None }
    }

    /// The next that waits for its turn: urgent ones first, then actions, but not all of others' before an action or a
    /// question.
    fn pop_waiting(&mut self, urgent: bool) -> Option<Command> {
        let overtaken = |ahead: &Command, behind: &Command| {
            ahead.requester != behind.requester && behind.turn + OVERTAKEN < ahead.turn
        };
        let urgents = urgent.then_some(&mut self.urgents);
        let lines = [urgents, Some(&mut self.actions), Some(&mut self.questions)];
        let mut next: Option<&mut VecDeque<Command>> = None;
        for line in lines.into_iter().flatten() {
            let first = match (next.as_ref().and_then(|next| next.front()), line.front()) {
                (_, None) => continue,
                (None, Some(_)) => true,
                (Some(ahead), Some(behind)) => overtaken(ahead, behind),
            };
            if first {
                next = Some(line);
            }
        }
        let command = next?.pop_front()?;
        self.turn = self.turn.max(command.turn);
        Some(command)
    }

    /// What has the agent end those commands in flight of which `which` says so, and which can be ended: their frames.
    pub(super) fn stop(&mut self, which: impl Fn(&Flight) -> bool) -> Vec<u8> {
        let mut frames = Vec::new();
        for flight in &mut self.flights {
            let can = flight.sent && !flight.canceled && flight.command.entry.cancelable;
            if can && which(flight) {
                flight.canceled = true;
                frames.extend_from_slice(&message::encode(CANCEL, flight.id, "{}"));
            }
        }
        frames
    }

    /// The command in flight under `id`.
    pub(super) fn flight(&mut self, id: u32) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|f| f.id == id && f.sent)
    }

    /// Whether an ID is in flight or may still be answered.
    pub(super) fn knows(&self, id: u32) -> bool {
        self.flights.iter().any(|f| f.id == id) || self.late.iter().any(|late| late.id == id)
    }

    /// Takes the command in flight under `id`, whose reply came, if that `answers` a command of its name.
    pub(super) fn take(&mut self, id: u32, answers: impl Fn(&str) -> bool) -> Option<Command> {
        let at = self.flights.iter().position(|f| f.id == id && f.sent && answers(f.command.entry.name))?;
        Some(self.flights.swap_remove(at).command)
    }

    /// Whether the command under `id` timed out before its reply, which came now and `answers` a command of its name; and
    /// who waits for it all the same.
    pub(super) fn take_late(&mut self, id: u32, answers: impl Fn(&str) -> bool) -> Option<Option<Waiters>> {
        let at = self.late.iter().position(|late| late.id == id && answers(late.name))?;
        self.late.remove(at).map(|late| late.waiters)
    }

    /// Remembers that a reply to the command `name` under `id` would be late.
    pub(super) fn expect_late(&mut self, id: u32, name: &'static str) {
        self.wait_late(Late { id, name, waiters: None });
    }

    fn wait_late(&mut self, late: Late) {
        if self.late.len() == MAX_LATE {
            self.late.pop_front();
        }
        self.late.push_back(late);
    }

    /// Takes the commands whose time is over, each with what its callers get.
    pub(super) fn expire(&mut self, now: Moment) -> Vec<(Command, DispatchError)> {
        let mut expired = Vec::new();
        while let Some(at) = self.flights.iter().position(|f| f.deadline <= now) {
            let mut flight = self.flights.swap_remove(at);
            if !flight.sent {
                expired.push((flight.command, DispatchError::Busy));
                continue;
            }
            let entry = flight.command.entry;
            let late = std::mem::take(&mut flight.command.late);
            let waiters = (!late.is_empty()).then_some((entry, late));
            self.wait_late(Late { id: flight.id, name: entry.name, waiters });
            expired.push((flight.command, DispatchError::TimedOut));
        }
        for line in [&mut self.urgents, &mut self.actions, &mut self.questions, &mut self.longs] {
            while let Some(at) = line.iter().position(|c| c.give_up <= now)
                && let Some(command) = line.remove(at)
            {
                expired.push((command, DispatchError::Busy));
            }
        }
        expired
    }

    /// When the first command in flight times out, or the first that waits is given up.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let waiting = self.urgents.iter().chain(&self.actions).chain(&self.questions).chain(&self.longs);
        let waiting = waiting.map(|c| c.give_up);
        self.flights.iter().map(|f| f.deadline).chain(waiting).min()
    }

    /// Takes every command, in flight or waiting.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Command> + use<> {
        let Self { flights, controls, urgents, actions, questions, longs, .. } = std::mem::take(self);
        let waiting = controls.into_iter().chain(urgents).chain(actions).chain(questions).chain(longs);
        flights.into_iter().map(|f| f.command).chain(waiting)
    }

    /// Whether nothing is left to remember, so that an idle agent carries no line.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty()
            && self.controls.is_empty()
            && self.urgents.is_empty()
            && self.actions.is_empty()
            && self.questions.is_empty()
            && self.longs.is_empty()
            && self.late.is_empty()
            && self.armed.is_none()
    }
}
