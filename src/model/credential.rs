//! What an agent proves itself with: its secret, of which the digest is known. A restart brings the whole fleet back within a
//! minute, so that the hash must be a fast one.

use super::agent::AgentKind;
use super::digest::Digest;
use crate::clock::Millis;

/// The longest that an old secret can be kept good, in milliseconds: 30 days.
pub const LONGEST_GRACE: Millis = 30 * 24 * 60 * 60 * 1000;

/// The digest of an agent's secret; none for the empty secret, which never connects.
pub fn digest(secret: &str) -> Option<Digest> {
    (!secret.is_empty()).then(|| Digest::of(secret))
}

/// What the service knows an agent by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The agent.
    pub id: i64,
    /// What it is.
    pub kind: AgentKind,
    /// Its secret's digest; none if the stored secret is empty, and then it cannot connect.
    pub digest: Option<Digest>,
    /// What else it may still prove itself with.
    pub old: Option<OldSecret>,
}

/// The secret before the last rotation: good until the agent has logged in with the new one, or until its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldSecret {
    /// Its digest.
    pub digest: Digest,
    /// Until when it is good, in milliseconds since the epoch.
    pub until: Millis,
}
