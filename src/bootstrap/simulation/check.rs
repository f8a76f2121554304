//! Whether operations ended, when they had to, and as the agents know it.

use std::time::Duration;

use super::world::{Answer, Book, Change, Got, Says, Stage, Wanted, What, World, now};
use crate::host::Host;
use crate::model::operation::{Operation, OperationKind, State, TrailEntry, reason};
use crate::store::operation_page::{Filter, InState, Of, page};
use crate::store::operation_trail;

/// By how much something may be late that comes by itself: a tick of the clockwork, a write, a look of the test.
const MARGIN: Duration = Duration::from_secs(3);
/// The same where the disk refuses now and then, and what it refused is tried again.
const TRIED_AGAIN: Duration = Duration::from_secs(25);
/// For how much longer than its answer is waited for a command may be running.
const GRACE: Duration = Duration::from_secs(5);
/// How long what is queued may wait for an agent that is connected and runs nothing of the queue: a heartbeat or a look at a
/// device may be without an answer.
const IDLE: Duration = Duration::from_secs(12);
/// How long a look at a device, or a packet, may take that begins just in time.
const LAST_LOOK: Duration = Duration::from_secs(32);
/// For how long after a restart nothing proves that a device is gone.
const COMING_BACK: Duration = Duration::from_secs(30);

/// Looks whether all that was asked for has ended, and if so, how.
pub(super) async fn look(host: &Host, world: &World) -> Result<(), String> {
    if !world.book().unanswered.is_empty() {
        return Ok(());
    }
    let all = host.store.read(|db| {
        let everything = Filter { before: i64::MAX, limit: i64::MAX, ..Filter::default() };
        let live = Filter { state: InState::Live, limit: 1, ..everything };
        if !page(db, Of::All, &live)?.is_empty() {
            return Ok(None);
        }
        let mut whole = Vec::new();
        for one in page(db, Of::All, &everything)? {
            whole.push((operation_trail::of(db, one.id)?, one));
        }
        Ok(Some(whole))
    });
    let Some(all) = all.await.map_err(|e| e.to_string())? else { return Ok(()) };
    let mut book = world.book();
    // The end of the last may not have been passed on yet: whoever listens hears of it until the next look.
    if !std::mem::replace(&mut book.quiet, true) {
        return Ok(());
    }
    let mut faults = Vec::new();
    for (number, wanted) in &book.wanted {
        let Some((id, _)) = wanted.acknowledged else { continue };
        match all.iter().find(|(_, one)| one.id == id) {
            Some((trail, operation)) => {
                let (number, faults) = (*number, &mut faults);
                Case { book: &book, number, wanted, operation, trail, all: &all, faults }.check();
            }
            None => faults.push(format!("{number} was acknowledged as {id} and is lost")),
        }
    }
    for (_, operation) in &all {
        let is_this = |wanted: &&Wanted| wanted.acknowledged.is_some_and(|(id, _)| id == operation.id);
        if book.wanted.values().filter(is_this).count() != 1 {
            faults.push(format!("nobody heard of {}, or two were: {:?}", operation.id, operation.payload));
        }
    }
    for (_, operation) in &all {
        let end = format!("{} {}", operation.state.word(), operation.reason.as_deref().unwrap_or("-"));
        book.count(end);
    }
    let late = all.iter().flat_map(|(trail, _)| trail).filter(|entry| entry.event == "answered_late").count();
    for _ in 0..late {
        book.count("answered late");
    }
    faults.into_iter().for_each(|fault| book.fault(fault));
    book.stage = Stage::Done;
    Ok(())
}

/// Whether what changed so was running at any time of these.
fn was_running(changes: &[Change], from: Duration, to: Duration) -> bool {
    let ends = changes.iter().skip(1).map(|next| next.at).chain([Duration::MAX]);
    changes.iter().zip(ends).any(|(one, end)| one.state == State::Running && one.at <= to && end >= from)
}

/// An operation that has ended, and all that is known of it.
struct Case<'a> {
    book: &'a Book,
    number: u32,
    wanted: &'a Wanted,
    operation: &'a Operation,
    trail: &'a [TrailEntry],
    /// Every operation, with its trail.
    all: &'a [(Vec<TrailEntry>, Operation)],
    faults: &'a mut Vec<String>,
}

