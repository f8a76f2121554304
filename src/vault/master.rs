//! The master key: a text that only the operator and the server know.
//!
//! It is random, not a passphrase: HKDF turns any text into a key, and stretches none. A text that no key generator
//! can have made is refused.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::KeyError;
use super::key::Key;
use crate::text::unmarked;

/// The fewest characters of a key: 128 bits in hexadecimal digits.
const SHORTEST: usize = 32;
/// The fewest different characters among them. Of 32 random hexadecimal digits hardly any has fewer than 10.
const FEWEST: usize = 8;

/// The master key, and the text it is made of.
pub(super) struct MasterKey {
    text: SecretString,
    key: Key,
}

/// A text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weak {
    Empty,
    Short,
    Repetitive,
    Underivable,
}

impl fmt::Display for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Short => write!(
                f,
                "shorter than {SHORTEST} characters; it must be random, such as from `openssl rand -base64 32`"
            ),
            Self::Repetitive => write!(
                f,
                "of fewer than {FEWEST} different characters; it must be random, such as from `openssl rand -base64 \
                 32`"
            ),
            Self::Underivable => f.write_str("not one that a key can be derived from"),
        }
    }
}

impl MasterKey {
    /// The key that a text means; a byte order mark and blanks around it do not count.
    pub(super) fn from_text(text: &str) -> Result<Self, Weak> {
        Self::exactly(unmarked(text.trim()).trim())
    }

    /// What a text may have meant, the likeliest first. Earlier versions counted the byte order mark that an editor had
    /// put before the key as a part of it, and databases were sealed with such keys.
    pub(super) fn candidates(text: &str) -> Result<Vec<Self>, Weak> {
        let meant = Self::from_text(text)?;
        let marked = format!("\u{feff}{}", meant.text());
        let mut candidates = vec![meant];
        for text in [text.trim(), &marked] {
            let candidate = Self::exactly(text)?;
            if candidates.iter().all(|known| !known.same(&candidate)) {
                candidates.push(candidate);
            }
        }
        Ok(candidates)
    }

    fn exactly(text: &str) -> Result<Self, Weak> {
        if text.is_empty() {
            return Err(Weak::Empty);
        }
        if text.chars().count() < SHORTEST {
            return Err(Weak::Short);
        }
        let different: std::collections::BTreeSet<_> = text.chars().collect();
        if different.len() < FEWEST {
            return Err(Weak::Repetitive);
        }
        let derive = Hkdf::<Sha256>::new(None, text.as_bytes());
        let mut id = [0; 4];
        let mut bytes = Zeroizing::new([0; 32]);
        derive
            .expand(b"netignite master key ID", &mut id)
            .and_then(|()| derive.expand(b"netignite master key", &mut *bytes))
            .map_err(|_| Weak::Underivable)?;
        Ok(Self { text: text.into(), key: Key::new(u32::from_be_bytes(id), bytes) })
    }

    /// A key of 256 random bits.
    pub(super) fn random() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes)
            .map_err(|e| KeyError::new(format_args!("cannot make a master key: {e}")))?;
        let text = Zeroizing::new(STANDARD.encode(*bytes));
        Self::from_text(&text).map_err(|e| KeyError::new(format_args!("a random master key is {e}")))
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        self.key.bytes().ct_eq(other.key.bytes()).into()
    }
}
