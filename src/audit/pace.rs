//! Slows whoever changes things without end, since each change makes an entry of the audit log that is never dropped.
//!
//! A user, with all their sessions and tokens, may make [`BURST`] changes at once and one every [`EACH`] for ever; what
//! comes faster waits, and what would wait too long is refused. Superadmins and the local operator are not slowed.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::auth::Caller;
use crate::error::{Error, Kind, Result};
use crate::model::permission::Role;

/// Changes that may be made at once.
const BURST: u32 = 20_000;
/// The time in which one more may be made.
const EACH: Duration = Duration::from_millis(10);
/// The longest that a change waits for its turn.
const LONGEST: Duration = Duration::from_secs(5);
/// Users who are remembered before those are forgotten who may make all changes again.
const MANY: usize = 1024;

/// How much the users have changed lately: when each may make all of [`BURST`] again.
#[derive(Default)]
pub struct Pace(Mutex<HashMap<i64, Instant>>);

impl Pace {
    /// Waits until the caller may make one more change.
    ///
    /// # Errors
    /// 429 if that is too far away.
    pub async fn turn(&self, caller: &Caller) -> Result<()> {
        let Some(account) = caller.account().filter(|account| account.role != Role::Superadmin) else {
            return Ok(());
        };
        let wait = self.reserve(account.id, Instant::now())?;
        if !wait.is_zero() {
            sleep(wait).await;
        }
        Ok(())
    }

    /// Takes a change of the user's, and tells how long it has to wait.
    fn reserve(&self, user: i64, now: Instant) -> Result<Duration> {
        let mut whole = self.0.lock();
        if whole.len() >= MANY && !whole.contains_key(&user) {
            whole.retain(|_, at| *at > now);
        }
        let at = whole.entry(user).or_insert(now);
        let after = (*at).max(now) + EACH;
        let wait = (after - now).saturating_sub(EACH * BURST);
        if wait > LONGEST {
            let message = "Too many changes in a short time. Nothing was changed; wait some seconds, then go on slower.";
            return Err(Error::new(Kind::TooManyRequests, "too_many_changes", message).retry_after(wait));
        }
        *at = after;
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn whoever_floods_is_slowed_and_nobody_else() {
        let (pace, now) = (Pace::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(pace.reserve(1, now).unwrap(), Duration::ZERO);
        }
        assert_eq!(pace.reserve(1, now).unwrap(), EACH);
        let held = (0..10_000).take_while(|_| pace.reserve(1, now).is_ok()).count();
        assert_eq!(held, 499, "five seconds of them");
        let refused = pace.reserve(1, now).unwrap_err();
        assert_eq!((refused.code(), refused.kind()), ("too_many_changes", Kind::TooManyRequests));
        assert_eq!(pace.reserve(2, now).unwrap(), Duration::ZERO);
        // A change every so often for ever.
        let mut later = now + LONGEST;
        for _ in 0..1000 {
            later += EACH;
            assert_eq!(pace.reserve(1, later).unwrap(), Duration::ZERO);
        }
        assert_eq!(pace.reserve(1, later + EACH * BURST * 2).unwrap(), Duration::ZERO);
    }
}
