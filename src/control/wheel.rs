//! The one clockwork of the service: a hashed timing wheel with ticks of 250 ms.
//!
//! Heartbeats, pings, dead connections and command time-outs are all entries of it, so that 20,000 idle agents cost
//! no timers of their own and their work comes in batches. Nothing fires early; an entry that lost its meaning is not
//! searched for but does nothing when it comes up. Deliberately absent: cancelling.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Milliseconds since the service was made. Small, and as good as an `Instant`.
pub(super) type Moment = u64;

/// The length of a tick in milliseconds.
pub(super) const TICK: u64 = 250;
/// Slots of the wheel: entries up to 256 s ahead come up in their first round.
const SLOTS: u64 = 1024;

/// A timing wheel.
struct Wheel<T> {
    slots: Vec<Vec<(u64, T)>>,
    /// The last tick that was turned past.
    turned: u64,
}

impl<T> Wheel<T> {
    fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), turned: 0 }
    }

    /// Puts an entry in, to come up with the first tick at or after `due`.
    fn insert(&mut self, due: Moment, entry: T) {
        let tick = due.div_ceil(TICK).max(self.turned + 1);
        self.slots[slot(tick)].push((tick, entry));
    }

    /// Turns the wheel to `now` and takes out what came up.
    fn turn(&mut self, now: Moment) -> Vec<T> {
        let target = now / TICK;
        let mut due = Vec::new();
        // After a long pause one round sees every slot.
        let first = (self.turned + 1).max((target + 1).saturating_sub(SLOTS));
        for tick in first..=target {
            // The slot's memory goes with its entries: kept, a burst's would stay in every slot it ever fell into.
            for (at, entry) in std::mem::take(&mut self.slots[slot(tick)]) {
                if at <= target {
                    due.push(entry);
                } else {
                    self.slots[slot(tick)].push((at, entry));
                }
            }
        }
        self.turned = self.turned.max(target);
        due
    }
}

fn slot(tick: u64) -> usize {
    usize::try_from(tick % SLOTS).unwrap_or(0)
}

/// The wheel with its clock, shared by whoever has something to time.
pub(super) struct Timer<T> {
    base: Instant,
    wheel: Mutex<Wheel<T>>,
}

impl<T> Timer<T> {
    pub(super) fn new() -> Self {
        Self { base: Instant::now(), wheel: Mutex::new(Wheel::new()) }
    }

    /// Now, by the monotonic clock.
    pub(super) fn now(&self) -> Moment {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Has `entry` come up at `due`, never earlier and at most a tick later.
    pub(super) fn at(&self, due: Moment, entry: T) {
        self.wheel.lock().insert(due, entry);
    }

    /// Takes out what has come up.
    pub(super) fn due(&self) -> Vec<T> {
        let now = self.now();
        self.wheel.lock().turn(now)
    }

    /// How many entries wait to come up.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.wheel.lock().slots.iter().map(Vec::len).sum()
    }
}

/// A duration as the wheel counts.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn an_entry_comes_up_with_the_first_tick_at_or_after_its_time() {
        let mut wheel = Wheel::new();
        for due in [0, 1, 250, 251, 7_000, 255_999, 256_000, 600_000] {
            wheel.insert(due, due);
        }
        let mut seen = Vec::new();
        for now in (0..=600_300).step_by(50) {
            for due in wheel.turn(now) {
                assert!(now >= due, "{due} came up early, at {now}");
                assert!(now - due < 2 * TICK, "{due} came up late, at {now}");
                seen.push(due);
            }
        }
        assert_eq!(seen, [0, 1, 250, 251, 7_000, 255_999, 256_000, 600_000]);
    }

    #[test]
    fn a_long_pause_loses_nothing_and_brings_nothing_early() {
        let mut wheel = Wheel::new();
        for due in (0..1_000_000).step_by(777) {
            wheel.insert(due, due);
        }
        let first = wheel.turn(500_000);
        assert!(first.iter().all(|&due| due <= 500_000));
        assert_eq!(first.len(), (0..=500_000).step_by(777).count());
        assert_eq!(first.len() + wheel.turn(2_000_000).len(), (0..1_000_000).step_by(777).count());
    }

    #[test]
    fn an_entry_for_the_past_comes_up_with_the_next_tick() {
        let mut wheel = Wheel::new();
        wheel.turn(5_000);
        wheel.insert(1_000, ());
        assert!(wheel.turn(5_200).is_empty());
        assert_eq!(wheel.turn(5_250).len(), 1);
    }
}
