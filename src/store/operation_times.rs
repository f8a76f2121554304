//! The times of operations that are live, which are moved where the wall clock by which they were made was another.
//!
//! Wakes until online are left out: each has a time of its own, which nobody sets.

use super::Conn;
use crate::clock::Millis;
use crate::error::Result;

/// By how much an operation may seem to be made in the future before its clock is known to have been wrong.
const TOLERANCE: Millis = 60 * 60 * 1000;

macro_rules! moved {
    ($by:literal, $which:literal) => {
        concat!(
            "UPDATE operations SET deliverBy = deliverBy + ",
            $by,
            ", dueAt = dueAt + ",
            $by,
            ", notBefore = CASE WHEN notBefore > 0 THEN notBefore + ",
            $by,
            " ELSE notBefore END, version = version + 1 WHERE endedAt IS NULL AND progress IS NULL",
            $which
        )
    };
}

/// How new an operation must be by `now` to be taken for one that was made after the clock was set.
const NEW: Millis = 1000;

/// Moves the times by as much as the wall clock was set by, which is `now` since, and tells of how many operations. What was made
/// since has the right times already.
///
/// # Errors
/// The database refuses.
pub fn shift(db: &Conn, by: Millis, now: Millis) -> Result<u64> {
    db.execute(moved!("?1", " AND createdAt NOT BETWEEN ?2 - ?3 AND ?2"), [by, now, NEW])
}

/// Moves the times of what was made by a clock that was far ahead of `now`, as if it was made now.
///
/// # Errors
/// The database refuses.
pub fn recall(db: &Conn, now: Millis) -> Result<u64> {
    db.execute(moved!("(?1 - createdAt)", " AND createdAt > ?1 + ?2"), [now, TOLERANCE])
}
