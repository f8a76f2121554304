//! The table of enrolment codes. What is stored of a code is its hash alone, and of one that is used up nothing.

use super::{Conn, Row, Whose};
use crate::clock::Millis;
use crate::error::Result;
use crate::model::agent::AgentKind;

/// A code that agents can still be made with.
#[derive(Debug, Clone)]
pub struct EnrolmentCodeRow {
    /// The code's ID.
    pub id: i64,
    /// The user whose the agents will be.
    pub owner: i64,
    /// What people call it.
    pub name: Option<String>,
    /// What the agents will be.
    pub kind: AgentKind,
    /// How many agents can still be made with it.
    pub uses_left: i64,
    /// When it was made.
    pub created: Millis,
    /// When it ends.
    pub expires: Millis,
}

/// A code to be inserted.
#[derive(Debug, Clone)]
pub struct NewEnrolmentCode {
    /// The user whose the agents will be.
    pub owner: i64,
    /// What people call it.
    pub name: Option<String>,
    /// What the agents will be.
    pub kind: AgentKind,
    /// How many agents can be made with it.
    pub uses: i64,
    /// When it is made.
    pub created: Millis,
    /// When it ends.
    pub expires: Millis,
    /// The token it is made with; none if a person makes it.
    pub token: Option<i64>,
}

/// Whether a code is good at the time `$now`: neither its own time is over nor that of the token it was made with. One
/// that was made more than an hour after `$now` was made by a clock that was wrong, and would be good for as long as that
/// was ahead.
macro_rules! good_at {
    ($now:literal) => {
        concat!(
            "expires > ",
            $now,
            " AND created <= ",
            $now,
            " + 3600000 AND (tokenID IS NULL OR EXISTS (SELECT 1 FROM tokens WHERE tokens.id = tokenID \
             AND (tokens.expires IS NULL OR tokens.expires > ",
            $now,
            ")))"
        )
    };
}

macro_rules! select {
    ($($rest:expr),+) => {
        concat!(
            "SELECT id, userID, CAST(name AS BLOB), CAST(type AS BLOB), usesLeft, created, expires \
             FROM enrolment_codes WHERE ",
            $($rest),+
        )
    };
}

fn code(row: &Row) -> Result<EnrolmentCodeRow> {
    Ok(EnrolmentCodeRow {
        id: row.int(0)?,
        owner: row.int(1)?,
        name: row.opt_text(2)?,
        kind: AgentKind::from_stored(&row.text(3)?),
        uses_left: row.int(4)?,
        created: row.int(5)?,
        expires: row.int(6)?,
    })
}

/// Whose codes are still good at `now`, by ID.
///
/// # Errors
/// The database refuses.
pub fn list(db: &Conn, whose: Whose, now: Millis) -> Result<Vec<EnrolmentCodeRow>> {
    let sql = select!(good_at!("?1"), " AND (?2 IS NULL OR userID = ?2) ORDER BY id");
    db.query(sql, libsql::params![now, whose.owner()], code)
}

/// The code of an ID, if it is among whose are meant and still good at `now`.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Conn, whose: Whose, id: i64, now: Millis) -> Result<Option<EnrolmentCodeRow>> {
    let sql = select!(good_at!("?2"), " AND id = ?1 AND (?3 IS NULL OR userID = ?3)");
    db.query_one(sql, libsql::params![id, now, whose.owner()], code)
}

/// The code of a hash, if it is still good at `now`.
///
/// # Errors
/// The database refuses.
pub fn by_hash(db: &Conn, hash: &[u8; 32], now: Millis) -> Result<Option<EnrolmentCodeRow>> {
    let sql = select!(good_at!("?2"), " AND hash = ?1");
    db.query_one(sql, libsql::params![hash.as_slice(), now], code)
}

/// How many codes of a user are still good at `now`.
///
/// # Errors
/// The database refuses.
pub fn count(db: &Conn, owner: i64, now: Millis) -> Result<i64> {
    let sql = concat!("SELECT count(*) FROM enrolment_codes WHERE userID = ?1 AND ", good_at!("?2"));
    db.query_int(sql, [owner, now])
}

/// Inserts a code under its hash and answers the new ID.
///
/// # Errors
/// A conflict if the owner is gone; the database refuses.
pub fn insert(db: &Conn, hash: &[u8; 32], code: &NewEnrolmentCode) -> Result<i64> {
    db.execute(
        "INSERT INTO enrolment_codes (userID, hash, name, type, usesLeft, created, expires, tokenID) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        libsql::params![
            code.owner,
            hash.as_slice(),
            code.name.as_deref(),
            code.kind.word(),
            code.uses,
            code.created,
            code.expires,
            code.token,
        ],
    )?;
    Ok(db.last_insert_rowid())
}

/// Uses a code once. The last use deletes it.
///
/// # Errors
/// The database refuses.
pub fn use_once(db: &Conn, id: i64) -> Result<()> {
    db.execute("UPDATE enrolment_codes SET usesLeft = usesLeft - 1 WHERE id = ?1", [id])?;
    db.execute("DELETE FROM enrolment_codes WHERE id = ?1 AND usesLeft <= 0", [id]).map(drop)
}

/// Deletes a code. Answers whether there was such a code.
///
/// # Errors
/// The database refuses.
pub fn delete(db: &Conn, id: i64) -> Result<bool> {
    Ok(db.execute("DELETE FROM enrolment_codes WHERE id = ?1", [id])? > 0)
}

/// Deletes all codes of a user.
///
/// # Errors
/// The database refuses.
pub fn delete_of_user(db: &Conn, owner: i64) -> Result<()> {
    db.execute("DELETE FROM enrolment_codes WHERE userID = ?1", [owner]).map(drop)
}

/// Deletes the codes that have ended by `now`.
///
/// # Errors
/// The database refuses.
pub fn delete_expired(db: &Conn, now: Millis) -> Result<()> {
    db.execute("DELETE FROM enrolment_codes WHERE expires <= ?1", [now]).map(drop)
}
