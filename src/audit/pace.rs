//! Slows whoever changes things without end, since each change makes an entry of the audit log that is never dropped.
//!
//! A user, with all their sessions and tokens, may make [`BURST`] changes at once and one every [`EACH`] for ever; what
//! comes faster waits, and what would wait too long is refused. Superadmins and the local operator are not slowed.
//!
//! What a user does to shut somebody out, such as a new password or revoking a token, has a room of its own for each
//! session and token: whoever floods with a stolen one must not hold that up.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::Action;
use crate::auth::Caller;
use crate::error::{Error, Kind, Result};
use crate::model::digest::Digest;
use crate::model::permission::Role;

/// Changes that may be made at once, and those of them that shut somebody out.
const BURST: u32 = 20_000;
const GUARDING_BURST: u32 = 1000;
/// The time in which one more may be made.
const EACH: Duration = Duration::from_millis(10);
/// The longest that a change waits for its turn.
const LONGEST: Duration = Duration::from_secs(5);
/// Keys that are remembered before those are forgotten that may make all changes again.
const MANY: usize = 1024;

/// How much was changed lately: when all of a burst may be made again.
#[derive(Default)]
pub struct Pace(Mutex<HashMap<Key, Instant>>);

/// Whose changes are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    User(i64),
    /// What shuts somebody out, by a session.
    Session(Digest),
    /// The same by a token.
    Token(i64),
}

impl Key {
    fn of(caller: &Caller, action: Action) -> Option<Self> {
        let account = caller.account().filter(|account| account.role != Role::Superadmin)?;
        Some(match caller {
            Caller::User { session, .. } if shuts_out(action) => Self::Session(*session),
            Caller::Token { token, .. } if shuts_out(action) => Self::Token(token.row.id),
            _ => Self::User(account.id),
        })
    }

    fn burst(self) -> u32 {
        if let Self::User(_) = self { BURST } else { GUARDING_BURST }
    }
}

/// Whether an action takes something away from whoever may have it without right.
fn shuts_out(action: Action) -> bool {
    matches!(
        action,
        Action::UserUpdate
            | Action::SessionEnd
            | Action::TokenRevoke
            | Action::EnrolmentRevoke
            | Action::TotpBegin
            | Action::TotpEnable
            | Action::TotpDisable
            | Action::ShareDelete
            | Action::AgentRotateSecret
    )
}

impl Pace {
    /// Waits until the caller may make one more change.
    ///
    /// # Errors
    /// 429 if that is too far away.
    pub async fn turn(&self, caller: &Caller, action: Action) -> Result<()> {
        let Some(key) = Key::of(caller, action) else { return Ok(()) };
        let wait = self.reserve(key, Instant::now())?;
        if !wait.is_zero() {
            sleep(wait).await;
        }
        Ok(())
    }

    /// Takes one change, and tells how long it has to wait.
    fn reserve(&self, key: Key, now: Instant) -> Result<Duration> {
        let mut whole = self.0.lock();
        if whole.len() >= MANY && !whole.contains_key(&key) {
            whole.retain(|_, at| *at > now);
        }
        let at = whole.entry(key).or_insert(now);
        let after = (*at).max(now) + EACH;
        let wait = (after - now).saturating_sub(EACH * key.burst());
        if wait > LONGEST {
            let message = "Too many changes in a short time. Nothing was changed; wait some seconds, then go on slower.";
            return Err(Error::new(Kind::TooMany, "too_many_changes", message).retry_after(wait));
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
            assert_eq!(pace.reserve(Key::User(1), now).unwrap(), Duration::ZERO);
        }
        assert_eq!(pace.reserve(Key::User(1), now).unwrap(), EACH);
        let held = (0..10_000).take_while(|_| pace.reserve(Key::User(1), now).is_ok()).count();
        assert_eq!(held, 499, "five seconds of them");
        let refused = pace.reserve(Key::User(1), now).unwrap_err();
        assert_eq!((refused.code(), refused.kind()), ("too_many_changes", Kind::TooMany));
        assert_eq!(pace.reserve(Key::User(2), now).unwrap(), Duration::ZERO);
        assert_eq!(pace.reserve(Key::Token(1), now).unwrap(), Duration::ZERO, "it can be shut out");
        // A change every so often for ever.
        let mut later = now + LONGEST;
        for _ in 0..1000 {
            later += EACH;
            assert_eq!(pace.reserve(Key::User(1), later).unwrap(), Duration::ZERO);
        }
        assert_eq!(pace.reserve(Key::User(1), later + EACH * BURST * 2).unwrap(), Duration::ZERO);
    }
}
