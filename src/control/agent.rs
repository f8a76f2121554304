//! One agent: what it is known by, its newest connection, its line, and the one lock around them.
//!
//! Every connection is an epoch of its agent. Whatever comes from a connection names its epoch and is void once a
//! newer one took over, so there is one live owner at any time and a reply can reach only the caller whose command
//! went out on that connection. Whoever ends a connection fails its commands in the same breath. That it came or went is
//! emitted under the lock, so that no two such events change places; callers get their reply after it was let go.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::close::Why;
use super::command::{Answered, Requester, Witness};
use super::core::{Core, Due, Task};
use super::dispatch::DispatchError;
use super::line::{Ends, Next};
use super::outlet::{Outlet, Sent};
use super::state::{Connected, Link, State, close_frame, fresh_id};
use super::upkeep::spread;
use super::wheel::millis;
use super::windows::Windows;
use crate::clock::Millis;
use crate::model::agent::AgentKind;
use crate::model::agent_about::{AgentAbout, Supported};
use crate::model::agent_features::AgentFeatures;
use crate::model::credential::Credential;
use crate::model::digest::Digest;
use crate::model::event::Event;
use crate::model::presence::{Conflict, Presence, PresenceState};
use crate::registry::CommandEntry;

/// How long a peer that reads nothing of what is queued for it is waited for.
const STALLED: Duration = Duration::from_secs(10);

/// An agent that was let in.
pub(super) struct Admitted {
    pub(super) epoch: u32,
    /// For the first to know the new secret after a rotation: until when the old one, which ends here, would have been
    /// good.
    pub(super) retired: Option<Millis>,
    /// That its connections replace each other, if it is time to report that.
    pub(super) conflict: Option<Conflict>,
    /// What it understands beyond commands.
    pub(super) features: AgentFeatures,
}

/// One agent.
pub(super) struct Agent {
    id: i64,
    pub(super) state: Mutex<State>,
}

impl Agent {
    pub(super) fn new(core: &Core, credential: Credential) -> Arc<Self> {
        let id = credential.id;
        Arc::new(Self { id, state: Mutex::new(State::new(credential, core.clock.now())) })
    }

    /// Starts a new epoch for whoever knows the secret; the older connection is closed.
    pub(super) fn admit(
        self: &Arc<Self>,
        core: &Core,
        presented: &Digest,
        address: Option<IpAddr>,
        about: impl FnOnce() -> Option<Arc<AgentAbout>>,
    ) -> Option<Admitted> {
        let mut state = self.state.lock();
        let nobody = Digest::NONE;
        let old = state.old.as_ref().map_or(&nobody, |old| &old.digest);
        let is_old = (*presented == *old) & state.old_is_good(core.clock.now());
        let is_new = (*presented == *state.digest.as_ref().unwrap_or(&nobody)) & state.digest.is_some();
        if !(is_new | is_old) || state.why == Why::Deleted {
            return None;
        }
        let retired = if is_new { state.old.take().map(|old| old.until) } else { None };
        state.by_old = !is_new;
        let came = !state.is_online();
        state.hang_up(Why::Replaced, None);
        let now = core.now();
        let conflict = if came { None } else { state.replacements.get_or_insert_default().add(now) };
        let (beat, until_heartbeat) = spread(self.id);
        state.epoch = state.epoch.wrapping_add(1);
        state.link = Link::Upgrading;
        state.address = address;
        state.about = about();
        state.unknown = None;
        state.last_seen = now;
        state.connected_at = core.clock.now();
        state.next_beat = now + beat;
        state.until_heartbeat = until_heartbeat;
        if came {
            state.why = Why::Connected;
            state.since = state.connected_at;
        }
        let epoch = state.epoch;
        core.timer.at(state.next_look(), Due { agent: self.clone(), task: Task::KeepAlive(epoch) });
        if came {
            core.emit(Event::AgentOnline { agent: self.id });
        }
        Some(Admitted { epoch, retired, conflict, features: state.features() })
    }

    /// Gives an epoch its socket. If the epoch is over already, the peer gets the reason; false.
    pub(super) fn attach(self: &Arc<Self>, core: &Core, epoch: u32, outlet: Outlet) -> bool {
        let mut state = self.state.lock();
        if state.epoch != epoch || !matches!(state.link, Link::Upgrading) {
            let why =
                if state.epoch == epoch || state.why == Why::Deleted { state.why } else { Why::Replaced };
            drop(state);
            outlet.farewell(close_frame(why).as_deref());
            return false;
        }
        state.last_seen = core.now();
        state.link = Link::Connected(Connected {
            outlet,
            reader: None,
            broken: None,
            heartbeat: None,
            no_cancel: false,
        });
        self.pump(core, &mut state);
        true
    }

