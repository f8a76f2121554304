//! What a simulated network is watched for: who was heard when, who waits for what, and which of it breaks the rules.
//!
//! It knows the service only from outside: by its events, by the bytes it reads, by the ends of its tasks and by what
//! its callers get. Its times are the rules' own and not the service's constants.

use std::collections::BTreeMap;

use super::network_agent::{DIAL, PATIENCE, pause};
use super::network_ear::Ear;
use super::*;

/// The simulated agents are 1 to this; the odd ones are microcontrollers.
pub(super) const AGENTS: i64 = 4;
/// How long an agent that says nothing may still count as online.
const SILENCE: Duration = Duration::from_secs(75);
/// How long a connection may stay open when it is over.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a command whose turn it is may take: the longest time-out, and the tick that ends it.
const TURN: Duration = Duration::from_millis(7_250);
/// How late the watch may see something: a tick of the service, a look of the watch, a step of the simulation.
const MARGIN: Duration = Duration::from_millis(700);
/// How long an admitted agent may wait for its answer, and its commands for its socket.
pub(super) const UPGRADE: Duration = Duration::from_secs(4);
/// What connecting takes on the slowest link.
const ADMISSION: Duration = Duration::from_secs(4);

/// The simulation's time, which is the same on all hosts.
pub(super) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

pub(super) fn kind(agent: i64) -> AgentKind {
    if agent % 2 == 1 { AgentKind::Microcontroller } else { AgentKind::Server }
}

/// What is known of an agent.
#[derive(Default)]
struct Seen {
    /// What the service said last, and when.
    online: bool,
    said_at: Duration,
    /// When its newest connection came, or brought bytes last.
    heard: Duration,
    newest: u32,
    /// The last connection that went without having got its socket.
    given_up: u32,
    /// The connections that have their socket and whose tasks run, and since when each is over.
    links: BTreeMap<u32, Option<Duration>>,
    /// How many commands it was ever asked.
    asked: usize,
    waiting: BTreeMap<usize, Waiting>,
    /// Whether the agent itself believes to be connected.
    connected: bool,
    /// From when on it must be online.
    back_by: Option<Duration>,
}

struct Waiting {
    since: Duration,
    /// How many commands waited already.
    ahead: usize,
}

/// How far a simulation has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// The network breaks in every way.
    #[default]
    Rough,
    /// It has been repaired for good.
    Calm,
    /// Everything must be back.
    Final,
    /// The service stops.
    Stopping,
    Done,
}

#[derive(Default)]
struct Book {
    agents: BTreeMap<i64, Seen>,
    stage: Stage,
    faults: Vec<String>,
    tally: BTreeMap<String, u32>,
}

impl Book {
    fn of(&mut self, agent: i64) -> &mut Seen {
        self.agents.entry(agent).or_default()
    }

    fn fault(&mut self, what: String) {
        self.faults.push(format!("{:?}: {what}", now()));
    }

    fn count(&mut self, what: &str) {
        *self.tally.entry(what.to_owned()).or_default() += 1;
    }
}

/// The watch. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Book>>);

impl Watch {
    pub(super) fn stage(&self) -> Stage {
        self.0.lock().stage
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        self.0.lock().stage = stage;
    }

    /// What went wrong, in the order it was seen.
    pub(super) fn faults(&self) -> Vec<String> {
        self.0.lock().faults.clone()
    }

    /// How often what happened.
    pub(super) fn tally(&self) -> BTreeMap<String, u32> {
        self.0.lock().tally.clone()
    }

    pub(super) fn fault(&self, what: String) {
        self.0.lock().fault(what);
    }

    /// The service tells of an event.
    pub(super) fn note(&self, event: &Event) {
        let mut book = self.0.lock();
        let (agent, online, why) = match *event {
            Event::AgentOnline { agent } => (agent, true, "online"),
            Event::AgentOffline { agent, why } => (agent, false, why),
            _ => return,
        };
        book.count(why);
        let seen = book.of(agent);
        let (was, quiet) = (std::mem::replace(&mut seen.online, online), now().saturating_sub(seen.heard));
        let given_up = seen.given_up == seen.newest;
        seen.said_at = now();
        if !online {
            seen.links.values_mut().for_each(|over| *over = over.or(Some(now())));
        }
        if was == online {
            book.fault(format!("agent {agent} is said to be {why} twice"));
        }
        if why == "upgrade_failed" && !given_up {
            book.fault(format!("agent {agent} is said to be {why} for a connection that was replaced"));
        }
        if why == "silent" && quiet < SILENCE {
            book.fault(format!("agent {agent} is called silent {quiet:?} after it was heard"));
        }
    }

    /// The service admitted a connection, which is the agent's only one from now on.
    pub(super) fn came(&self, agent: i64) -> Link {
        let mut book = self.0.lock();
        let seen = book.of(agent);
        seen.newest += 1;
        seen.heard = now();
        let mut replaced = false;
        for over in seen.links.values_mut().filter(|over| over.is_none()) {
            *over = Some(now());
            replaced = true;
        }
        let number = seen.newest;
        if replaced {
            book.count("replaced");
        }
        Link { watch: self.clone(), agent, number }
    }

    /// The agent itself believes to be connected, or not.
    pub(super) fn connected(&self, agent: i64, connected: bool) {
        self.0.lock().of(agent).connected = connected;
    }

