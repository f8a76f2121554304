//! Answers to short questions that are asked again and again, such as what a device is woken by.
//!
//! An answer is good as long as no transaction was committed since it was read, whatever that changed, as in a
//! [`Memo`](super::Memo): whoever heard of a write never gets what was there before. Nothing is kept that time alone
//! can change; whoever asks says so.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Conn, Store};
use crate::error::Result;

/// How many answers are kept.
const MOST: usize = 4096;

/// Answers to questions of one kind, by what they are about.
pub struct Recent<K, V>(Mutex<Kept<K, V>>);

/// What was read since the last commit.
struct Kept<K, V> {
    /// How many transactions had been committed before it was read.
    version: u64,
    answers: HashMap<K, Arc<V>>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Kept { version: 0, answers: HashMap::new() }))
    }
}

impl<K: Eq + Hash, V: Send + 'static> Recent<K, V> {
    /// The answer about `key`: the one that is kept, or what `read` finds, which is kept if `keep` says that nothing but
    /// a write can change it. Without a key nothing is kept.
    ///
    /// # Errors
    /// As for [`Store::read`].
    pub async fn get<F>(
        &self,
        store: &Store,
        key: Option<K>,
        read: F,
        keep: impl FnOnce(&V) -> bool,
    ) -> Result<Arc<V>>
    where
        F: FnOnce(&Conn) -> Result<V> + Send + 'static,
    {
        let Some(key) = key else { return store.read(read).await.map(Arc::new) };
        // Looked up before reading: what is read may be newer than its version says, never older.
        let version = store.version();
        if let Some(answer) = self.0.lock().get(version, &key) {
            return Ok(answer);
        }
        let answer = Arc::new(store.read(read).await?);
        if keep(&answer) {
            self.0.lock().put(version, key, answer.clone());
        }
        Ok(answer)
    }
}

impl<K: Eq + Hash, V> Kept<K, V> {
    fn get(&self, version: u64, key: &K) -> Option<Arc<V>> {
        self.answers.get(key).filter(|_| self.version == version).cloned()
    }

    fn put(&mut self, version: u64, key: K, answer: Arc<V>) {
        if self.version < version {
            self.version = version;
            self.answers.clear();
        }
        // What was read before the last commit that is known here says nothing of what is there after it.
        if self.version == version && self.answers.len() < MOST {
            self.answers.insert(key, answer);
        }
    }
}