    /// Ends the connection of an epoch, if it is not over already.
    pub(super) fn end(&self, core: &Core, epoch: u32, why: Why) {
        let state = self.state.lock();
        // A newer connection has its own fate.
        if state.epoch == epoch {
            self.take_offline(core, state, why, None);
        }
    }

    /// Ends whatever connection there is.
    pub(super) fn disconnect(&self, core: &Core, why: Why) {
        self.take_offline(core, self.state.lock(), why, None);
    }

    /// Fails every command, in flight or waiting, without ending the connection.
    pub(super) fn fail_commands(&self) {
        self.state.lock().fail_commands();
    }

    pub(super) fn take_offline(
        &self,
        core: &Core,
        mut state: parking_lot::MutexGuard<'_, State>,
        why: Why,
        last: Option<&[u8]>,
    ) {
        let went = state.is_online();
        if went {
            state.hang_up(why, last);
            state.since = core.clock.now();
        }
        if went || why == Why::Deleted {
            state.why = why;
        }
        if went {
            core.emit(Event::AgentOffline { agent: self.id, why: why.word() });
        }
    }

    /// Changes what the agent is known by. A connection whose secret is no longer good ends.
    pub(super) fn change(self: &Arc<Self>, core: &Core, credential: Credential) {
        let mut state = self.state.lock();
        let admitted_with = state.admitted_with().cloned();
        state.kind = credential.kind;
        state.digest = credential.digest;
        state.old = credential.old.map(Box::new);
        state.by_old = admitted_with != state.digest;
        let still_good =
            state.old_is_good(core.clock.now()) && state.admitted_with() == admitted_with.as_ref();
        if state.by_old && !still_good {
            self.take_offline(core, state, Why::SecretChanged, None);
        } else {
            self.pump(core, &mut state);
        }
    }

    /// Forgets the agent's secret for good and ends its connection.
    pub(super) fn delete(&self, core: &Core) {
        let mut state = self.state.lock();
        state.digest = None;
        self.take_offline(core, state, Why::Deleted, None);
    }

    /// Sends a command, now or when its turn comes; `late` gets a reply that comes late.
    pub(super) fn ask(
        self: &Arc<Self>,
        core: &Core,
        entry: &'static CommandEntry,
        payload: String,
        requester: Requester,
        late: Option<Witness>,
    ) -> Result<oneshot::Receiver<Answered>, DispatchError> {
        let mut state = self.state.lock();
        state.takes(entry)?;
        let outcome = state.line.get_or_insert_default().ask(entry, payload, requester, late, core.now());
        self.pump(core, &mut state);
        outcome
    }

    /// Puts a command in line of which it is said only when its turn has come what is sent.
    pub(super) fn line_up(
        self: &Arc<Self>,
        core: &Core,
        entry: &'static CommandEntry,
        requester: Requester,
    ) -> Result<Ends, DispatchError> {
        let mut state = self.state.lock();
        state.takes(entry)?;
        let ends = state.line.get_or_insert_default().line_up(entry, requester, core.now());
        self.pump(core, &mut state);
        ends
    }

    /// Sends what was granted its turn under `id`. False if that turn is lost: nothing was sent.
    pub(super) fn give(self: &Arc<Self>, core: &Core, id: u32, payload: String, time: Duration) -> bool {
        let mut state = self.state.lock();
        if !matches!(state.link, Link::Connected(Connected { broken: None, .. })) {
            return false;
        }
        let deadline = core.now() + millis(time);
        let frame = state.line.as_mut().and_then(|line| line.give(id, payload, deadline));
        let Some(frame) = frame else { return false };
        self.send(&mut state, &frame);
        self.pump(core, &mut state);
        true
    }

    /// Gives back a turn that was granted under `id` and not used.
    pub(super) fn give_back(self: &Arc<Self>, core: &Core, id: u32) {
        let mut state = self.state.lock();
        if let Some(line) = &mut state.line {
            line.give_back(id);
            self.pump(core, &mut state);
        }
    }

    /// Sends what the window allows and sees to it that the wheel looks at the deadlines.
    pub(super) fn pump(self: &Arc<Self>, core: &Core, state: &mut State) {
        let windows = Windows::of(state.kind);
        if let Link::Connected(Connected { heartbeat, broken: None, .. }) = state.link {
            let now = core.now();
            while let Some(line) = &mut state.line {
                let last_id = &mut state.last_id;
                match line.next(windows, now, |line| fresh_id(last_id, heartbeat, line)) {
                    Some(Next::Frame(frame)) => self.send(state, &frame),
                    Some(Next::Granted) => {}
                    None => break,
                }
            }
        }
        if let Some(line) = &mut state.line
            && let Some(deadline) = line.deadline()
            && line.armed.is_none_or(|armed| deadline < armed)
        {
            line.armed = Some(deadline);
            core.timer.at(deadline, Due { agent: self.clone(), task: Task::Deadlines });
        }
        state.forget_idle_line();
    }

