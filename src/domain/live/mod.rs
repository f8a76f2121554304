//! Live events: what happens, passed on over streams to whoever may see it.
//!
//! One task reads what was kept of the newest events (`events`), a batch at a time: what is stored of the things they are
//! about, and with whom these are shared, in one reading for all streams (`occurrence`). Each event is shown once a view and
//! put into the queue of every stream whose reader may see it (`sight`, `stream`); no stream has a thread or a task of its
//! own. Where nobody listens nothing is read. The task then waits until the readers that kept up have looked, so that a
//! busy server is not taken for slow readers.
//!
//! A stream that goes on after an earlier event gets what it missed in the same way, from a task that ends when it has
//! caught up. Twice a second it is looked whether whoever reads still may.

mod occurrence;
mod progress;
mod shown;
mod sight;
mod stream;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::By;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::model::event::{EventId, EventType};
use crate::model::shutdown::Shutdown;
pub use occurrence::{Occurrence, Subject};
use progress::Held;
pub use progress::OperationProgress;
pub(super) use progress::progressed;
use shown::Shown;
use sight::Sight;
pub use sight::View;
pub use stream::Item;
use stream::{Pace, Stream};

/// Streams of one user at once.
const MOST_OF_USER: usize = 20;
/// Events that are passed on in one go.
const BATCH: usize = 256;
/// How long events may gather before they are passed on: many that come together cost one write to each reader.
const GATHER: Duration = Duration::from_millis(5);
/// How long readers that make no progress are waited for.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often it is looked whether readers still may, and how many of these looks are a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS_A_SECOND: u64 = 2;
/// The seconds between two signs of life.
const ALIVE_EVERY: u64 = 15;
/// When somebody with too many streams may try again.
const RETRY: Duration = Duration::from_secs(5);

/// Makes what is sent of an event.
pub type Show = fn(&Occurrence, View) -> Result<Bytes>;

/// The streams there are.
#[derive(Default)]
struct Live {
    registry: Mutex<Registry>,
    pace: Arc<Pace>,
}

#[derive(Default)]
struct Registry {
    /// Whether events are passed on.
    running: bool,
    /// Makes what is sent of an event.
    show: Option<Show>,
    /// Up to which event they were.
    passed_on: u64,
    /// How far operations are, which comes after events that were not passed on yet.
    held: Held,
    last_key: u64,
    second: u64,
    all: HashMap<u64, Arc<Stream>>,
    /// Those that see the things of one user and what is shared with that user, by user.
    narrow: HashMap<i64, Vec<Arc<Stream>>>,
    /// The others.
    wide: Vec<Arc<Stream>>,
    /// How many each user has.
    counts: HashMap<i64, usize>,
}

/// A stream as its reader has it.
pub struct Listening {
    stream: Arc<Stream>,
    live: Arc<Live>,
}

impl Listening {
    /// What is to be sent next; none at the end.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<Item>>> {
        self.stream.poll(cx)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stream.left();
        self.live.registry.lock().remove(&self.stream);
    }
}

/// How many streams there are.
pub(super) fn count(host: &Host) -> usize {
    host.remembered.get(Live::default).registry.lock().all.len()
}

