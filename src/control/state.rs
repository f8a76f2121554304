//! What the one lock of an agent guards: its newest connection, its line, and what was last heard of it.
//!
//! Nothing here takes the lock or tells anyone but the callers of failed commands; [`Agent`](super::agent::Agent) does.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use fastwebsockets::Frame;

use super::close::Why;
use super::command::{Command, Waiters};
use super::conflict::Replacements;
use super::dispatch::DispatchError;
use super::line::Line;
use super::message;
use super::outlet::Outlet;
use super::wheel::{Moment, millis};
use crate::clock::Millis;
use crate::model::agent::AgentKind;
use crate::model::agent_about::{AgentAbout, BASE_COMMANDS, Supported};
use crate::model::agent_features::AgentFeatures;
use crate::model::credential::{Credential, LONGEST_GRACE, OldSecret};
use crate::model::digest::Digest;
use crate::registry::{Class, CommandEntry, LARGEST_PROGRESS, UNKNOWN_COMMAND, error_in};

/// The command that keeps a connection going; known here by name alone.
pub(super) const HEARTBEAT: &str = "HEARTBEAT";
/// An agent that said nothing for so long is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(75);

/// As many commands are remembered as such that an agent does not know.
const MAX_UNKNOWN: usize = 64;

/// What an agent's lock guards.
pub(super) struct State {
    pub(super) kind: AgentKind,
    pub(super) digest: Option<Digest>,
    /// There only for the time of a rotation.
    pub(super) old: Option<Box<OldSecret>>,
    /// Whether the newest connection was admitted with the old secret.
    pub(super) by_old: bool,
    /// Counts the connections.
    pub(super) epoch: u32,
    pub(super) link: Link,
    pub(super) why: Why,
    pub(super) since: Millis,
    /// When the newest connection came.
    pub(super) connected_at: Millis,
    pub(super) address: Option<IpAddr>,
    /// The newest command ID. It begins at random and runs on over connections, so that an answer to an older one meets
    /// nobody, not even over a restart.
    pub(super) last_id: u32,
    pub(super) last_seen: Moment,
    pub(super) next_beat: Moment,
    /// How many beats are still to come before the one with the heartbeat.
    pub(super) until_heartbeat: u8,
    /// There only while something is in it: most agents are idle.
    pub(super) line: Option<Box<Line>>,
    /// What its newest connection says it is, shared by all that say the same; none if it does not say.
    pub(super) about: Option<Arc<AgentAbout>>,
    /// Commands that it answered not to know since it connected; there only after it did.
    pub(super) unknown: Option<Box<Unknown>>,
    /// There only after a connection was replaced.
    pub(super) replacements: Option<Box<Replacements>>,
}

