//! The API tokens that programs call with.
//!
//! As with sessions, every token is kept in memory, so that a request asks no database, and in the database; what is
//! kept is the SHA-256 of its text. The last use is written behind, at most once in `WRITE_EVERY`.
//!
//! Guesses are deliberately not counted: a token has 178 random bits, a guess costs a checksum and at most a look into
//! memory, and whoever sends many must not be able to lock out the programs that share an address with them.

mod text;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use parking_lot::RwLock;
use secrecy::SecretString;

use super::permission::{Permission, Scope};
use crate::clock::{Clock, Millis};
use crate::error::Result;
use crate::model::digest::Digest;
use crate::store::Store;
use crate::store::behind::Behind;
use crate::store::tokens::{self, TokenRow};

/// How often a token's use is written, at most.
const WRITE_EVERY: Millis = 30 * 1000;
/// What a token that is restricted to devices can allow.
pub const ON_DEVICES: [Permission; 2] = [Permission::DevicesRead, Permission::DevicesWake];

/// A token as it stands.
#[derive(Debug)]
pub struct Token {
    /// What is stored of it.
    pub row: TokenRow,
    last_used: AtomicI64,
    /// When its use was last written.
    written: AtomicI64,
}

impl Token {
    fn of(row: TokenRow) -> Self {
        let last_used = row.last_used.unwrap_or(0);
        Self { row, last_used: last_used.into(), written: last_used.into() }
    }

    /// Whether the token allows its user to use `permission` on things of `scope`. One that is restricted to devices
    /// allows nothing else, and nothing of others'.
    pub fn allows(&self, permission: Permission, scope: Scope) -> bool {
        let restricted = self.row.devices.is_some();
        let within = !restricted || scope == Scope::Own && ON_DEVICES.contains(&permission);
        within && self.row.permissions.contains(&permission)
    }

    /// When it was last used, if it ever was.
    pub fn last_used(&self) -> Option<Millis> {
        Some(self.last_used.load(Relaxed)).filter(|at| *at > 0)
    }
}

/// The tokens, in memory and in the database.
pub struct Tokens {
    store: Store,
    clock: Clock,
    kept: RwLock<HashMap<Digest, Arc<Token>>>,
    /// Held while memory takes over what is stored.
    turn: tokio::sync::Mutex<()>,
    behind: Behind,
}

impl Tokens {
    /// Loads the stored tokens.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn load(store: Store, clock: Clock) -> Result<Self> {
        let rows = store.read(tokens::load_all).await?;
        let kept = rows.into_iter().map(|row| (Digest(row.hash), Arc::new(Token::of(row)))).collect();
        Ok(Self {
            behind: Behind::new(store.clone(), "the last use of tokens"),
            store,
            clock,
            kept: RwLock::new(kept),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// A fresh token's text and its key. It counts once it is stored and [`refresh`](Self::refresh) was called.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn fresh() -> Result<(SecretString, Digest)> {
        text::fresh()
    }

    /// The valid token that was sent, counted as used now.
    pub fn find(&self, sent: &str) -> Option<Arc<Token>> {
        let key = text::digest(sent)?;
        let token = self.kept.read().get(&key).cloned()?;
        let now = self.clock.now();
        if token.row.expires.is_some_and(|expires| expires <= now) {
            return None;
        }
        token.last_used.store(now, Relaxed);
        let written = token.written.load(Relaxed);
        if now - written >= WRITE_EVERY
            && token.written.compare_exchange(written, now, Relaxed, Relaxed).is_ok()
        {
            let id = token.row.id;
            self.behind.write(move |db| tokens::touch(db, id, now).map(drop));
        }
        Some(token)
    }

    /// Whether a token that was found is still valid.
    pub fn is_good(&self, token: &Token) -> bool {
        let now = self.clock.now();
        token.row.expires.is_none_or(|expires| expires > now)
            && self.kept.read().contains_key(&Digest(token.row.hash))
    }

    /// A user's tokens by ID, the expired ones included.
    pub fn of_user(&self, user: i64) -> Vec<Arc<Token>> {
        let kept = self.kept.read();
        let mut found: Vec<_> = kept.values().filter(|token| token.row.user == user).cloned().collect();
        found.sort_by_key(|token| token.row.id);
        found
    }

    /// Makes what is in memory of a user's tokens what is stored. Call it after the commit of every change and before
    /// answering, so that a token works, or no longer does, from the next request on.
    ///
    /// # Errors
    /// The database cannot be read; then none of the user's tokens works any more.
    pub async fn refresh(&self, user: i64) -> Result<()> {
        // One at a time and reading what is stored only then: of several changes at once, whoever comes last tells
        // what was committed last.
        let _turn = self.turn.lock().await;
        let rows = self.store.read(move |db| tokens::of_user(db, user)).await;
        let mut kept = self.kept.write();
        let stored: HashSet<_> = rows.iter().flatten().map(|row| Digest(row.hash)).collect();
        kept.retain(|key, token| token.row.user != user || stored.contains(key));
        for row in rows? {
            kept.entry(Digest(row.hash)).or_insert_with(|| Arc::new(Token::of(row)));
        }
        Ok(())
    }

    /// Waits until uses that are being written are, for a short time. Called when the server stops.
    pub async fn flush(&self) {
        self.behind.flush().await;
    }
}
