//! Slows down guessing: counts failed logins, never successes.
//!
//! After [`PER_ACCOUNT`] failures within [`WINDOW`] for one account from one address, or [`PER_ADDRESS`] from one
//! address, logins are refused until enough of those failures are older than the window. Nobody is locked out for
//! good, and nobody can lock out someone else who comes from another address. An attempt reserves its place before the
//! password is looked at, so that guesses sent all at once count as those sent one by one.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::{Clock, Millis};
use crate::error::{Error, Kind, Result};

/// Failures for one account from one address before it has to wait.
pub const PER_ACCOUNT: usize = 10;
/// Failures from one address, whatever the accounts, before it has to wait.
pub const PER_ADDRESS: usize = 50;
/// How long a failure counts.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Accounts and addresses remembered at once; those whose last failure is the oldest go first.
const MAX_KEYS: usize = 16_384;

/// The failed logins of the last minutes.
pub struct Throttle {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    names: RandomState,
    windows: Mutex<HashMap<Key, Window>>,
    settled: Notify,
}

/// What failures are counted for. Addresses are those of [`network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// An account from an address; the account as a keyed hash of the name, which may be anything.
    Account(u64, Option<IpAddr>),
    Address(Option<IpAddr>),
}

#[derive(Default)]
struct Window {
    /// When the counted failures happened, oldest first; never more than the key's limit.
    failures: VecDeque<Millis>,
    in_flight: usize,
}

enum Room {
    Free,
    /// Attempts under way hold the rest.
    Held,
    /// Too many failures; the time until the oldest is forgotten.
    Used(Duration),
}

/// A login under way. Dropped without a word it counts as neither failed nor succeeded.
#[must_use = "an attempt must be settled as failed or succeeded"]
pub struct Attempt {
    shared: Arc<Shared>,
    keys: [Key; 2],
    outcome: Option<bool>,
}

impl Throttle {
    /// No failures yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                names: RandomState::new(),
                windows: Mutex::default(),
                settled: Notify::new(),
            }),
        }
    }

    /// Reserves an attempt on `account` (the user name as it was typed) from `address`, before the password is looked
    /// at. Waits while other attempts under way could still use up the allowance.
    ///
    /// # Errors
    /// 429 with `Retry-After` after too many failures.
    pub async fn attempt(&self, account: &str, address: Option<IpAddr>) -> Result<Attempt> {
        let address = address.map(network);
        let keys = [Key::Account(self.shared.names.hash_one(account), address), Key::Address(address)];
        loop {
            let mut settled = std::pin::pin!(self.shared.settled.notified());
            settled.as_mut().enable();
            match self.shared.reserve(&keys) {
                Room::Free => return Ok(Attempt { shared: self.shared.clone(), keys, outcome: None }),
                Room::Used(wait) => {
                    return Err(Error::new(
                        Kind::TooManyRequests,
                        "too_many_attempts",
                        "Too many failed logins. Wait for the time that Retry-After names, then try again.",
                    )
                    .retry_after(wait));
                }
                Room::Held => settled.await,
            }
        }
    }
}

impl Attempt {
    /// The password was wrong, or there is no such user.
    pub fn failed(mut self) {
        self.outcome = Some(false);
    }

    /// The password was right: the account's failures from this address are forgotten.
    pub fn succeeded(mut self) {
        self.outcome = Some(true);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.settle(&self.keys, self.outcome);
    }
}

impl Key {
    fn limit(self) -> usize {
        match self {
            Self::Account(..) => PER_ACCOUNT,
            Self::Address(_) => PER_ADDRESS,
        }
    }
}

impl Window {
    /// Forgets failures older than the window. One from the future means that the wall clock was set back; it is
    /// forgotten too, for it could lock someone out for longer than the window.
    fn prune(&mut self, now: Millis) {
        self.failures.retain(|&at| at <= now && now - at < millis(WINDOW));
    }

    fn room(&self, limit: usize, now: Millis) -> Room {
        match self.failures.front() {
            Some(&oldest) if self.failures.len() >= limit => {
                let left = (oldest + millis(WINDOW) - now).max(0).unsigned_abs();
                Room::Used(Duration::from_millis(left))
            }
            _ if self.failures.len() + self.in_flight >= limit => Room::Held,
            _ => Room::Free,
        }
    }
}

