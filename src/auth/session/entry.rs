//! The sessions in memory, by their keys and by their users.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use rustc_hash::FxHashMap;

use super::{COOKIE_EVERY, LIFETIME, MAX_OF_USER, Session, crowd};
use crate::clock::Millis;
use crate::model::digest::Digest;
use crate::store::sessions::SessionRow;

/// Nobody chooses the keys: they are digests of what the server drew, and the database's IDs.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) by_key: FxHashMap<Digest, Arc<Entry>>,
    pub(super) by_user: FxHashMap<i64, Vec<Digest>>,
}

pub(super) struct Entry {
    pub(super) user: i64,
    pub(super) kind: crowd::Kind,
    pub(super) uses: crowd::Uses,
    pub(super) created: Millis,
    pub(super) last_used: AtomicI64,
    pub(super) expires: AtomicI64,
    /// When its use was last written.
    pub(super) written: AtomicI64,
    /// When the browser last got the cookie; 0 if that was before this start.
    pub(super) cookie_sent: AtomicI64,
    /// When it was used last, by the monotonic clock; less than 0 if that was before this start.
    pub(super) used: AtomicI64,
}

impl Kept {
    pub(super) fn insert(&mut self, key: Digest, entry: Entry) {
        self.by_user.entry(entry.user).or_default().push(key);
        self.by_key.insert(key, Arc::new(entry));
    }

    pub(super) fn remove(&mut self, key: Digest) {
        let Some(entry) = self.by_key.remove(&key) else { return };
        if let Some(keys) = self.by_user.get_mut(&entry.user) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_user.remove(&entry.user);
            }
        }
    }

    /// The sessions that must end before `user` may have another one, of the kind `new`.
    pub(super) fn crowd_of(&self, user: i64, new: crowd::Kind) -> Vec<Digest> {
        let keys = self.by_user.get(&user).map(Vec::as_slice).unwrap_or_default();
        let surplus = (keys.len() + 1).saturating_sub(MAX_OF_USER);
        if surplus == 0 {
            return Vec::new();
        }
        let candidate = |key: &Digest| {
            let Entry { kind, uses, last_used, .. } = self.by_key.get(key)?.as_ref();
            Some(crowd::Candidate { key: *key, kind: *kind, uses, last_used: last_used.load(Relaxed) })
        };
        crowd::victims(keys.iter().filter_map(candidate).collect(), surplus, new)
    }
}

impl Entry {
    pub(super) fn of(row: &SessionRow, cookie_sent: Millis, used: Millis) -> Self {
        Self {
            user: row.user,
            kind: crowd::Kind::of(row),
            uses: crowd::Uses::stored(row),
            created: row.created,
            last_used: AtomicI64::new(row.last_used),
            expires: AtomicI64::new(row.expires),
            written: AtomicI64::new(row.last_used),
            cookie_sent: AtomicI64::new(cookie_sent),
            used: AtomicI64::new(used),
        }
    }

    /// Whether it has not ended: by the monotonic clock if it was used in this process, else by the time it is.
    pub(super) fn is_valid(&self, now: Millis, elapsed: Millis) -> bool {
        match self.used.load(Relaxed) {
            ..0 => self.expires.load(Relaxed) > now,
            used => elapsed - used < LIFETIME,
        }
    }

    pub(super) fn session(&self, key: Digest, now: Millis) -> Session {
        Session {
            key,
            user: self.user,
            created: self.created,
            last_used: self.last_used.load(Relaxed),
            expires: self.expires.load(Relaxed),
            cookie_due: !(0..COOKIE_EVERY).contains(&(now - self.cookie_sent.load(Relaxed))),
        }
    }
}
