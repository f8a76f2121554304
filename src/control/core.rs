//! What every agent shares: the clockwork, the counters, and where events go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::about::Abouts;
use super::agent::Agent;
use super::wheel::{Moment, Timer};
use crate::clock::Clock;
use crate::model::event::Event;

/// What comes up on the wheel.
pub(super) struct Due {
    pub(super) agent: Arc<Agent>,
    pub(super) task: Task,
}

/// What is to be done for an agent when its time comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Task {
    /// Heartbeat, ping, and looking whether the connection of this epoch is dead.
    KeepAlive(u32),
    /// Looking which commands timed out, and which have waited too long.
    Deadlines,
    /// Panics.
    #[cfg(test)]
    Panic,
}

/// Takes what happens. It is called under an agent's lock, so that events of one agent stay in their order: it must
/// neither wait nor ask the service anything.
pub(super) type Emit = Box<dyn Fn(Event) + Send + Sync>;

/// How often agents said something nobody waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Replies to a command whose caller had given up.
    pub late: u64,
    /// Replies with an ID that was never sent, or was answered before.
    pub unknown: u64,
    /// Frames that were no message.
    pub malformed: u64,
    /// Connections ended because the agent broke the WebSocket protocol.
    pub violations: u64,
    /// Handshakes refused for unknown IDs or wrong secrets.
    pub refused: u64,
}

/// Counters as they are counted.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) late: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) violations: AtomicU64,
    pub(super) refused: AtomicU64,
    /// The second of the newest log line about any of them.
    logged: AtomicU64,
}

/// What every agent shares.
pub(super) struct Core {
    pub(super) timer: Timer<Due>,
    pub(super) tally: Tally,
    pub(super) clock: Clock,
    /// What agents say they are.
    pub(super) abouts: Abouts,
    /// Since when the clockwork has run without standing still.
    awake_since: AtomicU64,
    /// The names of all commands.
    commands: Vec<&'static str>,
    emit: Emit,
}

impl Core {
    pub(super) fn new(clock: Clock, commands: Vec<&'static str>, emit: Emit) -> Self {
        let awake_since = AtomicU64::new(0);
        let abouts = Abouts::default();
        Self { timer: Timer::new(), tally: Tally::default(), clock, abouts, awake_since, commands, emit }
    }

    /// Passes an event on.
    pub(super) fn emit(&self, event: Event) {
        (self.emit)(event);
    }

    /// Whether a reply of this name can be one to `command`: not if it is another command's. A name that is no command's
    /// says nothing.
    pub(super) fn answers(&self, name: &[u8], command: &str) -> bool {
        name == command.as_bytes() || self.commands.iter().all(|other| name != other.as_bytes())
    }

    pub(super) fn now(&self) -> Moment {
        self.timer.now()
    }

    /// Notes that the clockwork stood still until now, and with it the whole process: its container was paused, or its
    /// machine.
    pub(super) fn stood_still(&self) {
        self.awake_since.store(self.now(), Relaxed);
    }

    /// Since when an agent can have been heard: what one said before lies unread, perhaps.
    pub(super) fn awake_since(&self) -> Moment {
        self.awake_since.load(Relaxed)
    }

    pub(super) fn counters(&self) -> Counters {
        let Tally { late, unknown, malformed, violations, refused, .. } = &self.tally;
        Counters {
            late: late.load(Relaxed),
            unknown: unknown.load(Relaxed),
            malformed: malformed.load(Relaxed),
            violations: violations.load(Relaxed),
            refused: refused.load(Relaxed),
        }
    }

    /// Counts something odd that an agent did and logs it, with others of its kind kept to one line a second:
    /// nonsense can come faster than a disk can take it.
    pub(super) fn count(&self, counter: &AtomicU64, agent: i64, what: &'static str) {
        let count = counter.fetch_add(1, Relaxed) + 1;
        let second = self.now() / 1000 + 1;
        if self.tally.logged.swap(second, Relaxed) != second {
            tracing::info!(agent, count, "{what}");
        }
    }
}
