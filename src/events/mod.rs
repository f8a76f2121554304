//! What happens in the server, passed on to whoever listens.
//!
//! Whoever has something to report calls [`Events::emit`], which numbers it and puts it into the queue of every
//! listener: a short lock, nothing of the listener's runs there. Each listener has a thread of its own, so one that
//! is slow, blocks or panics harms nobody else, and it gets events in the order of their numbers. Whatever is emitted
//! under one lock, such as an agent's, therefore stays in its order.
//!
//! A queue is bounded. Where a listener falls so far behind that its queue is full, what comes next is counted as
//! missed and logged. The last quarter is kept for what happens rarely, so that a flood of requests does not push out
//! that an agent went offline.
//!
//! The newest events but measurements are kept in a `ring`, from which whoever passes them on out of the server reads
//! them: in batches, and again after an interruption.
//!
//! Deliberately absent: plugins, the host, and any knowledge of what an event means.

mod ring;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::sync::Notify;

pub use self::ring::Kept;
use self::ring::Ring;
use crate::clock::Clock;
use crate::model::event::{Event, EventId};

/// Events that may wait for one listener; measurements leave the last quarter to the others.
const MAX_WAITING: usize = 65_536;
const MAX_MEASUREMENTS: usize = MAX_WAITING / 4 * 3;
/// How long a listener that was idle lets events gather before it looks at them: waking it for each would cost whoever
/// emits more than the event itself.
const GATHER: Duration = Duration::from_millis(2);
/// How often the trouble of one listener is logged.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// How long [`Events::caught_up`] waits, and [`Events::close`].
const PATIENCE: Duration = Duration::from_secs(2);

thread_local! {
    /// Whether the listener whose thread this is has left.
    static LEFT: Cell<bool> = const { Cell::new(false) };
}

/// The listener on whose thread this is called hears of nothing more, and the thread ends.
pub fn leave() {
    LEFT.set(true);
}

/// An event and its place among all of them.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Counts the server's events from 1.
    pub number: u64,
    /// What happened.
    pub event: Event,
}

/// The hub. Dropped, it ends the listeners.
pub struct Events(Arc<Shared>);

struct Shared {
    hub: Mutex<Hub>,
    /// Notified when a listener has handled something or has ended.
    progress: Notify,
    /// Notified when an event was kept.
    kept: Notify,
    clock: Clock,
    /// What this run of the server is called.
    run: u64,
}

#[derive(Default)]
struct Hub {
    last: u64,
    ring: Ring,
    queues: Vec<Queue>,
    closed: bool,
}

/// What waits for one listener.
struct Queue {
    name: &'static str,
    /// Whether measurements are wanted.
    measurements: bool,
    waiting: VecDeque<Happened>,
    /// Up to which number everything was handled or missed.
    handled: u64,
    asleep: bool,
    ended: bool,
    stirred: Arc<Condvar>,
    missed: u64,
    missing_logged: Option<Instant>,
}

impl Default for Events {
    fn default() -> Self {
        Self::new(Clock::default())
    }
}

impl Events {
    /// A hub without listeners, whose events happen at the times of `clock`.
    pub fn new(clock: Clock) -> Self {
        let (hub, progress, kept) = (Mutex::default(), Notify::new(), Notify::new());
        Self(Arc::new(Shared { hub, progress, kept, clock, run: fastrand::u64(..) }))
    }

    /// Passes an event on. Never waits, so it may be called under a lock.
    pub fn emit(&self, event: Event) {
        self.0.hub.lock().put(&self.0, event);
    }

    /// Passes events on that happened together, one after the other.
    pub fn emit_all(&self, events: Vec<Event>) {
        let mut hub = self.0.hub.lock();
        events.into_iter().for_each(|event| hub.put(&self.0, event));
    }

    /// The newest event. Whatever happened up to it can be seen in what is read from now on.
    pub fn newest(&self) -> EventId {
        EventId { run: self.0.run, number: self.0.hub.lock().last }
    }

    /// The number of the newest event that is kept; 0 if there was none.
    pub fn newest_kept(&self) -> u64 {
        self.0.hub.lock().ring.newest()
    }

    /// What the event of a number is called.
    pub fn id(&self, number: u64) -> EventId {
        EventId { run: self.0.run, number }
    }

    /// At most `most` of the events that are kept and follow the one of a number; none if some of these are no longer kept.
    pub fn kept_after(&self, number: u64, most: usize) -> Option<Vec<Kept>> {
        self.0.hub.lock().ring.after(number, most)
    }

    /// Waits until an event was kept since the last wait. For one waiter.
    pub async fn kept(&self) {
        self.0.kept.notified().await;
    }

