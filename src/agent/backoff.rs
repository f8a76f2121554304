//! When to dial again: exponential backoff with full jitter, so that a fleet that lost its server comes back spread
//! out instead of all at once.

use std::time::Duration;

/// The shortest upper bound of a delay.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a connection must have lasted for the next delay to be short again. A server that takes connections and
/// drops them at once is not hammered.
const STEADY: Duration = Duration::from_secs(30);

/// The delays between attempts.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay before the next attempt: a random part of a bound that doubles with every attempt. Never below a
    /// tenth of a second, so that bad luck is no busy loop.
    pub(super) fn next(&mut self) -> Duration {
        let bound = LONGEST.min(FIRST * 2_u32.saturating_pow(self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(fastrand::f64()).max(Duration::from_millis(100))
    }

    /// The delay before an attempt that is unlikely to succeed before a person does something.
    pub(super) fn slow(&mut self) -> Duration {
        LONGEST + FIRST.mul_f64(5.0 * fastrand::f64())
    }

    /// Notes how long a connection lasted.
    pub(super) fn connected_for(&mut self, lasted: Duration) {
        if lasted >= STEADY {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_stays_in_its_bound(attempts in 1_usize..200) {
            let mut backoff = Backoff::default();
            for attempt in 0..attempts {
                let bound = Duration::from_secs(1 << attempt.min(6)).min(LONGEST);
                let delay = backoff.next();
                prop_assert!(delay <= bound, "attempt {attempt}: {delay:?} > {bound:?}");
                prop_assert!(delay >= Duration::from_millis(100));
            }
        }

        #[test]
        fn only_a_lasting_connection_makes_it_short_again(lasted in 0_u64..120) {
            let mut backoff = Backoff::default();
            for _ in 0..10 {
                backoff.next();
            }
            backoff.connected_for(Duration::from_secs(lasted));
            let longest = (0..200).map(|_| Backoff { failures: backoff.failures }.next()).max();
            prop_assert_eq!(longest <= Some(FIRST), lasted >= STEADY.as_secs());
        }
    }

    #[test]
    fn delays_are_spread_over_the_whole_bound() {
        let drawn: Vec<_> = (0..1000).map(|_| Backoff { failures: 10 }.next()).collect();
        assert!(drawn.iter().any(|d| *d < LONGEST / 10) && drawn.iter().any(|d| *d > LONGEST * 9 / 10));
    }

    #[test]
    fn a_refusal_is_retried_slowly() {
        let delay = Backoff::default().slow();
        assert!((60..=65).contains(&delay.as_secs()), "{delay:?}");
    }
}
