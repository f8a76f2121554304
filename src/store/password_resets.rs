//! The table of password resets: a user has one at most, and what is stored of its token is its hash alone.

use super::Conn;
use crate::clock::Millis;
use crate::error::Result;

/// A reset that can still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetRow {
    /// The user who may choose a new password.
    pub user: i64,
    /// The user who made it; none for the local operator.
    pub issuer: Option<i64>,
}

/// Stores a reset in place of an older one of its user.
///
/// # Errors
/// The database refuses.
pub fn put(db: &Conn, reset: ResetRow, hash: &[u8; 32], expires: Millis) -> Result<()> {
    let ResetRow { user, issuer } = reset;
    delete_of_user(db, user)?;
    db.execute(
        "INSERT INTO password_resets (hash, userID, expires, issuerID) VALUES (?1, ?2, ?3, ?4)",
        libsql::params![hash.as_slice(), user, expires, issuer],
    )?;
    Ok(())
}

/// The reset that has this hash and has not expired by `now`. One that would be good for more than `longest` was made by
/// a clock that was wrong.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Conn, hash: &[u8; 32], now: Millis, longest: Millis) -> Result<Option<ResetRow>> {
    let sql = "SELECT userID, issuerID FROM password_resets WHERE hash = ?1 AND expires > ?2 AND expires <= ?2 + ?3";
    db.query_one(sql, libsql::params![hash.as_slice(), now, longest], |row| {
        Ok(ResetRow { user: row.int(0)?, issuer: row.opt_int(1)? })
    })
}

/// Deletes the resets that a user made.
///
/// # Errors
/// The database refuses.
pub fn delete_by_issuer(db: &Conn, issuer: i64) -> Result<()> {
    db.execute("DELETE FROM password_resets WHERE issuerID = ?1", [issuer]).map(drop)
}

/// Deletes a user's reset, if there is one.
///
/// # Errors
/// The database refuses.
pub fn delete_of_user(db: &Conn, user: i64) -> Result<()> {
    db.execute("DELETE FROM password_resets WHERE userID = ?1", [user]).map(drop)
}