impl Shared {
    fn reserve(&self, keys: &[Key; 2]) -> Room {
        let now = self.clock.now();
        let mut windows = self.windows.lock();
        let mut held = false;
        for key in keys {
            let Some(window) = windows.get_mut(key) else { continue };
            window.prune(now);
            match window.room(key.limit(), now) {
                Room::Free => {}
                Room::Held => held = true,
                used @ Room::Used(_) => return used,
            }
        }
        if held {
            return Room::Held;
        }
        if windows.len() + keys.len() > MAX_KEYS {
            evict(&mut windows, now);
        }
        for key in keys {
            windows.entry(*key).or_default().in_flight += 1;
        }
        Room::Free
    }

    fn settle(&self, keys: &[Key; 2], outcome: Option<bool>) {
        let now = self.clock.now();
        let mut windows = self.windows.lock();
        for key in keys {
            let Some(window) = windows.get_mut(key) else { continue };
            window.in_flight = window.in_flight.saturating_sub(1);
            match (outcome, key) {
                (Some(false), _) => window.failures.push_back(now),
                (Some(true), Key::Account(..)) => window.failures.clear(),
                (Some(true), Key::Address(_)) | (None, _) => {}
            }
            if window.failures.is_empty() && window.in_flight == 0 {
                windows.remove(key);
            }
        }
        drop(windows);
        self.settled.notify_waiters();
    }
}

/// Makes room: what is forgotten anyway, else the eighth whose last failure is the oldest. Many at once, so that
/// someone with many addresses cannot make every login pay for a walk through the map.
fn evict(windows: &mut HashMap<Key, Window>, now: Millis) {
    windows.retain(|_, window| {
        window.prune(now);
        window.in_flight > 0 || !window.failures.is_empty()
    });
    if windows.len() < MAX_KEYS - MAX_KEYS / 8 {
        return;
    }
    let mut last: Vec<Millis> = windows
        .values()
        .filter(|window| window.in_flight == 0)
        .filter_map(|window| window.failures.back().copied())
        .collect();
    if last.is_empty() {
        return;
    }
    let nth = (MAX_KEYS / 8).min(last.len() - 1);
    let (_, &mut cut, _) = last.select_nth_unstable(nth);
    let mut spare = nth + 1;
    windows.retain(|_, window| {
        let goes = window.in_flight == 0 && window.failures.back().is_some_and(|&at| at <= cut) && spare > 0;
        spare -= usize::from(goes);
        !goes
    });
}

