//! Slows down guessing: counts failed logins, never successes.
//!
//! After [`PER_ACCOUNT`] failures within [`WINDOW`] for one account from one address, or [`PER_ADDRESS`] from one
//! address, logins are refused until enough of those failures are older than the window. Nobody is locked out for
//! good, and nobody can lock out someone else who comes from another address. An attempt reserves its place before the
//! password is looked at, so that guesses sent all at once count as those sent one by one.
//!
//! Codes of a second factor have so few digits that they are counted for their user from all addresses together: only
//! who knows the password gets as far as to try one.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::{Clock, Millis};
use crate::error::{Error, Kind, Result};
use crate::model::network::network;

/// Failures for one account from one address, and wrong codes of one user from anywhere, before it has to wait.
pub const PER_ACCOUNT: usize = 10;
/// Failures from one address, whatever the accounts, before it has to wait.
pub const PER_ADDRESS: usize = 50;
/// How long a failure counts.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Accounts and addresses remembered at once; those with the fewest failures go first, and of these the oldest.
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
    /// The second factor of a user, whatever the address.
    Code(i64),
    /// An agent from an address.
    Agent(i64, Option<IpAddr>),
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
    keys: Vec<Key>,
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
        let account = Key::Account(self.shared.names.hash_one(account), address);
        self.reserved(vec![account, Key::Address(address)]).await
    }

    /// Reserves an attempt at a code of a user's second factor, as [`attempt`](Self::attempt) does at a password.
    ///
    /// # Errors
    /// 429 with `Retry-After` after too many wrong codes.
    pub async fn attempt_code(&self, user: i64) -> Result<Attempt> {
        self.reserved(vec![Key::Code(user)]).await
    }

    /// Counts a failed handshake that claimed to be `agent`, known or not. Unlike a login it was judged already: an agent
    /// with the right secret is let in whatever was counted.
    ///
    /// # Errors
    /// 429 with `Retry-After` after too many failures. Those are counted no further.
    pub fn handshake_failed(&self, agent: Option<i64>, address: Option<IpAddr>) -> Result<()> {
        let address = address.map(network);
        let of_agent = agent.map(|agent| Key::Agent(agent, address));
        let keys: Vec<_> = of_agent.into_iter().chain([Key::Address(address)]).collect();
        match self.shared.reserve(&keys) {
            Room::Free => {
                self.shared.settle(&keys, Some(false));
                Ok(())
            }
            Room::Used(wait) => Err(too_many(wait)),
            // Another one is counted at this very moment.
            Room::Held => Err(too_many(WINDOW)),
        }
    }

    /// An agent proved itself: its failures from this address are forgotten.
    pub fn handshake_succeeded(&self, agent: i64, address: Option<IpAddr>) {
        self.shared.windows.lock().remove(&Key::Agent(agent, address.map(network)));
    }

    async fn reserved(&self, keys: Vec<Key>) -> Result<Attempt> {
        loop {
            let mut settled = std::pin::pin!(self.shared.settled.notified());
            settled.as_mut().enable();
            match self.shared.reserve(&keys) {
                Room::Free => return Ok(Attempt { shared: self.shared.clone(), keys, outcome: None }),
                Room::Used(wait) => {
                    return Err(too_many(wait));
                }
                Room::Held => settled.await,
            }
        }
    }
}

/// Who tried too often, and is answered for how many whole minutes to wait: whoever waits them has waited long enough.
fn too_many(wait: Duration) -> Error {
    let message = match wait.as_secs().div_ceil(60).max(1) {
        1 => "Too many attempts. Try again in 1 minute.".to_owned(),
        minutes => format!("Too many attempts. Try again in {minutes} minutes."),
    };
    Error::new(Kind::TooMany, "too_many_attempts", message).retry_after(wait)
}

impl Attempt {
    /// The password or the code was wrong, or there is no such user.
    pub fn failed(mut self) {
        self.outcome = Some(false);
    }

    /// It was right: the account's failures from this address are forgotten, or the user's wrong codes.
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
            Self::Account(..) | Self::Code(_) | Self::Agent(..) => PER_ACCOUNT,
            Self::Address(_) => PER_ADDRESS,
        }
    }
}

impl Window {
    /// Forgets failures older than the window. Times are the monotonic clock's.
    fn prune(&mut self, now: Millis) {
        self.failures.retain(|&at| now - at < millis(WINDOW));
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
    fn reserve(&self, keys: &[Key]) -> Room {
        let now = self.clock.elapsed();
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

    fn settle(&self, keys: &[Key], outcome: Option<bool>) {
        let now = self.clock.elapsed();
        let mut windows = self.windows.lock();
        for key in keys {
            let Some(window) = windows.get_mut(key) else { continue };
            window.in_flight = window.in_flight.saturating_sub(1);
            match (outcome, key) {
                (Some(false), _) => window.failures.push_back(now),
                (Some(true), Key::Account(..) | Key::Code(_) | Key::Agent(..)) => window.failures.clear(),
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

/// Makes room: what is forgotten anyway, else the eighth with the fewest failures and of these the oldest, so that
/// whoever has many addresses and fails once from each wipes out nobody's count. Many at once, so that they cannot make
/// every login pay for a walk through the map. Wrong codes stay: there are no more of these counts than users, and whoever
/// guesses at a code must not make theirs be forgotten.
fn evict(windows: &mut HashMap<Key, Window>, now: Millis) {
    windows.retain(|_, window| {
        window.prune(now);
        window.in_flight > 0 || !window.failures.is_empty()
    });
    if windows.len() < MAX_KEYS - MAX_KEYS / 8 {
        return;
    }
    let weight = |key: &Key, window: &Window| match key {
        Key::Account(..) | Key::Address(_) if window.in_flight == 0 => {
            window.failures.back().map(|&last| (window.failures.len(), last))
        }
        _ => None,
    };
    let mut weights: Vec<_> = windows.iter().filter_map(|(key, window)| weight(key, window)).collect();
    if weights.is_empty() {
        return;
    }
    let nth = (MAX_KEYS / 8).min(weights.len() - 1);
    let (_, &mut cut, _) = weights.select_nth_unstable(nth);
    let mut spare = nth + 1;
    windows.retain(|key, window| {
        let goes = spare > 0 && weight(key, window).is_some_and(|weight| weight <= cut);
        spare -= usize::from(goes);
        !goes
    });
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests;
