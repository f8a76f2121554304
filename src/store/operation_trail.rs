//! The table of what happened to operations.

use super::Conn;
use crate::clock::Millis;
use crate::error::Result;
use crate::model::operation::{OperationId, TrailEntry};

/// Entries that an operation has at most; what comes after them is not kept.
const MOST: i64 = 2000;

/// Adds an entry to the trail of an operation, as its last, also in time.
///
/// # Errors
/// There is no such operation; the database refuses.
pub fn insert(db: &Conn, of: OperationId, entry: &TrailEntry) -> Result<()> {
    db.execute(
        "INSERT INTO operation_trail (operation, number, at, event, message, said, data) \
         SELECT ?1, last + 1, max(?2, before), ?3, ?4, ?5, ?6 \
         FROM (SELECT coalesce(max(number), 0) AS last, coalesce(at, 0) AS before FROM operation_trail \
         WHERE operation = ?1) WHERE last < ?7",
        libsql::params![
            of.key(),
            entry.at,
            entry.event.as_ref(),
            entry.message.as_str(),
            entry.said.as_deref(),
            entry.data.as_deref(),
            MOST,
        ],
    )?;
    Ok(())
}

/// When the last entry in the trail of an operation was made; 0 where there is none.
///
/// # Errors
/// The database refuses.
pub fn last(db: &Conn, of: OperationId) -> Result<Millis> {
    let sql = "SELECT at FROM operation_trail WHERE operation = ?1 ORDER BY number DESC LIMIT 1";
    Ok(db.query_one(sql, [of.key()], |row| row.int(0))?.unwrap_or(0))
}

/// The trail of an operation, the oldest entry first.
///
/// # Errors
/// The database refuses.
pub fn of(db: &Conn, operation: OperationId) -> Result<Vec<TrailEntry>> {
    let sql = "SELECT at, CAST(event AS BLOB), CAST(message AS BLOB), CAST(said AS BLOB), CAST(data AS BLOB) \
               FROM operation_trail WHERE operation = ?1 ORDER BY number";
    db.query(sql, [operation.key()], |row| {
        Ok(TrailEntry {
            at: row.int(0)?,
            event: row.text(1)?.into(),
            message: row.text(2)?,
            said: row.opt_text(3)?,
            data: row.opt_text(4)?,
        })
    })
}
