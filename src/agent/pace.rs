//! How fast a server may make the agent do things: some at once, then so many a second. Whoever is too fast waits.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// A bounded rate.
pub(super) struct Pace {
    /// How far ahead of its time something may be done.
    ahead: Duration,
    /// The time that each takes.
    each: Duration,
    /// When all that was asked for is worked off.
    done: Mutex<Option<Instant>>,
}

impl Pace {
    /// `at_once` may be done in an instant, and `a_second` a second from then on.
    pub(super) const fn new(at_once: u32, a_second: u32) -> Self {
        let each = Duration::from_nanos(1_000_000_000 / a_second as u64);
        Self { ahead: each.saturating_mul(at_once), each, done: Mutex::new(None) }
    }

    /// Waits until it may be done.
    pub(super) async fn turn(&self) {
        if let Some(at) = self.next(Instant::now()) {
            sleep_until(at).await;
        }
    }

    /// Until when to wait; none if not at all.
    fn next(&self, now: Instant) -> Option<Instant> {
        let mut done = self.done.lock();
        let until = done.map_or(now, |until| until.max(now)) + self.each;
        *done = Some(until);
        until.checked_sub(self.ahead).filter(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_waits_its_turn() {
        let pace = Pace::new(10, 5);
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(pace.next(start), None);
        }
        assert_eq!(pace.next(start), Some(start + Duration::from_millis(200)));
        assert_eq!(pace.next(start), Some(start + Duration::from_millis(400)));
        // Room comes back with time, and never more than the burst.
        let later = start + Duration::from_secs(3600);
        for _ in 0..10 {
            assert_eq!(pace.next(later), None);
        }
        assert_eq!(pace.next(later), Some(later + Duration::from_millis(200)));
    }
}
