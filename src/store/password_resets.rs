//! The table of password resets: a user has one at most, and what is stored of its token is its hash alone.

use super::Conn;
use crate::clock::Millis;
use crate::error::Result;

/// Stores a reset of `user` in place of an older one.
///
/// # Errors
/// The database refuses.
pub fn put(db: &Conn, user: i64, hash: &[u8; 32], expires: Millis) -> Result<()> {
    delete_of_user(db, user)?;
    db.execute(
        "INSERT INTO password_resets (hash, userID, expires) VALUES (?1, ?2, ?3)",
        libsql::params![hash.as_slice(), user, expires],
    )?;
    Ok(())
}

/// The user whose reset has this hash and has not expired by `now`.
///
/// # Errors
/// The database refuses.
pub fn user(db: &Conn, hash: &[u8; 32], now: Millis) -> Result<Option<i64>> {
    let sql = "SELECT userID FROM password_resets WHERE hash = ?1 AND expires > ?2";
    db.query_one(sql, libsql::params![hash.as_slice(), now], |row| row.int(0))
}

/// Deletes a user's reset, if there is one.
///
/// # Errors
/// The database refuses.
pub fn delete_of_user(db: &Conn, user: i64) -> Result<()> {
    db.execute("DELETE FROM password_resets WHERE userID = ?1", [user]).map(drop)
}
