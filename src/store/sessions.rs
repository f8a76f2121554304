//! The table of sessions. What is stored of a cookie's token is its hash alone.

use super::{Conn, Row, users};
use crate::clock::Millis;
use crate::error::Result;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The SHA-256 of the cookie's token.
    pub key: [u8; 32],
    /// The user who is logged in.
    pub user: i64,
    /// When it began.
    pub created: Millis,
    /// When it was last used, as far as that was written.
    pub last_used: Millis,
    /// When it ends.
    pub expires: Millis,
    /// The address it began from.
    pub address: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
}

fn session(row: &Row) -> Result<Option<SessionRow>> {
    // A key of another length is none of ours, and no token has it.
    let Ok(key) = row.blob(0)?.try_into() else { return Ok(None) };
    Ok(Some(SessionRow {
        key,
        user: row.int(1)?,
        created: row.int(2)?,
        last_used: row.int(3)?,
        expires: row.int(4)?,
        address: row.opt_text(5)?,
        user_agent: row.opt_text(6)?,
    }))
}

macro_rules! select {
    ($($rest:literal)?) => {
        concat!(
            "SELECT key, userID, created, lastUsed, expires, CAST(address AS BLOB), CAST(userAgent AS BLOB) \
             FROM sessions ",
            $($rest)?
        )
    };
}

/// Every session, the expired ones included.
///
/// # Errors
/// The database refuses.
pub fn load_all(db: &Conn) -> Result<Vec<SessionRow>> {
    Ok(db.query(select!(), (), session)?.into_iter().flatten().collect())
}

/// A user's sessions, the expired ones included, the oldest first.
///
/// # Errors
/// The database refuses.
pub fn of_user(db: &Conn, user: i64) -> Result<Vec<SessionRow>> {
    let found = db.query(select!("WHERE userID = ?1 ORDER BY created, key"), [user], session)?;
    Ok(found.into_iter().flatten().collect())
}

/// Inserts the session of a user who logs in. Answers whether the user still exists; if not, nothing was inserted.
///
/// # Errors
/// The database refuses.
pub fn insert(db: &Conn, session: &SessionRow) -> Result<bool> {
    let inserted = db.execute(
        "INSERT INTO sessions (key, userID, created, lastUsed, expires, address, userAgent) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM users WHERE id = ?2)",
        libsql::params![
            session.key.as_slice(),
            session.user,
            session.created,
            session.last_used,
            session.expires,
            session.address.as_deref(),
            session.user_agent.as_deref(),
        ],
    )?;
    users::logged_in(db, session.user, session.created)?;
    Ok(inserted == 1)
}

/// Notes that a session was used, and until when it therefore lasts. Answers whether there is such a session.
///
/// # Errors
/// The database refuses.
pub fn touch(db: &Conn, key: &[u8; 32], last_used: Millis, expires: Millis) -> Result<bool> {
    let sql = "UPDATE sessions SET lastUsed = ?2, expires = ?3 WHERE key = ?1";
    Ok(db.execute(sql, libsql::params![key.as_slice(), last_used, expires])? > 0)
}

/// Deletes a session. Answers whether there was such a session.
///
/// # Errors
/// The database refuses.
pub fn delete(db: &Conn, key: &[u8; 32]) -> Result<bool> {
    Ok(db.execute("DELETE FROM sessions WHERE key = ?1", [key.as_slice()])? > 0)
}

/// Deletes a user's sessions but for one, if one is named. Answers how many there were.
///
/// # Errors
/// The database refuses.
pub fn delete_of_user(db: &Conn, user: i64, except: Option<&[u8; 32]>) -> Result<u64> {
    let except = except.map(<[u8; 32]>::as_slice);
    let sql = "DELETE FROM sessions WHERE userID = ?1 AND key IS NOT ?2";
    db.execute(sql, libsql::params![user, except])
}

/// Shortens the sessions that would last longer than `lifetime` from `now`: they were used while the clock was ahead.
///
/// # Errors
/// The database refuses.
pub fn shorten(db: &Conn, now: Millis, lifetime: Millis) -> Result<u64> {
    let sql = "UPDATE sessions SET created = min(created, ?1), lastUsed = min(lastUsed, ?1), expires = ?1 + ?2 \
               WHERE expires > ?1 + ?2";
    db.execute(sql, [now, lifetime])
}

/// Deletes the sessions that ended by `now`. Answers how many there were.
///
/// # Errors
/// The database refuses.
pub fn delete_expired(db: &Conn, now: Millis) -> Result<u64> {
    db.execute("DELETE FROM sessions WHERE expires <= ?1", [now])
}
