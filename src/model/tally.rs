//! A histogram that is counted where things happen: a look at a few bounds and two additions, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts how large things are. Bounds ascend.
#[derive(Debug)]
pub struct Tally {
    bounds: &'static [u64],
    /// One for each bound: what is as large or less, and more than the bound before. The last is for what is larger.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What was counted so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Each bound with how many things are as large or less, and more than the bound before.
    pub buckets: Vec<(u64, u64)>,
    /// How many are larger than the last bound.
    pub beyond: u64,
    /// How large all of them are together.
    pub sum: u64,
}

impl Tallied {
    /// How many things were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.beyond
    }
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts one that is this large.
    pub fn add(&self, size: u64) {
        let place = self.bounds.iter().position(|bound| size <= *bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(size, Relaxed);
    }

    /// What was counted so far.
    pub fn so_far(&self) -> Tallied {
        let count = |count: &AtomicU64| count.load(Relaxed);
        let buckets = self.bounds.iter().copied().zip(self.counts.iter().map(count)).collect();
        Tallied { buckets, beyond: self.counts.last().map_or(0, count), sum: self.sum.load(Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_large_as_a_bound_is_within_it() {
        let tally = Tally::new(&[1, 4]);
        for size in [0, 1, 2, 4, 5, 100] {
            tally.add(size);
        }
        assert_eq!(tally.so_far(), Tallied { buckets: vec![(1, 2), (4, 2)], beyond: 2, sum: 112 });
    }
}
