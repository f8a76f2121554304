//! Tokens that let a user who forgot the password choose a new one, once.
//!
//! Whoever may manage the user makes one and hands it over; there is no mail. It has 256 random bits, of which only the
//! SHA-256 is stored.

use secrecy::SecretString;

use super::session::fresh_token;
use crate::clock::Millis;
use crate::error::Result;
use crate::model::digest::Digest;
use crate::text::bare;

/// How long a token is good: an hour.
pub const LIFETIME: Millis = 60 * 60 * 1000;
/// How long the token of a first start is good: a day.
pub const FIRST_LIFETIME: Millis = 24 * LIFETIME;
/// What would be good for longer was made by a clock that was wrong; one that was set by minutes is no such.
pub const LONGEST: Millis = FIRST_LIFETIME + LIFETIME;

/// The digest of a token, whatever was copied along with it.
pub fn digest(token: &str) -> Digest {
    Digest::of(bare(token))
}

/// A fresh token and its digest. The text is known only now.
///
/// # Errors
/// The system has no randomness to give.
pub fn fresh() -> Result<(SecretString, Digest)> {
    let token = fresh_token()?;
    let digest = digest(&token);
    Ok((SecretString::from(token.as_str()), digest))
}
