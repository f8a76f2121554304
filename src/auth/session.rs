//! Who is logged in.
//!
//! Every session is kept in memory, so that a request asks no database, and in the database, so that it survives a
//! restart. The cookie's token is 256 random bits; what is kept is its SHA-256. A session lasts [`LIFETIME`] from its
//! last use, which is written behind, at most once in `WRITE_EVERY` and waited for by nobody.
//!
//! The wall clock may be wrong, and set right later. So a session that was used in this process lasts by the monotonic
//! clock, whatever the wall clock shows; one that ended by the wall clock alone is refused and deleted only when the
//! time was lived through; and none lasts longer than [`LIFETIME`] from now.

mod crowd;
mod entry;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::clock::{Clock, Millis, Moment};
use crate::error::{Error, Result};
use crate::model::audit;
use crate::model::digest::Digest;
use crate::store::behind::Behind;
use crate::store::sessions::{self, SessionRow};
use crate::store::{self, Store};

use entry::{Entry, Kept};

/// How long a session lasts after its last use: 30 days.
pub const LIFETIME: Millis = 30 * DAY;
const DAY: Millis = 24 * 60 * 60 * 1000;
/// How often a session's use is written, at most.
const WRITE_EVERY: Millis = 5 * 60 * 1000;
/// How often the browser gets its cookie again, at most.
const COOKIE_EVERY: Millis = DAY;
/// How often expired sessions are looked for.
const PURGE_EVERY: Millis = 60 * 60 * 1000;
/// Sessions of one user at once; a further one ends one that [`crowd`] chooses.
const MAX_OF_USER: usize = 100;
/// Longest `User-Agent` that is kept, in bytes.
const MAX_USER_AGENT: usize = 256;
/// The random bytes of a token, and its length in base64.
const TOKEN_BYTES: usize = 32;
const TOKEN_LENGTH: usize = 43;
/// The bytes of a session's public ID: enough to tell a user's sessions apart.
const PUBLIC_ID_BYTES: usize = 8;