    /// The network is repaired for good, at `at`. Whoever knows that its connection is lost comes back when its pause
    /// is over, and whoever does not know it yet when it noticed.
    pub(super) fn repaired(&self, at: Duration) {
        let mut book = self.0.lock();
        book.stage = Stage::Calm;
        for (&agent, seen) in &mut book.agents {
            let notice = if seen.connected { PATIENCE } else { Duration::ZERO };
            seen.back_by = Some(at + notice + DIAL + pause(agent) + ADMISSION + MARGIN);
        }
    }

    /// When all agents must be online again.
    pub(super) fn all_back_by(&self) -> Duration {
        self.0.lock().agents.values().filter_map(|seen| seen.back_by).max().unwrap_or_default()
    }

    /// A caller asks an agent something: the number to answer it under.
    pub(super) fn asks(&self, agent: i64) -> usize {
        let mut book = self.0.lock();
        let seen = book.of(agent);
        seen.asked += 1;
        seen.waiting.insert(seen.asked, Waiting { since: now(), ahead: seen.waiting.len() });
        seen.asked
    }

    /// The caller was answered.
    pub(super) fn answered(
        &self,
        agent: i64,
        number: usize,
        text: &str,
        result: &Result<Text, DispatchError>,
    ) {
        let mut book = self.0.lock();
        book.of(agent).waiting.remove(&number);
        match result {
            Ok(reply) if *reply == Text::of(&format!("{text} by {agent}")) => book.count("Ok"),
            Err(
                why @ (DispatchError::Disconnected
                | DispatchError::TimedOut
                | DispatchError::Offline
                | DispatchError::Busy),
            ) => book.count(&format!("{why:?}")),
            other => book.fault(format!("agent {agent} was asked {text:?} and its caller got {other:?}")),
        }
    }

    /// Looks whether everything is as it must be.
    pub(super) fn look(&self, control: &Control) {
        let (mut book, now) = (self.0.lock(), now());
        let mut faults = Vec::new();
        let online = book.agents.values().filter(|seen| seen.online).count();
        if control.online_count() != online {
            faults.push(format!(
                "{online} agents were said to be online, and {} count",
                control.online_count()
            ));
        }
        for (agent, seen) in &book.agents {
            let there = control.presence(*agent).is_some_and(|p| p.state == PresenceState::Online);
            if there != seen.online || there != control.is_online(*agent) {
                faults.push(format!("agent {agent}'s presence is not what was said"));
            }
            if there && now > seen.heard + SILENCE + MARGIN {
                faults.push(format!("agent {agent} is online, heard last at {:?}", seen.heard));
            }
            if !there && book.stage != Stage::Stopping && seen.back_by.is_some_and(|by| now > by) {
                faults.push(format!("agent {agent} is not back"));
            }
            for (number, over) in &seen.links {
                if over.is_some_and(|over| now > over + FAREWELL + MARGIN) {
                    faults.push(format!("connection {number} of agent {agent} is over since {over:?}"));
                }
            }
            for (number, waiting) in &seen.waiting {
                let turns = u32::try_from(waiting.ahead + 1 + seen.asked - number).unwrap_or(u32::MAX);
                // Nobody waits for an agent that is gone.
                let (from, bound) = if there {
                    (waiting.since, TURN * turns + UPGRADE)
                } else {
                    (waiting.since.max(seen.said_at), Duration::ZERO)
                };
                if now > from + bound + MARGIN {
                    let since = waiting.since;
                    faults.push(format!("command {number} of agent {agent} waits since {since:?}"));
                }
            }
        }
        faults.into_iter().for_each(|fault| book.fault(fault));
    }

    /// Looks whether everything is gone once the service stopped.
    pub(super) fn look_back(&self) {
        let mut book = self.0.lock();
        let left = |seen: &Seen| seen.online || !seen.links.is_empty() || !seen.waiting.is_empty();
        let left: Vec<_> =
            book.agents.iter().filter(|(_, seen)| left(seen)).map(|(agent, _)| *agent).collect();
        if !left.is_empty() {
            book.fault(format!("something of agents {left:?} outlives the service"));
        }
        book.stage = Stage::Done;
    }
}

/// A connection of an agent, kept as its guard until its task ends.
pub(super) struct Link {
    watch: Watch,
    agent: i64,
    number: u32,
}

impl Link {
    /// The connection gets its socket; it may be over already.
    pub(super) fn attached(&self) {
        let mut book = self.watch.0.lock();
        let seen = book.of(self.agent);
        let current = seen.online && seen.newest == self.number;
        seen.links.insert(self.number, (!current).then(now));
        if current {
            seen.heard = now();
        } else {
            book.count("late socket");
        }
    }

    /// The reading end, listened to.
    pub(super) fn ear<R>(&self, read: R) -> Ear<R, impl FnMut(usize) + Unpin + use<R>> {
        let (watch, agent, number) = (self.watch.clone(), self.agent, self.number);
        Ear::new(read, move |_| {
            let mut book = watch.0.lock();
            let seen = book.of(agent);
            if seen.newest == number {
                seen.heard = now();
            }
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut book = self.watch.0.lock();
        let seen = book.of(self.agent);
        if seen.links.remove(&self.number).is_none() {
            seen.given_up = self.number;
        }
    }
}
