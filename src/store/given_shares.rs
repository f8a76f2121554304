//! Shares by themselves, wherever they were given: what is shared with a user, and ending one by its ID.

use super::shares::Shared;
use super::{Conn, Right, Row, Whose};
use crate::clock::Millis;
use crate::error::Result;

/// A share as whoever it is with may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenRow {
    /// The share's ID.
    pub id: i64,
    /// What is shared.
    pub of: Shared,
    /// Its name.
    pub name: String,
    /// The owner's ID and name.
    pub owner: (i64, String),
    /// The ID and name of the user it is shared with.
    pub with: (i64, String),
    /// What the user may do.
    pub right: Right,
    /// When it was given.
    pub created: Millis,
    /// When it ends; none for never.
    pub expires: Option<Millis>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT shares.id, shares.deviceID, shares.agentID, CAST(coalesce(devices.name, agents.name) AS BLOB), \
             owners.id, CAST(owners.username AS BLOB), sharees.id, CAST(sharees.username AS BLOB), shares.mayWake, \
             shares.created, shares.expires \
             FROM shares LEFT JOIN devices ON devices.id = shares.deviceID \
             LEFT JOIN agents ON agents.id = shares.agentID \
             LEFT JOIN users AS owners ON owners.id = shares.sharerID JOIN users AS sharees ON sharees.id = shares.userID \
             WHERE (shares.expires IS NULL OR shares.expires > ?1) ",
            $rest
        )
    };
}

fn given(row: &Row) -> Result<GivenRow> {
    Ok(GivenRow {
        id: row.int(0)?,
        of: row.opt_int(1)?.map_or(Shared::Agent(row.int(2)?), Shared::Device),
        name: row.text(3)?,
        owner: (row.int(4)?, row.text(5)?),
        with: (row.int(6)?, row.text(7)?),
        right: Right::from_stored(row.int(8)?),
        created: row.int(9)?,
        expires: row.opt_int(10)?,
    })
}

/// What is shared with whom is meant and has not expired at the time `at`, by ID.
///
/// # Errors
/// The database refuses.
pub fn list(db: &Conn, with: Whose, at: Millis) -> Result<Vec<GivenRow>> {
    match with {
        Whose::Anyones => db.query(select!("ORDER BY shares.id"), [at], given),
        Whose::User(user) => {
            db.query(select!("AND shares.userID = ?2 ORDER BY shares.id"), [at, user], given)
        }
    }
}

/// The share of an ID, if it has not expired at the time `at`.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Conn, id: i64, at: Millis) -> Result<Option<GivenRow>> {
    db.query_one(select!("AND shares.id = ?2"), [at, id], given)
}

/// Ends the share of an ID. Answers whether there was one.
///
/// # Errors
/// The database refuses.
pub fn delete(db: &Conn, id: i64) -> Result<bool> {
    Ok(db.execute("DELETE FROM shares WHERE id = ?1", [id])? > 0)
}
