//! How far a command is, as its agent says: `PROGRESS:<id>:{…}`.
//!
//! It is looked at only where somebody listens to just that command, and only so often: what comes faster is passed over
//! before it is read. The newest alone is kept for the listener, so that an agent that floods costs no more than its
//! frames.

use std::sync::Arc;

use super::agent::Agent;
use super::core::Core;
use super::wheel::Moment;
use crate::registry::{LARGEST_PROGRESS, Progress, decode_object};

/// Between two reports of one command, in the long run: an agent sends four a second.
const EVERY: u64 = 250;
/// Reports of one command that may come together.
const TOGETHER: u64 = 4;
/// The same for all commands of an agent.
const ALL_EVERY: u64 = 50;
const ALL_TOGETHER: u64 = 40;

/// How often something happens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    /// When it would be due if it came evenly.
    due: Moment,
}

impl Rate {
    /// Whether it may happen now: once `every` milliseconds, or `together` times at once.
    fn allows(&mut self, now: Moment, every: u64, together: u64) -> bool {
        let due = self.due.max(now);
        let allowed = due < now + every * together;
        if allowed {
            self.due = due + every;
        }
        allowed
    }
}

impl Agent {
    /// Takes in how far the command under `id` is.
    pub(super) fn progressed(self: &Arc<Self>, core: &Core, epoch: u32, id: u32, json: &[u8]) {
        let mut state = self.state.lock();
        if !state.is_current(epoch) {
            return;
        }
        if !state.features().progress {
            drop(state);
            return core.count(&core.tally.unknown, self.id(), "progress came that was not asked for");
        }
        let now = core.now();
        let Some(line) = &mut state.line else { return };
        let mut rate = line.rate;
        // One that has ended meanwhile, or to which nobody listens.
        let Some(flight) = line.flight(id) else { return };
        let Some(reports) = flight.command.reports.as_ref().filter(|reports| !reports.is_closed()) else {
            return;
        };
        if !flight.rate.allows(now, EVERY, TOGETHER) || !rate.allows(now, ALL_EVERY, ALL_TOGETHER) {
            return;
        }
        let progress =
            (json.len() <= LARGEST_PROGRESS).then(|| decode_object::<Progress>(json).ok()).flatten();
        let good = progress.is_some();
        if good {
            reports.send_replace(progress);
        }
        line.rate = rate;
        drop(state);
        if !good {
            core.count(&core.tally.malformed, self.id(), "progress came that is none, or is too large");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_passes_four_a_second() {
        let mut rate = Rate::default();
        let passed = (0..10_000).filter(|now| rate.allows(*now, EVERY, TOGETHER)).count();
        assert_eq!(passed, 44);
        assert_eq!((0..100).filter(|_| rate.allows(20_000, EVERY, TOGETHER)).count(), 4);
    }
}
