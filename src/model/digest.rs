//! The SHA-256 of a random secret, in whose place it is kept and by which it is looked up: sessions, tokens, codes, links and
//! agents' secrets. They are long and random, so that a fast hash is right here where it would be wrong for passwords.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 of a secret. Compared in constant time, and never shown.
#[derive(Clone, Copy)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Stands in for the digest of a secret that there is not, so that the compare costs the same.
    pub const NONE: Self = Self([0; 32]);

    /// The digest of `secret`.
    pub fn of(secret: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        // Words, not bytes, which the crate looks at one by one: every request compares two.
        let (ours, theirs) = (self.0.as_chunks().0, other.0.as_chunks().0);
        let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
        let differing = ours.iter().zip(theirs).fold(0, |differing, (a, b)| differing | (word(a) ^ word(b)));
        differing.ct_eq(&0).into()
    }
}

impl Eq for Digest {}

impl std::hash::Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(…)")
    }
}
