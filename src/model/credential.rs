//! What an agent proves itself with: the SHA-256 of its secret, compared in constant time.
//!
//! Agents' secrets are long and random, and a restart brings the whole fleet back within a minute: a fast hash is
//! right here where it would be wrong for people's passwords.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::agent::AgentKind;
use crate::clock::Millis;

/// The SHA-256 of a secret that is not empty.
#[derive(Clone)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest of `secret`; none for the empty secret, which never connects.
    pub fn of(secret: &str) -> Option<Self> {
        (!secret.is_empty()).then(|| Self::hash(secret.as_bytes()))
    }

    /// The digest of `secret`, whatever it is.
    pub fn hash(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Stands in for the secret of an agent that has none, so that the compare costs the same.
    pub const fn nobody() -> Self {
        Self([0; 32])
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

impl std::fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretDigest(…)")
    }
}

/// What the service knows an agent by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The agent.
    pub id: i64,
    /// What it is.
    pub kind: AgentKind,
    /// Its secret's digest; none if the stored secret is empty, and then it cannot connect.
    pub digest: Option<SecretDigest>,
    /// What else it may still prove itself with.
    pub old: Option<OldSecret>,
}

/// The secret before the last rotation: good until the agent has logged in with the new one, or until its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldSecret {
    /// Its digest.
    pub digest: SecretDigest,
    /// Until when it is good, in milliseconds since the epoch.
    pub until: Millis,
}
