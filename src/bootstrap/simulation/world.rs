//! What is true in a simulated world, whatever its server believes: what was asked for and acknowledged, what agents got
//! and answered and how much of that arrived, which devices are up, and when there was a server at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::domain::operation::create::Options;
use crate::model::operation::{OperationId, State};
use crate::store::Store;

/// The simulation's time, which is the same on all hosts.
pub(super) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// How far a simulation has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Everything breaks in every way.
    #[default]
    Rough,
    /// All is well from now on.
    Calm,
    /// All that was asked for has ended.
    Done,
}

/// What is asked for. Every one has a number of its own, by which agents know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// An agent is to run a command, whose payload carries the number.
    Command(i64, &'static str),
    /// A device is to be sent its magic packet.
    Wake(i64),
    /// A device is to be woken and seen within so many seconds.
    Online(i64, u64),
    /// A device is to be shut down after so many seconds, and missed within so many.
    Offline(i64, u32, u64),
}

impl What {
    /// Whether it may be done twice.
    pub(super) fn is_repeatable(self) -> bool {
        !matches!(self, Self::Command(_, "REBOOT") | Self::Offline(..))
    }

    /// Whether it has a driver of its own.
    pub(super) fn is_driven(self) -> bool {
        matches!(self, Self::Online(..) | Self::Offline(..))
    }
}

/// A request, and its answer.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) what: What,
    pub(super) options: Options,
    pub(super) acknowledged: Option<(OperationId, Duration)>,
}

/// What an agent answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Done,
    No,
    Nonsense,
    /// That it does not know the command.
    Lacks,
    /// That it ended the command, as it was asked to.
    Ended,
}

/// An answer on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) says: Says,
    /// How many bytes of the agent's connection must have arrived for it to have.
    end: u64,
    /// When it arrived at a server that still held this connection for the agent's.
    pub(super) arrived: Option<Duration>,
}

/// A command that an agent got.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) agent: i64,
    pub(super) link: u32,
    pub(super) answer: Option<Answer>,
}

/// A device.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Device {
    /// How long it takes from its magic packet to being up; none if it does not wake.
    pub(super) boots: Option<Duration>,
    /// From when on it is up.
    pub(super) up: Option<Duration>,
    /// Whether another machine answers at its address.
    pub(super) other: bool,
}

impl Device {
    pub(super) fn is_up(&self) -> bool {
        self.up.is_some_and(|up| up <= now())
    }
}

/// How an operation was seen to change, by a look at what the server tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) at: Duration,
    pub(super) state: State,
    /// Which start of the server said so.
    run: usize,
}

#[derive(Default)]
pub(super) struct Book {
    /// The time after the last step of the simulation.
    pub(super) at: Duration,
    pub(super) stage: Stage,
    pub(super) faults: Vec<String>,
    /// What happened, in its order.
    pub(super) history: Vec<String>,
    pub(super) tally: BTreeMap<String, u32>,
    pub(super) wanted: BTreeMap<u32, Wanted>,
    /// Requests that were not answered, because there was no server any more. They are sent again.
    pub(super) unanswered: BTreeSet<u32>,
    /// Operations whose withdrawal was acknowledged.
    pub(super) withdrawn: BTreeSet<OperationId>,
    /// What callers learned of an operation's end.
    pub(super) answered: Vec<(OperationId, State)>,
    pub(super) got: BTreeMap<u32, Vec<Got>>,
    pub(super) devices: BTreeMap<i64, Device>,
    pub(super) changes: BTreeMap<OperationId, Vec<Change>>,
    /// From when to when there was a server.
    pub(super) runs: Vec<(Duration, Option<Duration>)>,
    /// By how much the wall clock is wrong, in milliseconds.
    pub(super) wrong_by: i64,
    /// When the wall clock was set.
    pub(super) clock_set: Vec<Duration>,
    /// The server's, while it runs.
    pub(super) store: Option<Store>,
    /// Whether all had ended when it was looked last.
    pub(super) quiet: bool,
    /// Whether the server is asked to stop.
    pub(super) stop: bool,
    /// From when to when agents were connected, as the server said.
    online: BTreeMap<i64, Vec<(Duration, Option<Duration>)>>,
    links: u32,
    /// The newest connection of each agent, and how many bytes of it have arrived.
    newest: BTreeMap<i64, (u32, u64)>,
}

impl Book {
    pub(super) fn note(&mut self, what: impl std::fmt::Display) {
        self.history.push(format!("{:?} {what}", self.now()));
    }

    /// The simulation's time, also between its steps.
    fn now(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or(self.at)
    }

    pub(super) fn fault(&mut self, what: impl std::fmt::Display) {
        self.faults.push(format!("{:?}: {what}", self.now()));
    }

