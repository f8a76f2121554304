//! The newest events, kept so that whoever was away for a moment can go on where they were.
//!
//! Measurements are not kept: they are many, and nobody wants to read them later.

use std::collections::VecDeque;

use crate::clock::Millis;
use crate::model::event::Event;

/// How many events are kept.
pub(super) const KEPT: usize = 10_000;

/// An event that is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its number among all events of this run.
    pub number: u64,
    /// When it happened, in milliseconds since the epoch.
    pub at: Millis,
    /// What happened.
    pub event: Event,
}

/// The newest events, in their order.
#[derive(Default)]
pub(super) struct Ring {
    kept: VecDeque<Kept>,
    /// The number of the newest event that had to go.
    dropped: u64,
}

impl Ring {
    pub(super) fn push(&mut self, kept: Kept) {
        if self.kept.len() >= KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.dropped = oldest.number;
        }
        self.kept.push_back(kept);
    }

    /// The number of the newest event; 0 if there was none.
    pub(super) fn newest(&self) -> u64 {
        self.kept.back().map_or(0, |newest| newest.number)
    }

    /// At most `most` events that follow the one of a number; none if some of them had to go.
    pub(super) fn after(&self, number: u64, most: usize) -> Option<Vec<Kept>> {
        if number < self.dropped {
            return None;
        }
        let first = self.kept.partition_point(|kept| kept.number <= number);
        Some(self.kept.range(first..).take(most).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_follows_is_found_until_it_had_to_go() {
        let mut ring = Ring::default();
        let numbers =
            |kept: Option<Vec<Kept>>| kept.map(|kept| kept.iter().map(|k| k.number).collect::<Vec<_>>());
        assert_eq!(numbers(ring.after(0, 9)), Some(vec![]));
        for number in (2..).step_by(2).take(KEPT) {
            ring.push(Kept { number, at: 0, event: Event::AgentOnline { agent: 1 } });
        }
        assert_eq!(numbers(ring.after(0, 3)), Some(vec![2, 4, 6]));
        assert_eq!(numbers(ring.after(5, 2)), Some(vec![6, 8]));
        let last = 2 * KEPT as u64;
        assert_eq!(numbers(ring.after(last, 9)), Some(vec![]));
        ring.push(Kept { number: last + 1, at: 0, event: Event::AgentOnline { agent: 1 } });
        assert_eq!(ring.kept.len(), KEPT);
        assert!(ring.after(1, 9).is_none(), "the second had to go");
        assert_eq!(numbers(ring.after(2, 1)), Some(vec![4]));
    }
}
