//! Tokens that let a user who forgot the password choose a new one, once.
//!
//! Whoever may manage the user makes one and hands it over; there is no mail. It has 256 random bits, of which only the
//! SHA-256 is stored.

use std::fmt;

use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::session::fresh_token;
use crate::clock::Millis;
use crate::error::Result;
use crate::text::bare;

/// How long a token is good: an hour.
pub const LIFETIME: Millis = 60 * 60 * 1000;
/// How long the token of a first start is good: a day.
pub const FIRST_LIFETIME: Millis = 24 * LIFETIME;

/// The hash under which a reset is kept: the SHA-256 of its token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResetKey(pub [u8; 32]);

impl ResetKey {
    /// The key of a token, whatever was copied along with it.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(bare(token)).into())
    }
}

impl fmt::Debug for ResetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetKey")
    }
}

/// A fresh token and its key. The text is known only now.
///
/// # Errors
/// The system has no randomness to give.
pub fn fresh() -> Result<(SecretString, ResetKey)> {
    let token = fresh_token()?;
    let key = ResetKey::of(&token);
    Ok((SecretString::from(token.as_str()), key))
}
