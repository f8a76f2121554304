//! The answers under way: how many, and how much memory they hold, of one user and in all.
//!
//! An answer is under way from the moment its request is let in until its last byte was written to the socket: a client
//! that does not read uses up its own share and nobody else's. What is asked without a session is not counted; those
//! answers are short, and logins have their own bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::config::Limits;
use crate::error::{Error, Kind, Result};

/// Answers up to this size count as nothing: sockets take them at once.
const SMALL: usize = 16 * 1024;
/// The bytes that larger answers may hold, of one user and in all. A single one is never refused for its size.
const MOST_OF_USER: usize = 8 * 1024 * 1024;
const MOST_IN_ALL: usize = 64 * 1024 * 1024;
/// When somebody who was refused may try again.
const RETRY: Duration = Duration::from_secs(1);

/// The answers of a listener that are under way.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: Count,
    users: FxHashMap<i64, Count>,
}

#[derive(Default)]
struct Count {
    answers: usize,
    bytes: usize,
}

/// An answer under way, until this is dropped.
pub(super) struct Slot {
    under_way: Arc<UnderWay>,
    user: i64,
    /// What it holds, changed only while the counts are locked.
    bytes: AtomicUsize,
}

impl UnderWay {
    /// Lets a request of `user` in.
    ///
    /// # Errors
    /// 503 if as many answers are under way as the limits allow.
    pub(super) fn begin(self: &Arc<Self>, user: i64, limits: &Limits) -> Result<Slot> {
        let mut counts = self.0.lock();
        let Counts { all, users } = &mut *counts;
        if limits.answers > 0 && all.answers >= limits.answers {
            return Err(busy());
        }
        let own = users.entry(user).or_default();
        if limits.answers_per_user > 0 && own.answers >= limits.answers_per_user {
            return Err(too_many(format!(
                "{} answers to this user are still under way, as many as limits.answersPerUser allows. Wait until \
                 some have arrived, and try again.",
                own.answers
            )));
        }
        own.answers += 1;
        all.answers += 1;
        drop(counts);
        Ok(Slot { under_way: self.clone(), user, bytes: AtomicUsize::new(0) })
    }
}

impl Slot {
    /// Counts the memory that the answer holds.
    ///
    /// # Errors
    /// 503 if other answers hold too much already.
    pub(super) fn hold(&self, bytes: usize) -> Result<()> {
        if bytes <= SMALL {
            return Ok(());
        }
        let mut counts = self.under_way.0.lock();
        let Counts { all, users } = &mut *counts;
        if all.bytes > 0 && all.bytes + bytes > MOST_IN_ALL {
            return Err(busy());
        }
        let own = users.entry(self.user).or_default();
        if own.bytes > 0 && own.bytes + bytes > MOST_OF_USER {
            return Err(too_many(
                "Too many long answers to this user are still under way. Read them, and try again."
                    .to_owned(),
            ));
        }
        own.bytes += bytes;
        all.bytes += bytes;
        self.bytes.fetch_add(bytes, Relaxed);
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.under_way.0.lock();
        let Counts { all, users } = &mut *counts;
        let bytes = self.bytes.load(Relaxed);
        all.answers -= 1;
        all.bytes -= bytes;
        if let Some(own) = users.get_mut(&self.user) {
            own.answers -= 1;
            own.bytes -= bytes;
            if own.answers == 0 {
                users.remove(&self.user);
            }
        }
    }
}

fn too_many(message: String) -> Error {
    Error::new(Kind::Unavailable, "too_many_answers", message).retry_after(RETRY)
}

fn busy() -> Error {
    let message = "The server has as many answers under way as it may. Try again in a moment.";
    Error::new(Kind::Unavailable, "busy", message).retry_after(RETRY)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn limits(answers: usize, answers_per_user: usize) -> Limits {
        Limits { answers, answers_per_user, ..Limits::default() }
    }

    fn code<T>(result: Result<T>) -> Option<&'static str> {
        result.err().map(|e| e.code())
    }

    #[test]
    fn a_user_has_a_share_and_all_have_the_whole() {
        let (under_way, limits) = (Arc::new(UnderWay::default()), limits(3, 2));
        let first = under_way.begin(1, &limits).unwrap();
        let _second = under_way.begin(1, &limits).unwrap();
        assert_eq!(code(under_way.begin(1, &limits)), Some("too_many_answers"));
        let other = under_way.begin(2, &limits).unwrap();
        assert_eq!(code(under_way.begin(3, &limits)), Some("busy"));
        drop(other);
        assert_eq!(code(under_way.begin(1, &limits)), Some("too_many_answers"));
        drop(first);
        assert!(under_way.begin(1, &limits).is_ok());
        let _all: Vec<_> = (0..9).map(|_| under_way.begin(9, &self::limits(0, 0)).unwrap()).collect();
    }

    #[test]
    fn memory_is_counted_and_given_back() {
        let (under_way, limits) = (Arc::new(UnderWay::default()), limits(0, 0));
        let begin = |user| under_way.begin(user, &limits).unwrap();
        let large = begin(1);
        large.hold(100 * MIB).unwrap();
        assert_eq!(code(begin(2).hold(MIB)), Some("busy"));
        begin(2).hold(SMALL).unwrap();
        drop(large);
        let (one, two, three) = (begin(1), begin(1), begin(1));
        one.hold(5 * MIB).unwrap();
        assert_eq!(code(two.hold(5 * MIB)), Some("too_many_answers"));
        three.hold(3 * MIB).unwrap();
        begin(2).hold(5 * MIB).unwrap();
        drop((one, two, three));
        let counts = under_way.0.lock();
        assert_eq!((counts.all.answers, counts.all.bytes, counts.users.len()), (0, 0, 0));
    }
}
