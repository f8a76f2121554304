//! Recovery codes: what lets a user in who lost the authenticator, each of them once.
//!
//! They are random and long, so that a plain SHA-256 is all that is stored of them.

use std::fmt;

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Codes that a user gets at once.
pub const CODES: usize = 10;

/// Random bytes of a code: 80 bits, which are 16 characters of base32.
const BYTES: usize = 10;
/// Characters between two hyphens.
const GROUP: usize = 4;

/// The hash a code is kept under: the SHA-256 of its characters without the hyphens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecoveryKey(pub [u8; 32]);

impl RecoveryKey {
    /// The key of a code without hyphens and in upper case.
    pub(super) fn of_plain(plain: &str) -> Self {
        Self(Sha256::digest(plain).into())
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey")
    }
}

/// A fresh code and its key. The text is known only now.
///
/// # Errors
/// The system has no randomness to give.
pub fn fresh() -> Result<(SecretString, RecoveryKey)> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *bytes).map_err(Error::internal)?;
    let alphabet = base32::Alphabet::Rfc4648 { padding: false };
    let plain = Zeroizing::new(base32::encode(alphabet, &*bytes));
    let mut text = Zeroizing::new(String::with_capacity(plain.len() + plain.len() / GROUP));
    for (i, c) in plain.chars().enumerate() {
        if i > 0 && i % GROUP == 0 {
            text.push('-');
        }
        text.push(c);
    }
    Ok((text.as_str().into(), RecoveryKey::of_plain(&plain)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use secrecy::ExposeSecret;

    use super::super::Code;
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_made_however_it_is_typed() {
        let (text, key) = fresh().unwrap();
        let text = text.expose_secret();
        assert_eq!((text.len(), text.matches('-').count()), (19, 3), "{text}");
        let lower = text.to_lowercase();
        for typed in [text, &lower, &lower.replace('-', " "), &text.replace('-', "")] {
            assert!(matches!(Code::read(typed), Some(Code::Recovery(read)) if read == key), "{typed}");
        }
        assert!(fresh().unwrap().1 != key);
    }
}
