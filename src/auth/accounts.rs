//! Users as their sessions see them, cached so that a request needs no database.
//!
//! An entry is loaded on its first use and forgotten whenever the user, or what its favourites point to, changes; also
//! when a share that a favourite may need ends.
//! A generation counter keeps a load that raced with a change from putting back what it read before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::clock::Clock;
use crate::error::Result;
pub use crate::model::account::Account;
use crate::store::{Store, users};

/// The cache of accounts.
pub struct Accounts {
    store: Store,
    clock: Clock,
    generation: AtomicU64,
    cached: RwLock<FxHashMap<i64, Arc<Account>>>,
}

impl Accounts {
    /// An empty cache over `store`.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, generation: AtomicU64::new(0), cached: RwLock::new(FxHashMap::default()) }
    }

    /// The account of a user, or none if there is no such user.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn get(&self, user: i64) -> Result<Option<Arc<Account>>> {
        if let Some(account) = self.cached.read().get(&user)
            && account.until.is_none_or(|until| until > self.clock.now())
        {
            return Ok(Some(account.clone()));
        }
        let generation = self.generation.load(Ordering::Acquire);
        let now = self.clock.now();
        let Some(account) = self.store.read(move |db| users::account(db, user, now)).await? else {
            return Ok(None);
        };
        let account = Arc::new(account);
        let mut cached = self.cached.write();
        if self.generation.load(Ordering::Acquire) == generation {
            cached.insert(user, account.clone());
        }
        Ok(Some(account))
    }

    /// Forgets a user after a change of the user, or of a device that is theirs or shared with them. Call it after the commit and before
    /// answering.
    pub fn forget(&self, user: i64) {
        let mut cached = self.cached.write();
        self.generation.fetch_add(1, Ordering::AcqRel);
        cached.remove(&user);
    }
}