/// The address failures are counted under: IPv6 by /64, which is what one customer gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::default();
        (Throttle::new(clock.clone()), clock)
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    async fn fail(throttle: &Throttle, account: &str, from: Option<IpAddr>, times: usize) {
        for _ in 0..times {
            throttle.attempt(account, from).await.unwrap().failed();
        }
    }

    async fn refused(throttle: &Throttle, account: &str, from: Option<IpAddr>) -> Option<Duration> {
        match throttle.attempt(account, from).await {
            Ok(_) => None,
            Err(e) => {
                assert_eq!(e.kind(), Kind::TooManyRequests);
                e.retry_delay()
            }
        }
    }

    #[tokio::test]
    async fn ten_failures_for_an_account_from_an_address_until_the_window_has_passed() {
        let (throttle, clock) = throttle();
        let here = address("192.0.2.1");
        fail(&throttle, "admin", here, 1).await;
        clock.advance(Duration::from_secs(60));
        fail(&throttle, "admin", here, 9).await;
        let wait = refused(&throttle, "admin", here).await.unwrap();
        assert!(wait <= Duration::from_secs(240) && wait > Duration::from_secs(235), "{wait:?}");
        assert_eq!(refused(&throttle, "bob", here).await, None, "another account");
        assert_eq!(refused(&throttle, "admin", address("192.0.2.2")).await, None, "another address");
        clock.advance(wait);
        fail(&throttle, "admin", here, 1).await;
        assert!(refused(&throttle, "admin", here).await.is_some(), "nine of the ten still count");
        clock.advance(WINDOW);
        assert_eq!(refused(&throttle, "admin", here).await, None);
    }

    #[tokio::test]
    async fn fifty_failures_from_an_address_whatever_the_accounts() {
        let (throttle, clock) = throttle();
        let here = address("192.0.2.1");
        for i in 0..PER_ADDRESS {
            fail(&throttle, &format!("user{i}"), here, 1).await;
        }
        assert!(refused(&throttle, "someone", here).await.is_some());
        assert_eq!(refused(&throttle, "someone", address("192.0.2.2")).await, None);
        clock.advance(WINDOW);
        assert_eq!(refused(&throttle, "someone", here).await, None);
    }

    #[tokio::test]
    async fn a_success_clears_the_account_but_not_the_address() {
        let (throttle, _clock) = throttle();
        let here = address("192.0.2.1");
        for _ in 0..5 {
            fail(&throttle, "admin", here, 9).await;
            throttle.attempt("admin", here).await.unwrap().succeeded();
        }
        fail(&throttle, "admin", here, 5).await;
        assert!(refused(&throttle, "admin", here).await.is_some(), "fifty failures from this address");
    }

    #[tokio::test]
    async fn successes_never_count() {
        let (throttle, _clock) = throttle();
        for _ in 0..200 {
            throttle.attempt("admin", address("192.0.2.1")).await.unwrap().succeeded();
        }
        assert!(throttle.shared.windows.lock().is_empty(), "and leave nothing behind");
    }

    #[tokio::test]
    async fn guesses_sent_at_once_count_like_those_sent_one_by_one() {
        let (throttle, _clock) = throttle();
        let throttle = Arc::new(throttle);
        let guesses: Vec<_> = (0..1000)
            .map(|_| {
                let throttle = throttle.clone();
                tokio::spawn(async move {
                    let Ok(attempt) = throttle.attempt("admin", address("192.0.2.1")).await else {
                        return 0;
                    };
                    tokio::task::yield_now().await;
                    attempt.failed();
                    1
                })
            })
            .collect();
        let mut looked_at = 0;
        for guess in guesses {
            looked_at += guess.await.unwrap();
        }
        assert_eq!(looked_at, PER_ACCOUNT);
    }

    #[tokio::test]
    async fn many_good_logins_at_once_all_come_through() {
        let (throttle, _clock) = throttle();
        let throttle = Arc::new(throttle);
        let logins: Vec<_> = (0..200)
            .map(|_| {
                let throttle = throttle.clone();
                tokio::spawn(async move {
                    let attempt = throttle.attempt("admin", address("192.0.2.1")).await?;
                    tokio::task::yield_now().await;
                    attempt.succeeded();
                    Ok::<_, Error>(())
                })
            })
            .collect();
        for login in logins {
            login.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn an_abandoned_attempt_is_given_back() {
        let (throttle, _clock) = throttle();
        for _ in 0..100 {
            drop(throttle.attempt("admin", address("192.0.2.1")).await.unwrap());
        }
        assert!(throttle.shared.windows.lock().is_empty());
    }

    #[tokio::test]
    async fn ipv6_counts_by_64_and_mapped_ipv4_as_ipv4() {
        let (throttle, _clock) = throttle();
        for i in 0..10 {
            fail(&throttle, "admin", address(&format!("2001:db8:0:1::{i}")), 1).await;
            fail(&throttle, "bob", address("::ffff:192.0.2.1"), 1).await;
        }
        assert!(refused(&throttle, "admin", address("2001:db8:0:1:ffff::1")).await.is_some());
        assert_eq!(refused(&throttle, "admin", address("2001:db8:0:2::1")).await, None);
        assert!(refused(&throttle, "bob", address("192.0.2.1")).await.is_some());
    }

    #[tokio::test]
    async fn a_clock_set_back_locks_nobody_out() {
        let (throttle, clock) = throttle();
        let here = address("192.0.2.1");
        fail(&throttle, "admin", here, 10).await;
        for window in throttle.shared.windows.lock().values_mut() {
            for at in &mut window.failures {
                *at += millis(WINDOW) * 100;
            }
        }
        assert_eq!(refused(&throttle, "admin", here).await, None);
        drop(clock);
    }

    #[tokio::test]
    async fn the_number_of_keys_is_bounded_and_the_oldest_go() {
        let (throttle, clock) = throttle();
        for i in 0..2 * MAX_KEYS as u32 {
            if i % 1000 == 0 {
                clock.advance(Duration::from_millis(10));
            }
            fail(&throttle, "admin", Some(IpAddr::from(i.to_be_bytes())), 1).await;
        }
        let windows = throttle.shared.windows.lock();
        assert!(windows.len() <= MAX_KEYS, "{}", windows.len());
        let newest = IpAddr::from((2 * MAX_KEYS as u32 - 1).to_be_bytes());
        assert!(windows.contains_key(&Key::Address(Some(newest))));
        assert!(!windows.contains_key(&Key::Address(Some(IpAddr::from(0_u32.to_be_bytes())))));
    }
}
