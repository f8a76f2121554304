//! Simulated networks, each decided by a seed, on all cores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Runs the seeds below `seeds`, and says what happened in all of them together, and how often. Where the environment
/// variable `alone` names a seed, that one alone is run, and nothing said of the others.
pub(crate) fn run_all(
    seeds: u64,
    alone: &str,
    run: impl Fn(u64) -> BTreeMap<String, u32> + Sync,
) -> Option<BTreeMap<String, u32>> {
    if let Some(seed) = std::env::var(alone).ok().and_then(|seed| seed.parse().ok()) {
        println!("{:#?}", run(seed));
        return None;
    }
    let (next, tally) = (AtomicU64::new(0), Mutex::new(BTreeMap::<String, u32>::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    for (what, count) in run(seed) {
                        *tally.lock().entry(what).or_default() += count;
                    }
                }
            });
        }
    });
    Some(tally.into_inner())
}