impl Case<'_> {
    fn got(&self) -> &[Got] {
        self.book.got.get(&self.number).map_or(&[], Vec::as_slice)
    }

    fn demand(&mut self, holds: bool, what: &str) {
        if !holds {
            let Self { number, wanted, operation, .. } = &*self;
            let got: Vec<_> = self.got().iter().map(|got| format!("{got:?}")).collect();
            let trail: Vec<_> =
                self.trail.iter().map(|entry| format!("{} {}", entry.at, entry.event)).collect();
            self.faults.push(format!(
                "{number} {what}\n  wanted {wanted:?}\n  is {operation:?}\n  trail {trail:?}\n  agents {got:?}"
            ));
        }
    }

    fn check(&mut self) {
        let operation = self.operation;
        let times: Vec<_> = self.trail.iter().map(|entry| entry.at).collect();
        self.demand(times.is_sorted(), "goes back in time");
        self.demand(
            self.trail.first().is_none_or(|first| first.at >= operation.created_at),
            "begins before it was made",
        );
        self.demand(!operation.is_live() && operation.ended_at.is_some(), "is live");
        if self.book.withdrawn.contains(&operation.id) {
            self.demand(operation.state == State::Canceled, "was withdrawn");
        }
        let answers = self.book.answered.iter().filter(|(id, _)| *id == operation.id);
        let same = answers.clone().all(|(_, state)| *state == operation.state || *state == State::TimedOut);
        self.demand(same, "ended otherwise than whoever waited was answered");
        self.ends_in_time();
        if self.wanted.what.is_driven() {
            self.is_true_of_a_device();
        } else {
            self.is_a_legal_path();
            self.agrees_with_the_ledger();
            self.waited_for_its_agent();
        }
    }

    /// What was never sent had no agent it could be sent to, or one that was busy.
    fn waited_for_its_agent(&mut self) {
        let (Some(agent), Some(ended)) = (self.operation.agent, self.ended()) else { return };
        if self.operation.state != State::Expired {
            return;
        }
        let Some(online) = self.book.online_since(agent, ended) else { return };
        let connected = ended - online;
        let offline = self.operation.reason.as_deref() == Some(reason::AGENT_OFFLINE);
        self.demand(!offline || connected < MARGIN, "expired as if its agent was not connected");
        let Some((_, acknowledged)) = self.wanted.acknowledged else { return };
        let waited = connected.min(ended.saturating_sub(acknowledged));
        let others = self.all.iter().map(|(_, other)| other).filter(|other| other.agent == Some(agent));
        let busy = others
            .filter_map(|other| self.book.changes.get(&other.id))
            .any(|changes| was_running(changes, ended.saturating_sub(IDLE), ended));
        self.demand(busy || waited < IDLE, &format!("waited {waited:?} for an agent that had nothing to do"));
    }

    /// When it ended first, as far as the server could tell anybody.
    fn ended(&self) -> Option<Duration> {
        let changes = self.book.changes.get(&self.operation.id)?;
        changes.iter().find(|change| !change.state.is_live()).map(|change| change.at)
    }

    fn ends_in_time(&mut self) {
        let Some((_, acknowledged)) = self.wanted.acknowledged else { return };
        // What has a time of its own goes on from where the clock then says it was.
        if self.wanted.what.is_driven() && !self.book.clock_set.is_empty() && self.book.runs.len() > 1 {
            return;
        }
        // One that is made while the disk refuses that the times of all are moved, since the clock was set, is moved with them.
        let refused = self.book.tally.contains_key("refused by the disk");
        let moved = |set: &Duration| acknowledged + MARGIN >= *set && acknowledged <= *set + 2 * MARGIN;
        if refused && self.book.clock_set.iter().any(moved) {
            return;
        }
        let seconds = |of: i64| Duration::from_secs(of.unsigned_abs());
        let delivered = acknowledged + seconds(self.wanted.options.deliver_within.unwrap_or_default());
        let running = Duration::from_millis(self.operation.run_timeout.unsigned_abs());
        let starts = u32::try_from(self.book.runs.len()).unwrap_or(0);
        let by = match self.wanted.what {
            What::Command(..) | What::Wake(_) => delivered + running + GRACE,
            What::Online(_, timeout) => delivered + Duration::from_secs(timeout) + LAST_LOOK,
            What::Offline(_, delay, timeout) => {
                let timeout = Duration::from_secs(timeout);
                let again = (timeout + COMING_BACK) * starts;
                delivered + running + Duration::from_secs(delay.into()) + timeout + LAST_LOOK + again
            }
        };
        let margin = if refused { TRIED_AGAIN } else { MARGIN };
        // Where there was no server then, as soon as there is one.
        let by = self.book.served(by, margin);
        let ended = self.ended();
        self.demand(
            ended.is_none_or(|ended| ended <= by),
            &format!("ended at {ended:?}, which had to be by {by:?}"),
        );
        if ended.is_none() {
            // It ended shortly before a kill, so that nobody could hear of it.
            self.demand(self.book.runs.len() > 1, "ended, and nobody heard of it");
        }
    }

    /// What is in the trail can have happened in this order, and makes the operation what it is.
    fn is_a_legal_path(&mut self) {
        let mut state = "queued";
        let mut sent = 0_u32;
        for entry in self.trail {
            state = match (state, entry.event.as_ref()) {
                ("queued", "sent") => {
                    sent += 1;
                    "running"
                }
                ("queued", "agent_chosen") => "queued",
                ("running", "not_sent") => {
                    sent -= 1;
                    "queued"
                }
                ("running", "cancel_sent") => "running",
                ("running", "answered") | ("timed_out", "answered_late") => "answered",
                ("running", "refused" | "bad_reply") => "answered",
                ("running", "connection_lost" | "server_restarted") => "lost",
                ("lost", "queued") => "queued",
                ("queued" | "running", "canceled") => "canceled",
                ("queued" | "running" | "lost", "timed_out") => "timed_out",
                ("queued", "expired") => "expired",
                ("queued" | "lost", "failed") => "failed",
                (from, event) => return self.demand(false, &format!("cannot come from {from} by {event}")),
            };
        }
        let operation = self.operation;
        let is = operation.state.word();
        let ends = state == is || state == "answered" && ["succeeded", "failed"].contains(&is);
        self.demand(ends, &format!("has a trail that ends with {state}"));
        self.demand(sent == operation.attempts, "counts other attempts than its trail");
        self.demand(operation.attempts <= operation.max_attempts, "was tried too often");
    }

    /// An answer that the server must have taken in: it arrived, and the server ran on for a while.
    fn answered(&self) -> Option<Answer> {
        let margin = if self.book.tally.contains_key("refused by the disk") { TRIED_AGAIN } else { MARGIN };
        let taken = |answer: &Answer| {
            answer
                .arrived
                .is_some_and(|at| self.book.ran_until(at).is_some_and(|end| end.min(now()) >= at + margin))
        };
        self.got().iter().rev().filter_map(|got| got.answer).find(taken)
    }

    fn agrees_with_the_ledger(&mut self) {
        let operation = self.operation;
        let got = u32::try_from(self.got().len()).unwrap_or(u32::MAX);
        self.demand(got <= operation.attempts, "came to agents more often than it was sent");
        if let What::Command(agent, _) = self.wanted.what {
            self.demand(self.got().iter().all(|got| got.agent == agent), "came to another agent");
        }
        if !self.wanted.what.is_repeatable() {
            self.demand(got <= 1, "was sent twice, which may be done once");
        }
        let why = operation.reason.as_deref();
        let arrived = |says: Says| {
            self.got().iter().filter_map(|got| got.answer).any(|a| a.says == says && a.arrived.is_some())
        };
        let by_answer = match (operation.state, why) {
            (State::Succeeded, None) => Some(Says::Done),
            (State::Failed, Some(reason::COMMAND_FAILED)) => Some(Says::No),
            (State::Failed, Some(reason::BAD_REPLY)) => Some(Says::Nonsense),
            (State::Failed, Some(reason::COMMAND_NOT_SUPPORTED))
                if self.trail.iter().any(|e| e.event == "refused" || e.event == "answered_late") =>
            {
                Some(Says::Lacks)
            }
            (State::Canceled, Some(reason::CANCELED))
                if self.trail.iter().any(|e| e.event == "cancel_sent") =>
            {
                Some(Says::Ended)
            }
            _ => None,
        };
        if let Some(says) = by_answer {
            let arrived = arrived(says);
            return self.demand(arrived, &format!("ended as if an agent had answered {says:?}"));
        }
        let tried = operation.attempts > 0;
        let lost = [Some(reason::CONNECTION_LOST), Some(reason::SERVER_RESTARTED)].contains(&why);
        let fits = match operation.state {
            // Earlier attempts may have been lost with another program that had the command.
            State::Failed if why == Some(reason::COMMAND_NOT_SUPPORTED) => !tried || operation.repeatable,
            State::Failed => lost && operation.attempts == operation.max_attempts && operation.repeatable,
            State::TimedOut => tried && (lost || why == Some(reason::AGENT_TIMEOUT)),
            State::Expired => !tried,
            State::Canceled => {
                let between = self.trail.iter().rev().nth(1).is_some_and(|entry| entry.event != "sent");
                why == Some(reason::CANCELED) && (!tried || operation.repeatable && between)
            }
            _ => false,
        };
        self.demand(fits, "has no true end");
        let answered = self.answered();
        // One that was to end and said late that it had stays unanswered.
        let answered = answered.filter(|answer| answer.says != Says::Ended);
        self.demand(answered.is_none(), &format!("was answered: {answered:?}"));
    }

    fn is_true_of_a_device(&mut self) {
        let operation = self.operation;
        let devices = &self.book.devices;
        let got = self.got().len();
        match self.wanted.what {
            What::Online(device, _) if operation.state == State::Succeeded => {
                let seen = devices.get(&device).and_then(|device| device.up);
                let ended = self.ended().unwrap_or_else(now);
                self.demand(seen.is_some_and(|up| up <= ended), "was seen and is not up");
            }
            What::Online(..) => {
                let ends = [State::Failed, State::Expired, State::Canceled].contains(&operation.state);
                self.demand(ends && operation.kind == OperationKind::Wake, "has no end of a wake");
                if operation.state == State::Expired {
                    self.demand(got == 0, "expired, and was sent");
                }
            }
            What::Offline(..) => {
                self.demand(got <= 1, "was sent twice, which may be done once");
                if [State::Expired, State::Canceled].contains(&operation.state) {
                    self.demand(got == 0, "was never sent, and came to its agent");
                }
                if operation.reason.as_deref() == Some(reason::COMMAND_FAILED) {
                    let said = self.got().iter().filter_map(|got| got.answer).any(|a| a.says == Says::No);
                    self.demand(said, "was refused by nobody");
                }
            }
            _ => {}
        }
    }
}
