//! How long a command keeps the thread it runs on before it comes to an `.await`: one that blocks holds up everything else
//! there, and whoever waits for it sees no more than that it took long.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::command::BoxFuture;

/// From when on a command counts as one that blocks.
const BLOCKS: Duration = Duration::from_secs(1);

/// The longest that some work kept its thread, in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct ThreadTime(Arc<AtomicU64>);

impl ThreadTime {
    /// Work that is watched, and what is seen of it.
    pub fn of<T>(work: BoxFuture<'_, T>) -> (Timed<'_, T>, Self) {
        let time = Self::default();
        (Timed { work, time: time.clone() }, time)
    }

    /// The longest that it kept its thread, if it blocks.
    pub fn blocked(&self) -> Option<Duration> {
        let longest = Duration::from_millis(self.0.load(Relaxed));
        (longest >= BLOCKS).then_some(longest)
    }
}

/// Work whose time on its thread is watched.
pub struct Timed<'a, T> {
    work: BoxFuture<'a, T>,
    time: ThreadTime,
}

impl<T> Future for Timed<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let begun = Instant::now();
        let polled = self.work.as_mut().poll(context);
        let kept = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.time.0.fetch_max(kept, Relaxed);
        polled
    }
}
