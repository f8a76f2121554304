//! One stream: what waits for its reader, and how it ends.
//!
//! Whoever passes events on puts them in and wakes the reader once a batch. A reader that does not take what waits is not
//! waited for: beyond a bound the rest is thrown away, the reader gets the word that it was too slow, and the stream ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::sight::Sight;
use crate::domain::admission::Admission;
use crate::model::event::EventId;

/// What may wait for one reader.
const MOST: usize = 1024;
/// While more than this waits, whoever reads earlier events for a stream waits, too.
const ENOUGH: usize = 128;
/// About how many bytes a reader takes at once.
const PART: usize = 64 * 1024;

/// What is sent over a stream.
#[derive(Debug, Clone)]
pub enum Item {
    /// From here on it goes on.
    Begin(EventId),
    /// An event as it is shown.
    Event(Bytes),
    /// Events were missed: the lists must be read again.
    Reset(EventId),
    /// The reader was too slow; nothing follows.
    Overflow,
    /// Nothing, to show that the stream is alive; and up to which event all was sent, where that is known.
    Alive(Option<EventId>),
}

/// How many readers were woken and have not looked yet.
#[derive(Default)]
pub(super) struct Pace {
    awaited: AtomicUsize,
    all_looked: Notify,
}

impl Pace {
    pub(super) fn awaited(&self) -> usize {
        self.awaited.load(Relaxed)
    }

    pub(super) async fn all_looked(&self) {
        self.all_looked.notified().await;
    }

    fn looked(&self) {
        if self.awaited.fetch_sub(1, Relaxed) == 1 {
            self.all_looked.notify_one();
        }
    }
}

/// One stream.
pub(super) struct Stream {
    pub(super) key: u64,
    /// Whose it is; none for the local operator.
    pub(super) user: Option<i64>,
    pub(super) admission: Admission,
    pub(super) sight: Sight,
    /// Events up to this one are not passed on to it.
    pub(super) after: AtomicU64,
    /// In which of the seconds between two signs of life its own comes.
    pub(super) second: u64,
    queue: Mutex<Queue>,
    room: Notify,
    pace: Arc<Pace>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Item>,
    /// There while the reader waits.
    waker: Option<Waker>,
    /// Whether the reader was woken and has not looked yet.
    awaited: bool,
    /// Whether something was put in since the reader was woken.
    stirred: bool,
    ended: bool,
}

impl Stream {
    pub(super) fn new(
        key: u64,
        user: Option<i64>,
        admission: Admission,
        sight: Sight,
        second: u64,
        pace: Arc<Pace>,
    ) -> Self {
        let (queue, room) = (Mutex::default(), Notify::new());
        Self { key, user, admission, sight, after: AtomicU64::new(u64::MAX), second, queue, room, pace }
    }

    /// Puts something in. Answers whether the reader is to be woken for the first of it.
    pub(super) fn put(&self, item: Item) -> bool {
        let mut queue = self.queue.lock();
        if queue.ended {
            return false;
        }
        if queue.waiting.len() >= MOST {
            // What it has taken last is where it can go on.
            queue.waiting = VecDeque::from([Item::Overflow]);
            queue.ended = true;
            self.room.notify_one();
        } else {
            queue.waiting.push_back(item);
        }
        !std::mem::replace(&mut queue.stirred, true)
    }

    /// Whether it gets what happens now.
    pub(super) fn has_caught_up(&self) -> bool {
        self.after.load(Relaxed) < u64::MAX
    }

    /// As [`put`](Self::put), where little waits already: for what can be left out.
    pub(super) fn offer(&self, item: Item) -> bool {
        let has_room = self.queue.lock().waiting.len() <= ENOUGH;
        has_room && self.put(item)
    }

    /// Wakes the reader, if it waits.
    pub(super) fn wake(&self) {
        let mut queue = self.queue.lock();
        queue.stirred = false;
        if let Some(waker) = queue.waker.take() {
            queue.awaited = true;
            self.pace.awaited.fetch_add(1, Relaxed);
            drop(queue);
            waker.wake();
        }
    }

    /// Ends the stream after what waits.
    pub(super) fn end(&self) {
        self.queue.lock().ended = true;
        self.room.notify_one();
        self.wake();
    }

    /// Waits until little waits for the reader. False once the stream has ended.
    pub(super) async fn has_room(&self) -> bool {
        loop {
            {
                let queue = self.queue.lock();
                if queue.ended || queue.waiting.len() <= ENOUGH {
                    return !queue.ended;
                }
            }
            self.room.notified().await;
        }
    }

    /// What waits, up to about a part; none at the end.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<Item>>> {
        let mut queue = self.queue.lock();
        if std::mem::take(&mut queue.awaited) {
            self.pace.looked();
        }
        if queue.waiting.is_empty() {
            if queue.ended {
                return Poll::Ready(None);
            }
            // Whatever was put in so far has been taken.
            queue.stirred = false;
            queue.waiting.shrink_to_fit();
            queue.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < PART
            && let Some(item) = queue.waiting.pop_front()
        {
            bytes += if let Item::Event(text) = &item { text.len() } else { 0 };
            taken.push(item);
        }
        self.room.notify_one();
        Poll::Ready(Some(taken))
    }

    /// The reader has gone.
    pub(super) fn left(&self) {
        let mut queue = self.queue.lock();
        queue.ended = true;
        queue.waiting = VecDeque::new();
        queue.waker = None;
        if std::mem::take(&mut queue.awaited) {
            self.pace.looked();
        }
        self.room.notify_one();
    }
}