/// Begins a stream of the events of some types. `after` is where it is to go on: none for now, and an event that no ID
/// names for one that nobody knows.
///
/// # Errors
/// No events are passed on here; the user has as many streams as one may have.
pub fn open(by: &By, types: &[EventType], after: Option<Option<EventId>>, show: Show) -> Result<Listening> {
    let host = &by.host;
    let live = host.remembered.get(Live::default);
    let mut registry = live.registry.lock();
    // Under the lock: whatever is passed on from here on is newer.
    let now = host.events.newest();
    if !registry.running {
        return Err(Error::new(
            Kind::Unavailable,
            "shutting_down",
            "No events are passed on: the server is stopping, or does not run. Try again in a moment.",
        )
        .retry_after(RETRY));
    }
    let user = by.caller.user_id();
    if let Some(user) = user {
        let count = registry.counts.entry(user).or_default();
        if *count >= MOST_OF_USER {
            return Err(Error::new(
                Kind::TooMany,
                "too_many_streams",
                format!("This user has {MOST_OF_USER} event streams, which is the limit. Close some first."),
            )
            .retry_after(RETRY));
        }
        *count += 1;
    }
    registry.last_key += 1;
    let second = registry.second % ALIVE_EVERY;
    let sight = Sight::of(by, types);
    let stream = Stream::new(registry.last_key, user, by.admission(), sight, second, live.pace.clone());
    let stream = Arc::new(stream);
    registry.add(&stream);
    let known = |id: &EventId| {
        id.run == now.run && id.number <= now.number && host.events.kept_after(id.number, 0).is_some()
    };
    let after = after.map(|id| id.filter(known));
    let begin = after.flatten().unwrap_or(now);
    stream.put(Item::Begin(begin));
    if after == Some(None) {
        stream.put(Item::Reset(begin));
    }
    if begin.number < registry.passed_on {
        let (host, live, stream) = (host.clone(), live.clone(), stream.clone());
        tokio::spawn(async move { catch_up(&host, &live, &stream, begin.number, show).await });
    } else {
        stream.after.store(begin.number, Relaxed);
    }
    drop(registry);
    Ok(Listening { stream, live })
}

/// Sends a stream what follows an event, until it has caught up with the others.
async fn catch_up(host: &Arc<Host>, live: &Live, stream: &Arc<Stream>, mut done: u64, show: Show) {
    while stream.has_room().await {
        let events = {
            let registry = live.registry.lock();
            let events = host.events.kept_after(done, BATCH);
            if done >= registry.passed_on || events.as_ref().is_some_and(Vec::is_empty) {
                // From here on it gets what all get.
                stream.after.store(done.max(registry.passed_on), Relaxed);
                return;
            }
            events
        };
        let Some(events) = events else { break };
        let Some(last) = events.last().map(|last| last.number) else { break };
        let happened = match occurrence::of_events(host, events).await {
            Ok(happened) => happened,
            Err(e) => {
                tracing::warn!("earlier events cannot be read: {e}");
                return stream.end();
            }
        };
        for event in &happened {
            let Some(view) = stream.sight.view(event) else { continue };
            match show(event, view) {
                Ok(shown) => drop(stream.put(Item::Event(shown))),
                Err(e) => tracing::error!("an event cannot be shown: {e}"),
            }
        }
        stream.wake();
        done = last;
    }
    // It was overtaken, or has ended.
    stream.put(Item::Overflow);
    stream.end();
}

/// Passes events on until `shutdown` begins; then every stream ends.
pub async fn run(host: Arc<Host>, show: Show, shutdown: Shutdown) {
    let live = host.remembered.get(Live::default);
    {
        let mut registry = live.registry.lock();
        (registry.running, registry.show) = (true, Some(show));
    }
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = live.pass_on_all(&host, show) => {}
        () = live.look_after(&host) => {}
    }
    let all: Vec<_> = {
        let mut registry = live.registry.lock();
        registry.running = false;
        registry.all.values().cloned().collect()
    };
    all.iter().for_each(|stream| stream.end());
}

impl Live {
    async fn pass_on_all(&self, host: &Arc<Host>, show: Show) {
        loop {
            host.events.kept().await;
            sleep(GATHER).await;
            while self.pass_on(host, show).await {}
        }
    }

    /// Passes the next events on. False if there are none.
    async fn pass_on(&self, host: &Arc<Host>, show: Show) -> bool {
        let done = self.registry.lock().passed_on;
        let events = host.events.kept_after(done, BATCH);
        let Some(last) = events.as_ref().map_or_else(
            || Some(host.events.newest().number),
            |events| events.last().map(|last| last.number),
        ) else {
            return false;
        };
        {
            let mut registry = self.registry.lock();
            if registry.all.is_empty() {
                registry.passed_on = last;
                registry.held.clear();
                return true;
            }
        }
        let happened = match events {
            Some(events) => occurrence::of_events(host, events).await,
            None => Err(Error::internal("more happened at once than is kept")),
        };
        let mut stirred = Vec::new();
        match happened {
            Ok(happened) => {
                for event in &happened {
                    self.registry.lock().deliver(event, show, &mut stirred);
                    if stirred.len() > BATCH {
                        yield_now().await;
                    }
                }
                self.registry.lock().passed(last, &mut stirred);
            }
            Err(e) => {
                tracing::warn!(
                    "events were not passed on, and whoever listens is asked to read all anew: {e}"
                );
                let mut registry = self.registry.lock();
                let reset = Item::Reset(host.events.id(last));
                for stream in registry.all.values() {
                    if stream.after.load(Relaxed) <= last && stream.put(reset.clone()) {
                        stirred.push(stream.clone());
                    }
                }
                registry.passed(last, &mut stirred);
            }
        }
        for stream in &stirred {
            stream.wake();
        }
        self.readers_looked().await;
        true
    }

