//! The writer thread: whatever is queued becomes one transaction.
//!
//! While one batch waits for the disk, the next gathers in the queue; so many callers share one `fsync`, and a lone
//! one waits for nobody. A caller is answered only after the commit, and only if what was committed to still is the
//! database's file. Each job of a batch of several runs in a savepoint,
//! so that its error undoes its own work alone, unless it fails before it changes anything; a commit that fails fails the
//! whole batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tracing::{debug, error, warn};

use super::Conn;
use super::job::Job;
use super::mark::Mark;
use super::watch::Watch;
use crate::error::Result;
use crate::model::tally::Tally;

/// How many jobs may share a transaction, so that the first of a flood is not answered after its last.
const BATCH: usize = 256;

/// After how many transactions, or changed rows, the write-ahead log is written back.
const LONG_BATCHES: u32 = 150;
const LONG_CHANGES: u64 = 4000;

/// What the writer has done since it was started.
#[derive(Debug)]
pub(super) struct Counters {
    /// Transactions that have ended.
    pub(super) version: AtomicU64,
    /// How many writes transactions held that were tried.
    pub(super) sizes: Tally,
    /// How long the first write of each took from when it was queued until it was answered, in microseconds.
    pub(super) lags: Tally,
}

impl Default for Counters {
    fn default() -> Self {
        let (sizes, lags) = (Tally::new(SIZES), Tally::new(LAGS));
        Self { version: AtomicU64::new(0), sizes, lags }
    }
}

/// The bounds of how many writes a transaction holds.
const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];
/// The bounds of how long a write takes, in microseconds: from a quarter of a millisecond to 16 seconds.
const LAGS: &[u64] = &[250, 1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000, 16_000_000];

/// Runs until the queue is closed and empty, then writes everything back into the database's file and closes it.
pub(super) fn run(
    db: Conn,
    watch: &Watch,
    mark: &Mark,
    queue: &async_channel::Receiver<Box<dyn Job>>,
    counters: &Arc<Counters>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut log = Log { batches: 0, changes: db.total_changes() };
    while let Ok(first) = queue.recv_blocking() {
        let queued = first.queued();
        batch.push(first);
        gather(queue, &mut batch);
        counters.sizes.add(batch.len() as u64);
        let changes = db.total_changes();
        let outcome = commit(&db, watch, &mut batch);
        // After the commit and before anyone is answered: whoever reads at this number reads what was committed.
        counters.version.fetch_add(1, Ordering::Release);
        match &outcome {
            Ok(()) if db.total_changes() > changes => watch.saved(),
            Ok(()) => {}
            Err(e) => {
                // The first of a kind is logged where it is noticed.
                debug!("a transaction of {} changes failed: {e}", batch.len());
                watch.rescue(&db, mark);
            }
        }
        counters.lags.add(u64::try_from(queued.elapsed().as_micros()).unwrap_or(u64::MAX));
        batch.drain(..).for_each(|job| job.answer(outcome.clone()));
        log.write_back_when_long(&db, watch, mark);
    }
    if let Err(e) = watch.is_whole() {
        warn!("the database is left as it is: {e}");
        // SQLite writes the log back when the last connection is closed.
        std::mem::forget(db);
        return;
    }
    watch.busy();
    mark.busy();
    if let Err(e) = db.batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        warn!("the write-ahead log stays beside the database and is read at the next start: {e}");
    }
}

/// How much the write-ahead log may hold by now.
struct Log {
    batches: u32,
    /// The connection's changed rows when it was last written back.
    changes: u64,
}

impl Log {
    /// Writes the log back once it is some megabytes long: here and not inside of a commit, so that nobody waits for it
    /// and the mark says when.
    fn write_back_when_long(&mut self, db: &Conn, watch: &Watch, mark: &Mark) {
        self.batches += 1;
        let changes = db.total_changes();
        if self.batches < LONG_BATCHES && changes - self.changes < LONG_CHANGES {
            return;
        }
        *self = Self { batches: 0, changes };
        if watch.is_whole().is_err() {
            return;
        }
        watch.busy();
        mark.busy();
        if let Err(e) = db.query_int("PRAGMA wal_checkpoint(PASSIVE)", ()) {
            debug!("the write-ahead log was not written back: {e}");
        }
        mark.settled();
        watch.settled();
    }
}

/// Adds what else is queued, and what those are about to queue who have the processor before this thread. A lone
/// caller waits for nobody: then the thread has the processor to itself and goes on at once.
fn gather(queue: &async_channel::Receiver<Box<dyn Job>>, batch: &mut Vec<Box<dyn Job>>) {
    let mut yielded = false;
    while batch.len() < BATCH {
        match queue.try_recv() {
            Ok(job) => {
                batch.push(job);
                yielded = false;
            }
            Err(_) if yielded => return,
            Err(_) => {
                thread::yield_now();
                yielded = true;
            }
        }
    }
}

/// Runs a batch in one transaction. An error means that nothing of it was saved, or not where it will be found.
fn commit(db: &Conn, watch: &Watch, batch: &mut [Box<dyn Job>]) -> Result<()> {
    watch.standing()?;
    if !db.is_autocommit() {
        // Left behind by a rollback that failed.
        db.execute("ROLLBACK", ())?;
    }
    db.execute("BEGIN IMMEDIATE", ())?;
    let outcome = run_jobs(db, batch).and_then(|wanted| {
        if wanted {
            watch.look()?;
        }
        let end = if wanted { "COMMIT" } else { "ROLLBACK" };
        if wanted || !db.is_autocommit() { db.execute(end, ()).map(drop) } else { Ok(()) }
    });
    if outcome.is_err()
        && !db.is_autocommit()
        && let Err(e) = db.execute("ROLLBACK", ())
    {
        error!("a failed transaction could not be rolled back yet: {e}");
    }
    // Lost in between, it is not acknowledged; and it is the reason of whatever else went wrong.
    watch.look().and(outcome)
}

/// Runs the jobs of an open transaction. Answers whether to commit; an error means that the transaction is lost.
fn run_jobs(db: &Conn, batch: &mut [Box<dyn Job>]) -> Result<bool> {
    if let [only] = batch {
        // Its error is its own, and undoes all there is.
        return Ok(only.run(db).is_ok());
    }
    for job in batch {
        if job.changes_last() {
            let changes = db.total_changes();
            if let Err(e) = job.run(db)
                && (db.is_autocommit() || db.total_changes() > changes)
            {
                return Err(e);
            }
            continue;
        }
        db.execute("SAVEPOINT job", ())?;
        if let Err(e) = job.run(db) {
            if db.is_autocommit() {
                // What went wrong, such as a full disk, made SQLite give up the whole transaction.
                return Err(e);
            }
            db.execute("ROLLBACK TO job", ())?;
        }
        db.execute("RELEASE job", ())?;
    }
    Ok(true)
}
