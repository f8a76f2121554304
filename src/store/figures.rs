//! What the database has done and what waits, in figures.

use super::{Conn, Store};
use crate::error::Result;
use crate::model::tally::Tallied;

/// What the writer has done since the database was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// How many transactions were tried.
    pub batches: u64,
    /// How many writes they held.
    pub jobs: u64,
}

/// How the writer keeps up.
#[derive(Debug, Clone)]
pub struct Writing {
    /// Writes that wait for the writer now.
    pub waiting: usize,
    /// How many writes transactions held.
    pub sizes: Tallied,
    /// How long the first write of each transaction took from when it was queued until it was answered, in microseconds.
    pub lags: Tallied,
}

/// What the database holds that changes all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Operations that wait to be sent.
    pub queued: i64,
    /// Operations that were sent, or whose machine is at work.
    pub running: i64,
    /// The database's size in bytes, without the write-ahead log.
    pub bytes: i64,
}

impl Store {
    /// What the writer has done so far.
    pub fn stats(&self) -> Stats {
        let sizes = self.0.counters.sizes.so_far();
        Stats { batches: sizes.count(), jobs: sizes.sum }
    }

    /// How the writer keeps up.
    pub fn writing(&self) -> Writing {
        let counters = &self.0.counters;
        Writing {
            waiting: self.0.writing.waiting(),
            sizes: counters.sizes.so_far(),
            lags: counters.lags.so_far(),
        }
    }
}

/// What the database holds that changes all the time. Takes longer the more operations are live: for a long reader.
///
/// # Errors
/// The database refuses.
pub fn standing(db: &Conn) -> Result<Standing> {
    let bytes = db.bytes()?;
    let sql = "SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'running') \
               FROM operations WHERE endedAt IS NULL";
    let read =
        db.query_one(sql, (), |row| Ok(Standing { queued: row.int(0)?, running: row.int(1)?, bytes }))?;
    read.ok_or_else(|| crate::error::Error::internal("counting answered no row"))
}
