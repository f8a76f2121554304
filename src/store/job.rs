//! A caller's closure on its way to a database thread, and its result on the way back.
//!
//! A closure that panics fails its own caller and nobody else: its thread lives on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use tokio::sync::oneshot;

use super::Conn;
use crate::error::{Error, Kind, Result};

/// A closure and its caller, with their types erased.
pub(super) trait Job: Send {
    /// Runs the closure and keeps its result. An error is also answered, so that the work can be undone.
    fn run(&mut self, db: &Conn) -> Result<()>;
    /// Whether it fails before it has changed anything, if it fails.
    fn changes_last(&self) -> bool;
    /// When it was queued.
    fn queued(&self) -> Instant;
    /// Tells the caller: the kept result, or an error if what it promises did not come to be.
    fn answer(self: Box<Self>, outcome: Result<()>);
}

/// A closure with its caller.
pub(super) struct QueuedJob<T, F> {
    job: Option<F>,
    changes_last: bool,
    queued: Instant,
    result: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, F> QueuedJob<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Conn) -> Result<T> + Send + 'static,
{
    /// A job, and where its result will be.
    pub(super) fn of(job: F, changes_last: bool) -> (Box<dyn Job>, oneshot::Receiver<Result<T>>) {
        let (caller, result) = oneshot::channel();
        let queued = Instant::now();
        (Box::new(Self { job: Some(job), changes_last, queued, result: None, caller }), result)
    }
}

impl<T, F> Job for QueuedJob<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Conn) -> Result<T> + Send + 'static,
{
    fn run(&mut self, db: &Conn) -> Result<()> {
        let Some(job) = self.job.take() else { return Ok(()) };
        // The connection is whole after a panic: a statement in use is reset while unwinding, and whoever runs the
        // job rolls back what it did.
        let result = catch_unwind(AssertUnwindSafe(|| job(db)))
            .unwrap_or_else(|_| Err(Error::internal("a database job panicked; what it did was undone")));
        let outcome = result.as_ref().map(drop).map_err(Clone::clone);
        self.result = Some(result);
        outcome
    }

    fn changes_last(&self) -> bool {
        self.changes_last
    }

    fn queued(&self) -> Instant {
        self.queued
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let result = match (self.result, outcome) {
            // A job's own error says more than the failure it may have caused.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(closed()),
        };
        // A caller that has gone away needs no answer.
        let _ = self.caller.send(result);
    }
}

/// The database takes no more jobs.
pub(super) fn closed() -> Error {
    Error::new(Kind::Unavailable, "shutting_down", "The server is stopping. Try again in a moment.")
}