    /// Has `listener` called with everything that happens from now on, on a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn listen(
        &self,
        name: &'static str,
        listener: impl FnMut(&Happened) + Send + 'static,
    ) -> io::Result<()> {
        self.listen_to(name, true, listener)
    }

    /// [`listen`](Self::listen) without measurements, so that not every request wakes a thread that wants none of them.
    ///
    /// # Errors
    /// As for [`listen`](Self::listen).
    pub fn listen_to_changes(
        &self,
        name: &'static str,
        listener: impl FnMut(&Happened) + Send + 'static,
    ) -> io::Result<()> {
        self.listen_to(name, false, listener)
    }

    fn listen_to(
        &self,
        name: &'static str,
        measurements: bool,
        listener: impl FnMut(&Happened) + Send + 'static,
    ) -> io::Result<()> {
        let stirred = Arc::new(Condvar::new());
        let at = {
            let mut hub = self.0.hub.lock();
            let handled = hub.last;
            hub.queues.push(Queue {
                name,
                measurements,
                waiting: VecDeque::new(),
                handled,
                asleep: false,
                ended: false,
                stirred: stirred.clone(),
                missed: 0,
                missing_logged: None,
            });
            hub.queues.len() - 1
        };
        let shared = self.0.clone();
        let runtime = Handle::try_current().ok();
        let thread = std::thread::Builder::new().name(format!("on {name}"));
        let spawned = thread.spawn(move || {
            // A listener may spawn tasks.
            let _entered = runtime.as_ref().map(Handle::enter);
            Thread { shared: &shared, at, stirred: &stirred, name, panics: 0, logged: None }.run(listener);
            shared.hub.lock().queues[at].end();
            shared.progress.notify_waiters();
        });
        if spawned.is_err() {
            self.0.hub.lock().queues[at].end();
        }
        spawned.map(drop)
    }

    /// Waits until a listener has handled all that has happened up to now, or for two seconds.
    pub async fn caught_up(&self, name: &str) {
        let wanted = self.0.hub.lock().last;
        self.wait_for(|hub| {
            // One that sleeps has handled all it wants.
            let done = |queue: &Queue| queue.ended || queue.asleep || queue.handled >= wanted;
            hub.queues.iter().all(|queue| queue.name != name || done(queue))
        })
        .await;
    }

    /// Ends the listeners after what is in their queues, and waits for them for two seconds.
    pub async fn close(&self) {
        self.0.close();
        if !self.wait_for(|hub| hub.queues.iter().all(|queue| queue.ended)).await {
            let hub = self.0.hub.lock();
            let busy: Vec<_> =
                hub.queues.iter().filter(|queue| !queue.ended).map(|queue| queue.name).collect();
            tracing::warn!("these plugins are still busy with events: {}", busy.join(", "));
        }
    }

    /// How many events listeners have missed because they were too slow.
    pub fn missed(&self) -> u64 {
        self.0.hub.lock().queues.iter().map(|queue| queue.missed).sum()
    }

    async fn wait_for(&self, done: impl Fn(&Hub) -> bool) -> bool {
        let waiting = async {
            loop {
                let mut progress = std::pin::pin!(self.0.progress.notified());
                progress.as_mut().enable();
                if done(&self.0.hub.lock()) {
                    return;
                }
                progress.await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.is_ok()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    fn close(&self) {
        let mut hub = self.hub.lock();
        hub.closed = true;
        for queue in &mut hub.queues {
            queue.stirred.notify_one();
        }
    }
}

impl Hub {
    fn put(&mut self, shared: &Shared, event: Event) {
        self.last += 1;
        let number = self.last;
        if !event.is_measurement() {
            self.ring.push(Kept { number, at: shared.clock.now(), event: event.clone() });
            shared.kept.notify_one();
        }
        let is_measurement = event.is_measurement();
        let mut wanting = self.queues.iter_mut().filter(|queue| queue.wants(is_measurement)).peekable();
        while let Some(queue) = wanting.next() {
            if wanting.peek().is_none() {
                return queue.put(Happened { number, event });
            }
            queue.put(Happened { number, event: event.clone() });
        }
    }
}

impl Queue {
    fn end(&mut self) {
        self.ended = true;
        self.waiting = VecDeque::new();
    }

    fn wants(&self, is_measurement: bool) -> bool {
        !self.ended && (self.measurements || !is_measurement)
    }

    fn put(&mut self, happened: Happened) {
        let room = if happened.event.is_measurement() { MAX_MEASUREMENTS } else { MAX_WAITING };
        if self.waiting.len() >= room {
            self.missed += 1;
            if self.missing_logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
                self.missing_logged = Some(Instant::now());
                tracing::warn!(
                    plugin = self.name,
                    missed = self.missed,
                    "the plugin {} is too slow for what happens and misses some of it",
                    self.name
                );
            }
            return;
        }
        self.waiting.push_back(happened);
        if std::mem::take(&mut self.asleep) {
            self.stirred.notify_one();
        }
    }
}

/// The thread of a listener.
struct Thread<'a> {
    shared: &'a Shared,
    at: usize,
    stirred: &'a Condvar,
    name: &'static str,
    /// Panics since the last one that was logged.
    panics: u64,
    logged: Option<Instant>,
}

impl Thread<'_> {
    fn run(mut self, mut listener: impl FnMut(&Happened)) {
        while let Some(batch) = self.next() {
            for happened in &batch {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener(happened))) {
                    self.panicked(happened, panic.as_ref());
                }
                if LEFT.get() {
                    return;
                }
            }
        }
        // What the listener holds, such as the host, may go only now.
        drop(listener);
    }

    /// What waits; none when the hub was closed and nothing is left.
    fn next(&self) -> Option<VecDeque<Happened>> {
        let mut hub = self.shared.hub.lock();
        loop {
            let last = hub.last;
            let queue = &mut hub.queues[self.at];
            if !queue.waiting.is_empty() {
                // Up to the first of them everything was handled.
                queue.handled = queue.waiting.front().map_or(last, |first| first.number - 1);
                return Some(std::mem::take(&mut queue.waiting));
            }
            queue.handled = last;
            self.shared.progress.notify_waiters();
            if hub.closed {
                return None;
            }
            hub.queues[self.at].asleep = true;
            self.stirred.wait(&mut hub);
            if !hub.closed {
                MutexGuard::unlocked(&mut hub, || std::thread::sleep(GATHER));
            }
        }
    }

    fn panicked(&mut self, happened: &Happened, panic: &(dyn Any + Send)) {
        self.panics += 1;
        if self.logged.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            return;
        }
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
        tracing::error!(
            plugin = self.name,
            event = happened.number,
            panics = self.panics,
            "the plugin {} panicked on an event and goes on with the next: {text}",
            self.name
        );
        self.logged = Some(Instant::now());
        self.panics = 0;
    }
}
