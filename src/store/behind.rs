//! Writes that nobody waits for, such as when something was last used.

use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::{Conn, Store};
use crate::error::Result;

/// How long stopping waits for what is still being written.
const FLUSH: Duration = Duration::from_secs(2);

/// Writes behind the back of whoever asks for them.
pub struct Behind {
    store: Store,
    /// What is written, for the log.
    what: &'static str,
    writes: TaskTracker,
}

impl Behind {
    /// For writes of `what`, a few words for the log.
    pub fn new(store: Store, what: &'static str) -> Self {
        Self { store, what, writes: TaskTracker::new() }
    }

    /// Runs `job` as [`Store::write`] does. A failure is logged.
    pub fn write<F>(&self, job: F)
    where
        F: FnOnce(&Conn) -> Result<()> + Send + 'static,
    {
        let (store, what) = (self.store.clone(), self.what);
        self.writes.spawn(async move {
            if let Err(e) = store.write(job).await {
                tracing::warn!("{what} could not be written: {e}");
            }
        });
    }

    /// How many writes are still under way.
    #[cfg(test)]
    pub(crate) fn pending(&self) -> usize {
        self.writes.len()
    }

    /// Waits until everything is written, for a short time. Called when the server stops.
    pub async fn flush(&self) {
        self.writes.close();
        if tokio::time::timeout(FLUSH, self.writes.wait()).await.is_err() {
            tracing::warn!("{} was not written in time", self.what);
        }
    }
}
