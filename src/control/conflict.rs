//! How often an agent's connection was replaced lately: the one sign of two machines with one identity.
//!
//! A machine that lost its connection replaces it as well, when the server has not noticed yet. Once in a while that
//! is nothing; several times within minutes it is worth a word.

use std::collections::VecDeque;
use std::time::Duration;

use super::wheel::{Moment, millis};
use crate::model::presence::Conflict;

/// How long a replacement counts.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// From how many on it is a conflict.
const MANY: usize = 3;
/// As many are remembered.
const REMEMBERED: usize = 64;

/// When an agent's connections were replaced.
#[derive(Default)]
pub(super) struct Replacements {
    at: VecDeque<Moment>,
    reported: Option<Moment>,
}

impl Replacements {
    /// Notes a replacement. Gives the conflict if it is to be reported, which it is once in a while.
    pub(super) fn add(&mut self, now: Moment) -> Option<Conflict> {
        if self.at.len() == REMEMBERED {
            self.at.pop_front();
        }
        self.at.push_back(now);
        let conflict = self.conflict(now)?;
        if self.reported.is_some_and(|at| now < at + millis(WINDOW)) {
            return None;
        }
        self.reported = Some(now);
        Some(conflict)
    }

    /// Whether there were many of late.
    pub(super) fn conflict(&self, now: Moment) -> Option<Conflict> {
        let recent = self.at.iter().filter(|&&at| now < at + millis(WINDOW));
        let count = recent.clone().count();
        let first = *recent.clone().next()?;
        let minutes = (now - first).div_ceil(60_000).max(1);
        let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
        (count >= MANY).then_some(Conflict { count: number(count as u64), minutes: number(minutes) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn many_within_minutes_are_reported_once_in_a_while() {
        let mut replacements = Replacements::default();
        assert_eq!(replacements.add(0), None);
        assert_eq!(replacements.add(70_000), None);
        assert_eq!(replacements.add(130_000), Some(Conflict { count: 3, minutes: 3 }));
        assert_eq!(replacements.add(140_000), None);
        assert_eq!(replacements.conflict(150_000), Some(Conflict { count: 4, minutes: 3 }));
        assert_eq!(replacements.conflict(140_000 + 600_000), None);
        assert_eq!(replacements.add(2_000_000), None);
        assert_eq!(replacements.add(2_000_001), None);
        assert_eq!(replacements.add(2_000_002), Some(Conflict { count: 3, minutes: 1 }));
        for now in 0..1000 {
            replacements.add(3_000_000 + now);
        }
        assert_eq!(replacements.conflict(3_001_000).unwrap().count, 64);
    }
}