/// Commands that an agent answered not to know.
#[derive(Default)]
pub(super) struct Unknown(Vec<&'static str>);

/// Where the agent's newest connection is.
pub(super) enum Link {
    Offline,
    /// Admitted; the socket comes as soon as the answer is written.
    Upgrading,
    Connected(Connected),
}

/// A connection with its socket.
pub(super) struct Connected {
    pub(super) outlet: Outlet,
    /// Wakes the reading side.
    pub(super) reader: Option<Waker>,
    /// Why the reading side is to end the connection.
    pub(super) broken: Option<Why>,
    /// The newest heartbeat, until it is answered.
    pub(super) heartbeat: Option<u32>,
    /// Whether it answered not to know `CANCEL`, whatever it said in its handshake.
    pub(super) no_cancel: bool,
}

/// What became of something an agent said.
pub(super) enum Heard {
    Reply(Command),
    Fine,
    /// After its command timed out; and who waits for it all the same.
    Late(Option<Waiters>),
    Unknown,
    Malformed,
}

impl State {
    /// Of an agent that has not connected yet.
    pub(super) fn new(Credential { id, kind, digest, old }: Credential, now: Millis) -> Self {
        Self {
            kind,
            digest,
            old: old.map(Box::new),
            by_old: false,
            epoch: 0,
            link: Link::Offline,
            why: Why::Never,
            since: now,
            connected_at: now,
            address: None,
            last_id: first_id(id),
            last_seen: 0,
            next_beat: 0,
            until_heartbeat: 0,
            line: None,
            about: None,
            unknown: None,
            replacements: None,
        }
    }

    /// Whether the old secret still is good.
    pub(super) fn old_is_good(&self, now: Millis) -> bool {
        // What would be good for longer was retired by a clock that was wrong.
        self.old.as_ref().is_some_and(|old| now < old.until && old.until - now <= LONGEST_GRACE)
    }

    /// What the newest connection was admitted with.
    pub(super) fn admitted_with(&self) -> Option<&Digest> {
        if self.by_old { self.old.as_ref().map(|old| &old.digest) } else { self.digest.as_ref() }
    }

    pub(super) fn is_online(&self) -> bool {
        !matches!(self.link, Link::Offline)
    }

    pub(super) fn is_current(&mut self, epoch: u32) -> bool {
        self.connection(epoch).is_some_and(|connection| connection.broken.is_none())
    }

    pub(super) fn connection(&mut self, epoch: u32) -> Option<&mut Connected> {
        match &mut self.link {
            Link::Connected(connection) if self.epoch == epoch => Some(connection),
            _ => None,
        }
    }

    /// Lets go of the connection, if there is one: its last frame, its reading side, its callers.
    pub(super) fn hang_up(&mut self, why: Why, last: Option<&[u8]>) {
        if let Link::Connected(connection) = std::mem::replace(&mut self.link, Link::Offline) {
            let close = last.is_none().then(|| close_frame(why)).flatten();
            connection.outlet.farewell(last.or(close.as_deref()));
            if let Some(reader) = connection.reader {
                reader.wake();
            }
        }
        self.fail_commands();
    }

    pub(super) fn fail_commands(&mut self) {
        for command in self.line.take().into_iter().flat_map(|mut line| line.drain()) {
            command.finish(&Err(DispatchError::Disconnected));
        }
    }

    /// Whose reply came under `id`; `answers` says whether it can be one to a command of some name.
    pub(super) fn hear(&mut self, id: u32, answers: impl Fn(&str) -> bool) -> Heard {
        if let Link::Connected(connection) = &mut self.link
            && connection.heartbeat == Some(id)
            && answers(HEARTBEAT)
        {
            connection.heartbeat = None;
            return Heard::Fine;
        }
        let Some(line) = &mut self.line else { return Heard::Unknown };
        if let Some(command) = line.take(id, &answers) {
            return Heard::Reply(command);
        }
        let late = line.take_late(id, &answers);
        self.forget_idle_line();
        late.map_or(Heard::Unknown, Heard::Late)
    }

    /// Whether a command may be put in line.
    pub(super) fn takes(&self, entry: &CommandEntry) -> Result<(), DispatchError> {
        if !self.is_online() {
            return Err(DispatchError::Offline);
        }
        self.could_take(entry)
    }

    /// Whether a command may be put in line once it is connected.
    pub(super) fn could_take(&self, entry: &CommandEntry) -> Result<(), DispatchError> {
        if self.supports(entry.name) == Supported::No {
            return Err(DispatchError::Unsupported);
        }
        if entry.class == Class::Long && self.kind.long_window() == 0 {
            return Err(DispatchError::TooLong);
        }
        Ok(())
    }

    /// Whether the agent has a command, by what it said and answered.
    pub(super) fn supports(&self, command: &str) -> Supported {
        if self.unknown.as_ref().is_some_and(|unknown| unknown.0.contains(&command)) {
            return Supported::No;
        }
        let said = self.about.as_ref().map_or(Supported::Unknown, |about| about.supports(command));
        match said {
            Supported::Unknown if BASE_COMMANDS.contains(&command) => Supported::Yes,
            said => said,
        }
    }

    /// What its newest connection said it understands beyond commands.
    pub(super) fn features(&self) -> AgentFeatures {
        self.about.as_ref().map(|about| about.features()).unwrap_or_default()
    }

    /// Whether the agent can be asked to end a command.
    pub(super) fn takes_cancel(&self) -> bool {
        let connected =
            matches!(self.link, Link::Connected(Connected { no_cancel: false, broken: None, .. }));
        connected && self.features().cancel
    }

    /// Takes in what the agent answers to `CANCEL`, to which nothing is to be answered: that it does not know it.
    pub(super) fn hear_of_cancel(&mut self, json: &[u8]) {
        if json.len() <= LARGEST_PROGRESS
            && let Link::Connected(connection) = &mut self.link
            && !connection.no_cancel
        {
            connection.no_cancel = error_in(json).is_some_and(|said| said.message == UNKNOWN_COMMAND);
        }
    }

    /// Remembers that the agent answered not to know a command.
    pub(super) fn does_not_know(&mut self, command: &'static str) {
        let Unknown(names) = &mut **self.unknown.get_or_insert_default();
        if !names.contains(&command) && names.len() < MAX_UNKNOWN {
            names.push(command);
        }
    }

    /// When the wheel has to look at the connection again.
    pub(super) fn next_look(&self) -> Moment {
        self.next_beat.min(self.last_seen + millis(SILENCE))
    }

    pub(super) fn forget_idle_line(&mut self) {
        if self.line.as_ref().is_some_and(|line| line.is_idle()) {
            self.line = None;
        }
    }
}

impl Connected {
    pub(super) fn give_up(&mut self, why: Why) {
        self.broken = Some(why);
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }
}

/// The ID before an agent's first: random, and small enough that the IDs fit a signed number for years, which is what
/// some firmware reads them into.
fn first_id(agent: i64) -> u32 {
    u32::try_from(RandomState::new().hash_one(agent) >> 33).unwrap_or(0)
}

/// The next ID that nothing under way has.
pub(super) fn fresh_id(last_id: &mut u32, heartbeat: Option<u32>, line: &Line) -> u32 {
    loop {
        *last_id = last_id.wrapping_add(1);
        if heartbeat != Some(*last_id) && !line.knows(*last_id) {
            return *last_id;
        }
    }
}

/// The close frame for a reason that has one.
pub(super) fn close_frame(why: Why) -> Option<Vec<u8>> {
    why.close().map(|close| message::frame(Frame::close(close.code, close.reason.as_bytes())))
}
