//! What is remembered between one call and the next, one value a type.
//!
//! A verb's cache is a type in the verb's own file; nobody else names it, and nothing central lists them.

use std::any::{Any, TypeId};
use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

/// One value of each type that anybody asked for.
#[derive(Default)]
pub struct Remembered(RwLock<FxHashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Remembered {
    /// The value of the type `T`, the same for everyone; the first who asks makes it.
    pub fn get<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let key = TypeId::of::<T>();
        let known = self.0.read().get(&key).cloned();
        let value =
            known.unwrap_or_else(|| self.0.write().entry(key).or_insert_with(|| Arc::new(make())).clone());
        value.downcast().unwrap_or_else(|_| unreachable!("a value is kept under its own type"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn whoever_asks_gets_the_same() {
        let remembered = Remembered::default();
        remembered.get(AtomicU32::default).fetch_add(1, Ordering::Relaxed);
        assert_eq!(remembered.get(|| AtomicU32::new(7)).load(Ordering::Relaxed), 1);
        assert_eq!(*remembered.get(|| "another type"), "another type");
    }
}
