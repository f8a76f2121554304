//! The reader threads: one queue, a few connections that cannot write.
//!
//! Each job runs in a transaction of its own, so that all its questions are answered from one state of the
//! database: the latest commit when its first question was asked. Between jobs nothing is held open, or the
//! write-ahead log could never be written back.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use libsql::OpenFlags;

use super::job::Job;
use super::watch::Watch;
use super::{Conn, StoreError};
use crate::error::Result;
use crate::vault::Vault;

/// A connection of a reader.
///
/// # Errors
/// The database cannot be opened.
pub(super) fn open(path: &Path, vault: &Arc<Vault>, watch: &Arc<Watch>) -> Result<Conn, StoreError> {
    let db = Conn::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let db = db.with_vault(vault.clone()).with_watch(watch.clone());
    // With a first look, so that its files are open from the start.
    db.batch("PRAGMA query_only = ON; SELECT 1 FROM sqlite_schema LIMIT 1")?;
    Ok(db)
}

/// Runs until the queue is closed and empty.
pub(super) fn run(db: &Conn, queue: &async_channel::Receiver<Box<dyn Job>>) {
    while let Some(mut job) = next(queue) {
        let outcome = snapshot(db, job.as_mut());
        job.answer(outcome);
    }
}

/// The next job. Those who have the processor and are about to queue one come first: on a busy machine the thread then
/// need not be put to sleep and woken for each, which costs as much as the job.
fn next(queue: &async_channel::Receiver<Box<dyn Job>>) -> Option<Box<dyn Job>> {
    queue.try_recv().ok().or_else(|| {
        thread::yield_now();
        queue.try_recv().ok().or_else(|| queue.recv_blocking().ok())
    })
}

fn snapshot(db: &Conn, job: &mut dyn Job) -> Result<()> {
    if !db.is_autocommit() {
        // Left behind by an end that failed.
        db.execute("ROLLBACK", ())?;
    }
    db.execute("BEGIN", ())?;
    // The job keeps its own error.
    let _ = job.run(db);
    db.execute("ROLLBACK", ()).map(drop)
}
