//! The table of API tokens. What is stored of a token is its hash alone.

use std::sync::Arc;

use serde_json::Value;

use super::{Conn, Row};
use crate::clock::Millis;
use crate::error::Result;
use crate::model::permission::Permission;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The token's ID.
    pub id: i64,
    /// The user whose it is.
    pub user: i64,
    /// What people call it.
    pub name: String,
    /// The SHA-256 of the token.
    pub hash: [u8; 32],
    /// What it allows at most.
    pub permissions: Vec<Permission>,
    /// The devices it is restricted to; none for all of its user's.
    pub devices: Option<Arc<[i64]>>,
    /// When it was made.
    pub created: Millis,
    /// When it ends; none for never.
    pub expires: Option<Millis>,
    /// When it was last used, as far as that was written.
    pub last_used: Option<Millis>,
}

/// A token to be inserted.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What people call it.
    pub name: String,
    /// What it allows at most.
    pub permissions: Vec<Permission>,
    /// The devices it is restricted to; none for all of its user's.
    pub devices: Option<Vec<i64>>,
    /// When it ends; none for never.
    pub expires: Option<Millis>,
}

macro_rules! select {
    ($($rest:literal)?) => {
        concat!(
            "SELECT id, userID, CAST(name AS BLOB), hash, CAST(permissions AS BLOB), CAST(deviceIDs AS BLOB), \
             created, expires, lastUsed FROM tokens ",
            $($rest)?
        )
    };
}

fn token(row: &Row) -> Result<Option<TokenRow>> {
    // A hash of another length is none of ours, and no token has it.
    let Ok(hash) = row.blob(3)?.try_into() else { return Ok(None) };
    Ok(Some(TokenRow {
        id: row.int(0)?,
        user: row.int(1)?,
        name: row.text(2)?,
        hash,
        permissions: permissions(&row.text(4)?),
        devices: row.opt_text(5)?.map(|stored| devices(&stored)),
        created: row.int(6)?,
        expires: row.opt_int(7)?,
        last_used: row.opt_int(8)?,
    }))
}

/// What cannot be read allows nothing.
fn permissions(stored: &str) -> Vec<Permission> {
    let names: Vec<Value> = serde_json::from_str(stored).unwrap_or_default();
    names.iter().filter_map(Value::as_str).filter_map(Permission::from_name).collect()
}

/// What cannot be read is no device.
fn devices(stored: &str) -> Arc<[i64]> {
    let ids: Vec<Value> = serde_json::from_str(stored).unwrap_or_default();
    ids.iter().filter_map(Value::as_i64).collect()
}

/// Every token, the expired ones included.
///
/// # Errors
/// The database refuses.
pub fn load_all(db: &Conn) -> Result<Vec<TokenRow>> {
    Ok(db.query(select!(), (), token)?.into_iter().flatten().collect())
}

/// A user's tokens, the expired ones included.
///
/// # Errors
/// The database refuses.
pub fn of_user(db: &Conn, user: i64) -> Result<Vec<TokenRow>> {
    Ok(db.query(select!("WHERE userID = ?1"), [user], token)?.into_iter().flatten().collect())
}

/// How many tokens a user has.
///
/// # Errors
/// The database refuses.
pub fn count(db: &Conn, user: i64) -> Result<i64> {
    db.query_int("SELECT count(*) FROM tokens WHERE userID = ?1", [user])
}

/// The name of a user's token; none if the user has no such token.
///
/// # Errors
/// The database refuses.
pub fn name(db: &Conn, user: i64, id: i64) -> Result<Option<String>> {
    let sql = "SELECT CAST(name AS BLOB) FROM tokens WHERE id = ?1 AND userID = ?2";
    db.query_one(sql, [id, user], |row| row.text(0))
}

/// Inserts a token of `user` under the SHA-256 of its text and answers the new ID.
///
/// # Errors
/// A conflict if the user is gone; the database refuses.
pub fn insert(db: &Conn, user: i64, hash: &[u8; 32], created: Millis, token: &NewToken) -> Result<i64> {
    let names: Vec<_> = token.permissions.iter().map(|permission| permission.name()).collect();
    db.execute(
        "INSERT INTO tokens (userID, name, hash, permissions, deviceIDs, created, expires) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        libsql::params![
            user,
            token.name.as_str(),
            hash.as_slice(),
            Value::from(names).to_string(),
            token.devices.as_deref().map(|ids| Value::from(ids).to_string()),
            created,
            token.expires,
        ],
    )?;
    Ok(db.last_insert_rowid())
}

/// Notes that a token was used. Answers whether there is such a token.
///
/// # Errors
/// The database refuses.
pub fn touch(db: &Conn, id: i64, last_used: Millis) -> Result<bool> {
    Ok(db.execute("UPDATE tokens SET lastUsed = ?2 WHERE id = ?1", [id, last_used])? > 0)
}

/// Deletes all of a user's tokens.
///
/// # Errors
/// The database refuses.
pub fn delete_of_user(db: &Conn, user: i64) -> Result<()> {
    db.execute("DELETE FROM tokens WHERE userID = ?1", [user]).map(drop)
}

/// Deletes a user's token. Answers whether there was such a token.
///
/// # Errors
/// The database refuses.
pub fn delete(db: &Conn, user: i64, id: i64) -> Result<bool> {
    Ok(db.execute("DELETE FROM tokens WHERE id = ?1 AND userID = ?2", [id, user])? > 0)
}
