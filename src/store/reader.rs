//! The reader threads: one queue, a few connections that cannot write.
//!
//! Each job runs in a transaction of its own, so that all its questions are answered from one state of the
//! database: the latest commit when its first question was asked. Between jobs nothing is held open, or the
//! write-ahead log could never be written back.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Conn;
use super::job::Job;
use crate::error::Result;

/// The queue that the readers share.
pub(super) type Queue = Arc<Mutex<mpsc::Receiver<Box<dyn Job>>>>;

/// Runs until nobody can queue anything any more and the queue is empty.
pub(super) fn run(db: &Conn, queue: &Queue) {
    loop {
        // One reader waits for the next job, the others for their turn to wait.
        let next = queue.lock().blocking_recv();
        let Some(mut job) = next else { return };
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