/// What the session of a key is called where it is shown: the start of the key's own hash, which neither lets anyone in nor
/// tells the key.
pub fn public_id(key: Digest) -> String {
    Digest::of(key.0).0.iter().take(PUBLIC_ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// A fresh session, whose token is known only now.
#[derive(Debug)]
pub struct Issued {
    /// What the cookie carries.
    pub token: SecretString,
    /// The key it is kept under.
    pub key: Digest,
    /// When it ends unless used, in milliseconds since the epoch.
    pub expires: Millis,
}

/// A session as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its key.
    pub key: Digest,
    /// Whose it is.
    pub user: i64,
    /// When it was issued.
    pub created: Millis,
    /// When it was used last.
    pub last_used: Millis,
    /// When it ends unless used.
    pub expires: Millis,
    /// Whether the browser should get its cookie again, whose lifetime would end before the session's.
    pub cookie_due: bool,
}

/// The sessions, in memory and in the database.
pub struct Sessions {
    store: Store,
    clock: Clock,
    kept: RwLock<Kept>,
    purged: AtomicI64,
    behind: Behind,
}

impl Sessions {
    /// Loads the stored sessions. Expired ones are deleted, as far as the time is lived through; those that would last too
    /// long, since the clock was ahead when they were used, are made shorter.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn load(store: Store, clock: Clock) -> Result<Self> {
        let now = latest(&clock);
        let settled = clock.settled();
        let rows = store
            .write(move |db| {
                if let Some(settled) = settled {
                    sessions::delete_expired(db, settled)?;
                }
                sessions::shorten(db, now, LIFETIME)?;
                sessions::load_all(db)
            })
            .await?;
        let mut kept = Kept::default();
        for row in rows {
            kept.insert(Digest(row.key), Entry::of(&row, 0, -1));
        }
        Ok(Self {
            behind: Behind::new(store.clone(), "the last use of sessions"),
            store,
            clock,
            kept: RwLock::new(kept),
            purged: AtomicI64::new(now),
        })
    }

    /// Starts a session of `user`, and adds `login` to the audit log in the same transaction. Of too many
    /// sessions of one user some are ended.
    ///
    /// # Errors
    /// The database cannot be written, or the user is no more.
    pub async fn issue(
        &self,
        user: i64,
        address: Option<IpAddr>,
        user_agent: Option<&str>,
        login: audit::Entry,
    ) -> Result<Issued> {
        let now = latest(&self.clock);
        self.purge(now);
        let token = fresh_token()?;
        let key = Digest::of(&token);
        let row = SessionRow {
            key: key.0,
            user,
            created: now,
            last_used: now,
            expires: now + LIFETIME,
            address: address.map(|address| address.to_string()),
            user_agent: user_agent.map(|name| cut(name, MAX_USER_AGENT).to_owned()),
        };
        // In memory first: whoever ends all sessions of the user from here on also ends this one.
        let crowd = {
            let mut kept = self.kept.write();
            let entry = Entry::of(&row, now, self.clock.elapsed());
            let crowd = kept.crowd_of(user, entry.kind);
            crowd.iter().for_each(|old| kept.remove(*old));
            kept.insert(key, entry);
            crowd
        };
        if !crowd.is_empty() {
            tracing::info!(
                user,
                ended = crowd.len(),
                "A login ended another session: a user has {MAX_OF_USER} at most"
            );
        }
        let written = self
            .store
            .write(move |db| {
                for old in &crowd {
                    sessions::delete(db, &old.0)?;
                }
                let inserted = sessions::insert(db, &row)?;
                if inserted {
                    store::audit::insert(db, &login)?;
                    for old in crowd {
                        store::audit::insert(db, &crowded_out(&login, old))?;
                    }
                }
                Ok(inserted)
            })
            .await;
        match written {
            Ok(true) if self.kept.read().by_key.contains_key(&key) => {}
            written => {
                self.end(key).await?;
                let gone = || Error::unauthenticated("Invalid session");
                return Err(written.err().unwrap_or_else(gone));
            }
        }
        Ok(Issued { token: SecretString::from(token.as_str()), key, expires: now + LIFETIME })
    }

    /// The valid session a cookie's token names, counted as used now.
    pub fn find(&self, token: &str) -> Option<Session> {
        if token.len() != TOKEN_LENGTH {
            return None;
        }
        let key = Digest::of(token);
        let (now, elapsed) = latest_and_elapsed(&self.clock);
        let kept = self.kept.read();
        let entry = kept.by_key.get(&key)?;
        if !entry.is_valid(now, elapsed) {
            return None;
        }
        entry.uses.count();
        entry.used.store(elapsed, Relaxed);
        entry.last_used.store(now, Relaxed);
        entry.expires.store(now + LIFETIME, Relaxed);
        let written = entry.written.load(Relaxed);
        // Written ahead of now, it was with a clock that was wrong.
        if !(0..WRITE_EVERY).contains(&(now - written))
            && entry.written.compare_exchange(written, now, Relaxed, Relaxed).is_ok()
        {
            self.write_use(key, now);
        }
        Some(entry.session(key, now))
    }

    /// The session kept under `key`, if it is still valid.
    pub fn get(&self, key: Digest) -> Option<Session> {
        let (now, elapsed) = latest_and_elapsed(&self.clock);
        let kept = self.kept.read();
        let entry = kept.by_key.get(&key)?;
        entry.is_valid(now, elapsed).then(|| entry.session(key, now))
    }

    /// Notes that the browser gets its cookie again.
    pub fn cookie_sent(&self, key: Digest) {
        if let Some(entry) = self.kept.read().by_key.get(&key) {
            entry.cookie_sent.store(latest(&self.clock), Relaxed);
        }
    }

    /// Ends a session; one that is not there is no error.
    ///
    /// # Errors
    /// The database cannot be written; the session is ended until the next start all the same.
    pub async fn end(&self, key: Digest) -> Result<()> {
        self.kept.write().remove(key);
        self.store.write(move |db| sessions::delete(db, &key.0)).await.map(drop)
    }

    /// How many sessions have not ended. Looks at each of them.
    pub fn count(&self) -> usize {
        let now = self.clock.now();
        self.kept.read().by_key.values().filter(|entry| entry.expires.load(Relaxed) > now).count()
    }

    /// A user's sessions, those that ended unused included.
    pub fn keys_of(&self, user: i64) -> Vec<Digest> {
        self.kept.read().by_user.get(&user).cloned().unwrap_or_default()
    }

    /// Ends a session whose row was deleted. Call it after the commit and before answering.
    pub fn forget(&self, key: Digest) {
        self.kept.write().remove(key);
    }

    /// Ends all sessions of a user but one, whose rows were deleted. Call it after the commit and before answering: one
    /// that was being issued meanwhile is then gone as well, since whoever issues it finds it missing here.
    pub fn forget_all_of(&self, user: i64, except: Option<Digest>) {
        let mut kept = self.kept.write();
        for key in kept.by_user.get(&user).cloned().unwrap_or_default() {
            if Some(key) != except {
                kept.remove(key);
            }
        }
    }

    /// Waits until uses that are being written are, for a short time. Called when the server stops.
    pub async fn flush(&self) {
        self.behind.flush().await;
    }

    fn write_use(&self, key: Digest, now: Millis) {
        self.behind.write(move |db| sessions::touch(db, &key.0, now, now + LIFETIME).map(drop));
    }

    /// Notes the times of what was used in this process anew, since the wall clock was set: what is stored must be right
    /// for the next start.
    pub fn clock_was_set(&self) {
        let (now, elapsed) = latest_and_elapsed(&self.clock);
        for (key, entry) in &self.kept.read().by_key {
            let used = entry.used.load(Relaxed);
            if used >= 0 {
                let last_used = now - (elapsed - used);
                entry.last_used.store(last_used, Relaxed);
                entry.expires.store(last_used + LIFETIME, Relaxed);
                entry.written.store(now, Relaxed);
                self.write_use(*key, last_used);
            }
        }
    }

    /// Forgets expired sessions, now and then.
    fn purge(&self, now: Millis) {
        let purged = self.purged.load(Relaxed);
        if (0..PURGE_EVERY).contains(&(now - purged))
            || self.purged.compare_exchange(purged, now, Relaxed, Relaxed).is_err()
        {
            return;
        }
        let (Some(settled), elapsed) = (self.clock.settled(), self.clock.elapsed()) else { return };
        let mut kept = self.kept.write();
        for entry in kept.by_key.values() {
            entry.expires.fetch_min(now + LIFETIME, Relaxed);
        }
        let expired =
            |(key, entry): (&Digest, &Arc<Entry>)| (!entry.is_valid(settled, elapsed)).then_some(*key);
        let expired: Vec<_> = kept.by_key.iter().filter_map(expired).collect();
        expired.into_iter().for_each(|key| kept.remove(key));
        drop(kept);
        // What the database holds may be behind memory by what is still being written, which is far from expired.
        self.behind.write(move |db| sessions::delete_expired(db, settled - WRITE_EVERY).map(drop));
    }
}

/// That a session ended for the one that `login` began.
fn crowded_out(login: &audit::Entry, old: Digest) -> audit::Entry {
    let mut entry = audit::Entry { action: audit::Action::SessionCrowdOut, ..login.clone() };
    entry.on(audit::SubjectKind::Session, None, public_id(old));
    entry.detail = Some(format!("{MAX_OF_USER} at once are the limit"));
    entry
}

/// The time by which sessions go: a clock that is behind what the server has lived through does not make them older.
fn latest(clock: &Clock) -> Millis {
    latest_and_elapsed(clock).0
}

/// The same, with the milliseconds since the start.
fn latest_and_elapsed(clock: &Clock) -> (Millis, Millis) {
    let Moment { now, lived, elapsed } = clock.moment();
    (now.max(lived), elapsed)
}

/// 256 random bits as text.
pub(crate) fn fresh_token() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(&mut *bytes).map_err(Error::internal)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// The longest start of `text` of at most `bytes` bytes that is whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests;
