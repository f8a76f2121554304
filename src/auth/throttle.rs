//! Slows down guessing: counts failed logins, never successes. (Bodies follow.)

use std::net::IpAddr;

use crate::clock::Clock;
use crate::error::Result;

/// The failed logins of the last minutes.
pub struct Throttle {}

/// A login under way. Dropped without a word it counts as neither failed nor succeeded.
#[must_use]
pub struct Attempt {}

impl Throttle {
    /// No failures yet.
    pub fn new(clock: Clock) -> Self {
        let _ = clock;
        Self {}
    }

    /// Reserves an attempt on `account` (the user name as it was typed) from `address`, before the password is looked
    /// at. Waits while other attempts under way could still use up the allowance.
    ///
    /// # Errors
    /// 429 with `Retry-After` after too many failures.
    pub async fn attempt(&self, account: &str, address: Option<IpAddr>) -> Result<Attempt> {
        let _ = (account, address);
        Ok(Attempt {})
    }
}

impl Attempt {
    /// The password was wrong, or there is no such user.
    pub fn failed(self) {}

    /// The password was right: the account's failures from this address are forgotten.
    pub fn succeeded(self) {}
}
