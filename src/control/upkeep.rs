//! What the wheel does for an agent: heartbeats, pings, the end of a dead connection, and of commands whose time is over.

use std::sync::Arc;
use std::time::Duration;

use fastwebsockets::{Frame, OpCode, Payload};

use super::agent::Agent;
use super::close::Why;
use super::core::{Core, Due, Task};
use super::line::Line;
use super::message;
use super::state::{HEARTBEAT, Link, SILENCE, State, fresh_id};
use super::wheel::{Moment, millis};

/// Every beat pings, more often than the 25 s that proxies are promised.
const BEAT_EVERY: Duration = Duration::from_secs(20);
/// Every so many beats, which is once a minute, the ping goes out with a heartbeat, in one write.
const BEATS_A_HEARTBEAT: u8 = 3;

impl Agent {
    /// The wheel's look at a connection: heartbeat, ping, and the end of a dead one.
    pub(super) fn keep_alive(self: &Arc<Self>, core: &Core, epoch: u32) {
        let mut state = self.state.lock();
        if state.epoch != epoch || !state.is_online() {
            return;
        }
        let now = core.now();
        state.last_seen = state.last_seen.max(core.awake_since());
        if now >= state.last_seen + millis(SILENCE) {
            return self.take_offline(core, state, Why::Silent, None);
        }
        if state.by_old && !state.old_is_good(core.clock.now()) {
            return self.take_offline(core, state, Why::SecretChanged, None);
        }
        if now >= state.next_beat {
            state.next_beat = next_round(state.next_beat, now, millis(BEAT_EVERY));
            self.beat(&mut state);
        }
        core.timer.at(state.next_look(), Due { agent: self.clone(), task: Task::KeepAlive(epoch) });
    }

    /// Sends a ping, and a heartbeat with it when one is due.
    fn beat(self: &Arc<Self>, state: &mut State) {
        let Link::Connected(connection) = &mut state.link else { return };
        let mut bytes = message::frame(Frame::new(true, OpCode::Ping, None, Payload::Borrowed(&[])));
        match state.until_heartbeat.checked_sub(1) {
            Some(fewer) => state.until_heartbeat = fewer,
            None => {
                state.until_heartbeat = BEATS_A_HEARTBEAT - 1;
                if let Some(unanswered) = connection.heartbeat.take() {
                    state.line.get_or_insert_default().expect_late(unanswered, HEARTBEAT);
                }
                let none = Line::default();
                let line = state.line.as_deref().unwrap_or(&none);
                let id = fresh_id(&mut state.last_id, None, line);
                connection.heartbeat = Some(id);
                bytes.extend_from_slice(&message::encode(HEARTBEAT, id, "{}"));
            }
        }
        self.send(state, &bytes);
    }

    /// The wheel's look at the commands in flight.
    pub(super) fn deadlines(self: &Arc<Self>, core: &Core) {
        let mut state = self.state.lock();
        let Some(line) = &mut state.line else { return };
        let now = core.now();
        if line.armed.is_some_and(|armed| armed <= now) {
            line.armed = None;
        }
        // Whoever asked directly has gone; of an operation an answer that comes late still counts.
        let overdue = line.stop(|flight| flight.deadline <= now && !flight.command.is_queued());
        let expired = line.expire(now);
        if state.takes_cancel() {
            self.send(&mut state, &overdue);
        }
        self.pump(core, &mut state);
        drop(state);
        for (command, error) in expired {
            command.finish(&Err(error));
        }
    }
}

/// When an agent's first beat comes, counted from its connecting, and how many come before the one with a heartbeat:
/// spread evenly, because a restart brings all agents back within seconds of each other.
pub(super) fn spread(agent: i64) -> (u64, u8) {
    let hash = agent.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let until_heartbeat = (hash & 0xffff) % u64::from(BEATS_A_HEARTBEAT);
    (1 + (hash >> 32) % millis(BEAT_EVERY), until_heartbeat as u8)
}

/// A round after `last`, or after `now` if rounds were missed.
fn next_round(last: Moment, now: Moment, every: u64) -> Moment {
    if last + every > now { last + every } else { now + every }
}
