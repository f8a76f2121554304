//! The reader threads: one queue, a few connections that cannot write.
//!
//! Each job runs in a transaction of its own, so that all its questions are answered from one state of the
//! database: the latest commit when its first question was asked. Between jobs nothing is held open, or the
//! write-ahead log could never be written back.

use super::Conn;
use super::job::Job;
use crate::error::Result;

/// Runs until the queue is closed and empty.
pub(super) fn run(db: &Conn, queue: &async_channel::Receiver<Box<dyn Job>>) {
    while let Ok(mut job) = queue.recv_blocking() {
        let outcome = snapshot(db, job.as_mut());
        job.answer(outcome);
    }
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
