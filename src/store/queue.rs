//! What waits for the database's threads, and the threads themselves.

use std::path::Path;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tracing::error;

use super::job::{Job, QueuedJob, closed};
use super::{Conn, StoreError};
use crate::error::Result;

/// A queue, and the threads that end once it is closed and empty.
pub(super) struct Queue {
    jobs: async_channel::Sender<Box<dyn Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Queue {
    pub(super) fn new(jobs: async_channel::Sender<Box<dyn Job>>, threads: Vec<JoinHandle<()>>) -> Self {
        Self { jobs, threads: Mutex::new(threads) }
    }

    /// Has a thread do a job.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        self.run_as(job, false).await
    }

    /// [`run`](Self::run), and says whether the job fails before it has changed anything, if it fails.
    pub(super) async fn run_as<T, F>(&self, job: F, changes_last: bool) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        let (job, result) = QueuedJob::of(job, changes_last);
        self.jobs.send(job).await.map_err(|_| closed())?;
        result.await.unwrap_or_else(|_| Err(closed()))
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// Takes no more jobs, and waits for the threads.
    pub(super) fn end(&self) {
        // What is queued already is still done.
        self.jobs.close();
        // Held while joining, so that a second caller waits too.
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                error!("a database thread panicked");
            }
        }
    }
}

/// Starts a thread for the database at `path`.
///
/// # Errors
/// The system gives none.
pub(super) fn spawn(
    name: &str,
    path: &Path,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let failed = |e| StoreError::io("start a thread for", path, &e);
    thread::Builder::new().name(name.into()).spawn(run).map_err(failed)
}