    /// Writes a frame. A broken connection is ended by its reading side.
    pub(super) fn send(self: &Arc<Self>, state: &mut State, frame: &[u8]) {
        let Link::Connected(connection) = &mut state.link else { return };
        if connection.broken.is_some() {
            return;
        }
        match connection.outlet.send(frame) {
            Ok(Sent::Whole) => {}
            Ok(Sent::NeedsFlush) => drop(tokio::spawn(flush(self.clone(), state.epoch))),
            Err(why) => connection.give_up(why),
        }
    }

    /// The reading side has nothing to read: leaves its waker. Ready when the connection is to end, with the reason
    /// if the reading side is the one to end it.
    pub(super) fn park(&self, epoch: u32, waker: &Waker) -> Poll<Option<Why>> {
        let mut state = self.state.lock();
        let Some(connection) = state.connection(epoch) else { return Poll::Ready(None) };
        if connection.broken.is_some() {
            return Poll::Ready(connection.broken);
        }
        if !connection.reader.as_ref().is_some_and(|reader| reader.will_wake(waker)) {
            connection.reader = Some(waker.clone());
        }
        Poll::Pending
    }

    /// Why the connection of an epoch broke, if it did and is still to be ended.
    pub(super) fn broken(&self, epoch: u32) -> Option<Why> {
        self.state.lock().connection(epoch).and_then(|connection| connection.broken)
    }

    /// Has the IDs go on after `id`.
    #[cfg(test)]
    pub(super) fn set_last_id(&self, id: u32) {
        self.state.lock().last_id = id;
    }

    pub(super) fn id(&self) -> i64 {
        self.id
    }

    pub(super) fn presence(&self, core: &Core) -> Presence {
        self.seen(core).0
    }

    /// The presence, and what the agent says it is.
    pub(super) fn seen(&self, core: &Core) -> (Presence, Option<Arc<AgentAbout>>) {
        let state = self.state.lock();
        let presence = Presence {
            state: if state.is_online() { PresenceState::Online } else { PresenceState::Offline },
            since: state.since,
            why: state.why.word(),
            address: state.address,
            conflict: state.replacements.as_ref().and_then(|replacements| replacements.conflict(core.now())),
        };
        (presence, state.about.clone())
    }

    pub(super) fn kind(&self) -> AgentKind {
        self.state.lock().kind
    }

    pub(super) fn supports(&self, command: &str) -> Supported {
        self.state.lock().supports(command)
    }

    pub(super) fn could_take(&self, entry: &CommandEntry) -> Result<(), DispatchError> {
        self.state.lock().could_take(entry)
    }

    /// Remembers that the agent answered on the connection of an epoch not to know a command.
    pub(super) fn does_not_know(&self, epoch: u32, command: &'static str) {
        let mut state = self.state.lock();
        if state.is_current(epoch) {
            state.does_not_know(command);
        }
    }

    pub(super) fn is_online(&self) -> bool {
        self.state.lock().is_online()
    }

    pub(super) fn connected_at(&self) -> Option<Millis> {
        let state = self.state.lock();
        state.is_online().then_some(state.connected_at)
    }

    pub(super) fn was_heard_within(&self, core: &Core, time: Duration) -> bool {
        let state = self.state.lock();
        // While this process stood still nobody could be heard.
        let heard = state.last_seen.max(core.awake_since());
        state.is_online() && core.now() < heard + millis(time)
    }

    /// Flushes the queue of an epoch's connection: true while something is left.
    fn poll_flush(&self, epoch: u32, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.state.lock();
        let Some(connection) = state.connection(epoch) else { return Poll::Ready(false) };
        if connection.broken.is_some() {
            return Poll::Ready(false);
        }
        connection.outlet.poll_flush(cx).map(|flushed| match flushed {
            Ok(empty) => !empty,
            Err(why) => {
                connection.give_up(why);
                false
            }
        })
    }

    fn give_up(&self, epoch: u32, why: Why) {
        if let Some(connection) = self.state.lock().connection(epoch) {
            connection.give_up(why);
        }
    }
}

/// Flushes a connection's queue until it is empty, as long as the peer reads.
async fn flush(agent: Arc<Agent>, epoch: u32) {
    loop {
        let some = std::future::poll_fn(|cx| agent.poll_flush(epoch, cx));
        match tokio::time::timeout(STALLED, some).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => return agent.give_up(epoch, Why::Stalled),
        }
    }
}
