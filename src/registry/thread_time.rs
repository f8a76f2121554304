//! How long work keeps the thread it runs on before it comes to an `.await`: what blocks holds up everything else there,
//! and whoever waits for it sees no more than that it took long.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// From when on work counts as blocking its thread.
const BLOCKS: Duration = Duration::from_secs(1);
/// How often the log says so of the same work.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// `work`, and `blocked` hears of each time that it kept its thread for long.
pub async fn watched<T>(work: impl Future<Output = T>, blocked: impl Fn(Duration)) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let begun = Instant::now();
        let polled = work.as_mut().poll(context);
        let kept = begun.elapsed();
        if kept >= BLOCKS {
            blocked(kept);
        }
        polled
    })
    .await
}

/// `work` on the server that is called `what`: the log says if it blocks its thread.
pub fn unblocking<T>(what: String, work: impl Future<Output = T>) -> impl Future<Output = T> {
    let unblocking = Unblocking::new(what);
    watched(work, move |kept| unblocking.blocked(kept))
}

/// Work on the server that is not to block its thread, and what the log says if it does.
#[derive(Debug)]
pub struct Unblocking {
    /// What it is, in words.
    what: String,
    said: Mutex<Option<Instant>>,
}

impl Unblocking {
    /// Work that is called so.
    pub fn new(what: String) -> Self {
        Self { what, said: Mutex::default() }
    }

    /// Says that it blocked its thread for so long, but not again and again.
    pub fn blocked(&self, kept: Duration) {
        let mut said = self.said.lock();
        if said.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            *said = Some(Instant::now());
            tracing::warn!(
                "{} blocked its thread for {:.1} s: have it do what blocks in spawn_blocking",
                self.what,
                kept.as_secs_f64()
            );
        }
    }
}