    /// Waits until every reader that was woken has looked, as long as some do.
    async fn readers_looked(&self) {
        let mut before = self.pace.awaited();
        while before > 0 {
            if timeout(PATIENCE, self.pace.all_looked()).await.is_ok() {
                return;
            }
            let now = self.pace.awaited();
            if now >= before {
                return;
            }
            before = now;
        }
    }

    /// Ends the streams of those who may no longer read them, and shows the others that theirs are alive.
    async fn look_after(&self, host: &Arc<Host>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for look in 0_u64.. {
            looks.tick().await;
            let (all, second, passed_on) = {
                let mut registry = self.registry.lock();
                registry.second = look / LOOKS_A_SECOND;
                (registry.all.values().cloned().collect::<Vec<_>>(), registry.second, registry.passed_on)
            };
            let is_new = look % LOOKS_A_SECOND == 0;
            for stream in all {
                if stream.admission.stands().await.is_err() {
                    stream.end();
                } else if is_new && second % ALIVE_EVERY == stream.second {
                    let after = stream.after.load(Relaxed);
                    let up_to = (after < u64::MAX).then(|| host.events.id(after.max(passed_on)));
                    stream.put(Item::Alive(up_to));
                    stream.wake();
                }
            }
        }
    }
}

impl Registry {
    fn add(&mut self, stream: &Arc<Stream>) {
        self.all.insert(stream.key, stream.clone());
        match stream.user {
            Some(user) if !stream.sight.is_wide() => {
                self.narrow.entry(user).or_default().push(stream.clone());
            }
            _ => self.wide.push(stream.clone()),
        }
    }

    fn remove(&mut self, stream: &Stream) {
        if self.all.remove(&stream.key).is_none() {
            return;
        }
        self.wide.retain(|other| other.key != stream.key);
        let Some(user) = stream.user else { return };
        if let Some(streams) = self.narrow.get_mut(&user) {
            streams.retain(|other| other.key != stream.key);
            if streams.is_empty() {
                self.narrow.remove(&user);
            }
        }
        if let Some(count) = self.counts.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&user);
            }
        }
    }

    /// The streams of those who may see an event, and of some others.
    fn readers<'a>(&'a self, event: &'a Occurrence) -> impl Iterator<Item = &'a Arc<Stream>> {
        let users = std::iter::once(event.audience.owner).chain(
            event.audience.shared.iter().map(|(user, _)| *user).filter(|user| *user != event.audience.owner),
        );
        users.filter_map(|user| self.narrow.get(&user)).flatten().chain(&self.wide)
    }

    /// Puts an event into the queues of all who may see it. Those whose readers are to be woken are added to `stirred`.
    fn deliver(&mut self, event: &Occurrence, show: Show, stirred: &mut Vec<Arc<Stream>>) {
        self.release(event.id.number - 1, stirred);
        let shown = Shown::new(event, show);
        for stream in self.readers(event) {
            if event.id.number <= stream.after.load(Relaxed) {
                continue;
            }
            let Some(shown) = stream.sight.view(event).and_then(|view| shown.of(view)) else { continue };
            if stream.put(Item::Event(shown)) {
                stirred.push(stream.clone());
            }
        }
        self.passed(event.id.number, stirred);
    }

    /// Notes up to which event all were passed on.
    fn passed(&mut self, number: u64, stirred: &mut Vec<Arc<Stream>>) {
        self.passed_on = number;
        self.release(number, stirred);
    }
}
