//! What a user may do by what is stored now, asked where something is about to be changed: in the same transaction.

use super::{Conn, Row};
use crate::clock::Millis;
use crate::error::Result;
use crate::model::permission::Role;

/// What decides on a user's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// Whether a second factor is in force.
    pub second_factor: bool,
}

macro_rules! select {
    ($($rest:literal)?) => {
        concat!(
            "SELECT CAST(role AS BLOB), CAST(superadmin AS INTEGER), EXISTS (SELECT 1 FROM second_factors \
             WHERE second_factors.userID = users.id AND confirmed IS NOT NULL) FROM users WHERE id = ?1",
            $($rest)?
        )
    };
}

fn standing(row: &Row) -> Result<Standing> {
    Ok(Standing { role: Role::from_stored(&row.text(0)?, row.flag(1)?), second_factor: row.flag(2)? })
}

/// The standing of a user; none if there is no such user.
///
/// # Errors
/// The database refuses.
pub fn of_user(db: &Conn, user: i64) -> Result<Option<Standing>> {
    db.query_one(select!(), [user], standing)
}

/// The standing of the user of a session; none if the session has been ended. Whether its time is over, memory knows
/// better.
///
/// # Errors
/// The database refuses.
pub fn of_session(db: &Conn, user: i64, key: &[u8; 32]) -> Result<Option<Standing>> {
    let sql = select!(" AND EXISTS (SELECT 1 FROM sessions WHERE key = ?2 AND userID = ?1)");
    db.query_one(sql, libsql::params![user, key.as_slice()], standing)
}

/// The standing of the user of a token; none if the token was revoked, or has expired by `now`.
///
/// # Errors
/// The database refuses.
pub fn of_token(db: &Conn, user: i64, token: i64, now: Millis) -> Result<Option<Standing>> {
    let sql = select!(
        " AND EXISTS (SELECT 1 FROM tokens WHERE id = ?2 AND userID = ?1 AND (expires IS NULL OR expires > ?3))"
    );
    db.query_one(sql, [user, token, now], standing)
}
