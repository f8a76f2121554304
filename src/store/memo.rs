//! Answers of the database that are kept until something is written.
//!
//! A list that is asked for again and again is read once: it is good as long as no transaction was committed since,
//! whatever that changed. Whoever heard of a write never gets an older answer. Deliberately absent: knowing what a
//! write touches; writes are few beside reads, and a rule that cannot forget a table is worth more than a higher
//! rate of hits.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::{Conn, Store};
use crate::error::Result;

/// How many answers are kept.
const MOST: usize = 16;
/// The largest answer that is kept, in bytes.
const LARGEST: usize = 256 * 1024;

/// Answers to questions of one kind, by what they are about.
pub struct Memo<K, V> {
    store: Store,
    kept: Mutex<HashMap<K, Kept<V>>>,
}

struct Kept<V> {
    /// How many transactions had been committed before it was read.
    version: u64,
    answer: Arc<V>,
    since: Instant,
}

impl<K, V> Memo<K, V>
where
    K: Copy + Eq + Hash,
    V: AsRef<[u8]> + Send + Sync + 'static,
{
    /// Nothing kept yet.
    pub fn new(store: Store) -> Self {
        Self { store, kept: Mutex::default() }
    }

    /// The answer about `key`: the one that is kept, or what `read` finds in the database on behalf of `user`.
    ///
    /// # Errors
    /// As for [`Store::read_long`].
    pub async fn get<F>(&self, user: i64, key: K, read: F) -> Result<Arc<V>>
    where
        F: FnOnce(&Conn) -> Result<V> + Send + 'static,
    {
        // Looked up before reading: what is read may be newer than its version says, never older.
        let version = self.store.version();
        if let Some(kept) = self.kept.lock().get(&key).filter(|kept| kept.version == version) {
            return Ok(kept.answer.clone());
        }
        let answer = Arc::new(self.store.read_long(user, read).await?);
        if (*answer).as_ref().len() <= LARGEST {
            let mut kept = self.kept.lock();
            if kept.len() >= MOST && !kept.contains_key(&key) {
                make_room(&mut kept, version);
            }
            kept.insert(key, Kept { version, answer: answer.clone(), since: Instant::now() });
        }
        Ok(answer)
    }
}

/// Drops the answers that a write has made old, or else the oldest: whoever asks for many things must not have everybody
/// else's dropped.
fn make_room<K: Copy + Eq + Hash, V>(kept: &mut HashMap<K, Kept<V>>, version: u64) {
    kept.retain(|_, answer| answer.version == version);
    if kept.len() >= MOST
        && let Some(oldest) = kept.iter().min_by_key(|(_, answer)| answer.since).map(|(key, _)| *key)
    {
        kept.remove(&oldest);
    }
}