    pub(super) fn count(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    /// The server admitted a connection, which is its agent's only one from now on: its number.
    pub(super) fn linked(&mut self, agent: i64) -> u32 {
        self.links += 1;
        self.newest.insert(agent, (self.links, 0));
        let link = self.links;
        self.note(format_args!("agent {agent} is admitted as {link}"));
        link
    }

    /// Bytes of a connection arrived at the server, which holds it for the agent's still.
    pub(super) fn arrived(&mut self, agent: i64, link: u32, bytes: usize) {
        let Some((newest, read)) = self.newest.get_mut(&agent).filter(|(newest, _)| *newest == link) else {
            return;
        };
        *read += bytes as u64;
        let (newest, read) = (*newest, *read);
        let all = self.got.iter_mut().flat_map(|(number, all)| all.iter_mut().map(move |got| (number, got)));
        for (number, got) in all.filter(|(_, got)| got.link == newest) {
            if let Some(answer) = got.answer.as_mut().filter(|a| a.arrived.is_none() && a.end <= read) {
                answer.arrived = Some(now());
                self.history.push(format!("{:?} {number} is answered: {:?}", now(), answer.says));
            }
        }
    }

    /// An agent got a command.
    pub(super) fn got(&mut self, number: u32, agent: i64, link: u32) {
        self.note(format_args!("agent {agent} got {number}"));
        self.got.entry(number).or_default().push(Got { agent, link, answer: None });
    }

    /// An agent writes its answer, which ends with so many bytes of its connection.
    pub(super) fn answers(&mut self, number: u32, link: u32, says: Says, end: u64) {
        let of_link = |got: &&mut Got| got.link == link && got.answer.is_none();
        if let Some(got) = self.got.get_mut(&number).and_then(|all| all.iter_mut().find(of_link)) {
            got.answer = Some(Answer { says, end, arrived: None });
        }
    }

    /// The server said that there was a change of an operation.
    pub(super) fn changed(&mut self, id: OperationId, state: State) {
        let run = self.runs.len();
        let before = self.changes.entry(id).or_default();
        let last = before.last().copied();
        before.push(Change { at: now(), state, run });
        self.note(format_args!("{id} is {}", state.word()));
        if last.is_none() && run == 1 && state != State::Queued {
            self.fault(format_args!("that {id} is {state:?} came before that it was made"));
        }
        // Of what happened shortly before a kill nobody heard.
        let Some(last) = last.filter(|last| last.run == run) else { return };
        let legal = match last.state {
            State::Queued => state != State::Succeeded,
            State::Running => state != State::Expired,
            State::TimedOut => [State::Succeeded, State::Failed].contains(&state),
            _ => false,
        };
        if !legal {
            self.fault(format_args!("{id} went from {:?} to {state:?}", last.state));
        }
    }

    /// The server said that an agent came or went.
    pub(super) fn is_online(&mut self, agent: i64, online: bool) {
        let now = now();
        let times = self.online.entry(agent).or_default();
        if online {
            times.push((now, None));
        } else if let Some((_, end)) = times.last_mut() {
            end.get_or_insert(now);
        }
    }

    /// Since when an agent was connected that was so at `at`, and some time after that.
    pub(super) fn online_since(&self, agent: i64, at: Duration) -> Option<Duration> {
        let there = |(from, to): &&(Duration, Option<Duration>)| *from <= at && to.is_none_or(|to| at < to);
        self.online.get(&agent)?.iter().find(there).map(|(from, _)| *from)
    }

    /// The server ends, and with it the connections of its agents.
    pub(super) fn ended(&mut self) {
        let now = self.now();
        let connections = self.online.values_mut().filter_map(|times| times.last_mut());
        for (_, end) in self.runs.last_mut().into_iter().chain(connections) {
            end.get_or_insert(now);
        }
    }

    /// Until when a server ran that ran at `at`.
    pub(super) fn ran_until(&self, at: Duration) -> Option<Duration> {
        let (_, end) =
            self.runs.iter().find(|(begun, end)| *begun <= at && end.is_none_or(|end| at <= end))?;
        Some(end.unwrap_or(Duration::MAX))
    }

    /// The first moment from `at` on since when a server has run for `long`.
    pub(super) fn served(&self, at: Duration, long: Duration) -> Duration {
        let ran =
            |(begun, end): &&(Duration, Option<Duration>)| end.is_none_or(|end| end >= at.max(*begun) + long);
        self.runs.iter().find(ran).map_or(Duration::MAX, |(begun, _)| at.max(*begun) + long)
    }
}

/// The world. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<Book>>);

impl World {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock()
    }

    pub(super) fn stage(&self) -> Stage {
        self.book().stage
    }

    /// The server is gone, in whatever way: its database is closed once this returns.
    pub(super) fn server_gone(&self) {
        let store = {
            let mut book = self.book();
            book.ended();
            book.stop = false;
            book.store.take()
        };
        if let Some(store) = store {
            store.end();
        }
    }
}
