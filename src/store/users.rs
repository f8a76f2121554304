//! The table of users.

use std::collections::HashSet;

use secrecy::{ExposeSecret, SecretString};

use super::reach::share_on_device;
use super::{Conn, Row};
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::model::account::{Account, FIRST_ADMIN, FIRST_ADMIN_NAME};
use crate::model::permission::Role;
use crate::model::username::look;

/// A user.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// The user's ID.
    pub id: i64,
    /// The name to log in with.
    pub username: String,
    /// The hash of the password, in the words of the function that made it.
    pub password_hash: SecretString,
    /// The role.
    pub role: Role,
    /// The stored favourites as far as they are integers, whether such devices exist or not.
    pub favorites: Vec<i64>,
}

/// A user as whoever manages users sees one.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The user.
    pub account: Account,
    /// When the user was made; none where that is not known, as for those of an adopted database.
    pub created_at: Option<Millis>,
    /// When the user logged in last; none where that is not known.
    pub last_login: Option<Millis>,
}

/// A user to be inserted.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name to log in with.
    pub username: String,
    /// The hash of the password.
    pub password_hash: SecretString,
    /// The role.
    pub role: Role,
    /// When the user is made.
    pub created_at: Millis,
}

/// How much a user owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// How many agents.
    pub agents: i64,
    /// How many devices.
    pub devices: i64,
}

macro_rules! select {
    ($($rest:literal)?) => {
        concat!(
            "SELECT id, CAST(username AS BLOB), CAST(password_hash AS BLOB), CAST(role AS BLOB), \
             CAST(superadmin AS INTEGER), CAST(favorites AS BLOB) FROM users ",
            $($rest)?
        )
    };
}

fn user(row: &Row) -> Result<UserRow> {
    Ok(UserRow {
        id: row.int(0)?,
        username: row.text(1)?,
        password_hash: row.secret(2)?,
        role: Role::from_stored(&row.text(3)?, row.flag(4)?),
        favorites: favorites(&row.text(5)?),
    })
}

/// The integers of a stored JSON array; anything else in it, or anything else than an array, counts as nothing.
fn favorites(stored: &str) -> Vec<i64> {
    let values: Vec<serde_json::Value> = serde_json::from_str(stored).unwrap_or_default();
    values.iter().filter_map(serde_json::Value::as_i64).collect()
}

/// What a session knows of users at the time `?1`, in one question whatever their number. A stored text that is no JSON
/// must not fail it.
macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT users.id, CAST(username AS BLOB), CAST(role AS BLOB), CAST(superadmin AS INTEGER), \
             CAST(favorites AS BLOB), \
             CAST((SELECT json_group_array(devices.id) FROM json_each(CASE WHEN json_valid(CAST(favorites AS TEXT)) \
             THEN CAST(favorites AS TEXT) ELSE '[]' END) AS favorite JOIN devices ON devices.id = favorite.value \
             WHERE devices.ownerID = users.id OR ",
            share_on_device!("users.id", "?1"),
            " IS NOT NULL) AS BLOB), \
             (SELECT min(expires) FROM shares WHERE userID = users.id AND expires > ?1), \
             EXISTS (SELECT 1 FROM second_factors WHERE userID = users.id AND confirmed IS NOT NULL), createdAt, lastLogin \
             FROM users ",
            $rest
        )
    };
}

fn read_account(row: &Row) -> Result<Account> {
    let mut kept = favorites(&row.text(4)?);
    let until = if kept.is_empty() { None } else { row.opt_int(6)? };
    let seen: HashSet<_> = favorites(&row.text(5)?).into_iter().collect();
    kept.retain(|favorite| seen.contains(favorite));
    Ok(Account {
        id: row.int(0)?,
        username: row.text(1)?,
        role: Role::from_stored(&row.text(2)?, row.flag(3)?),
        favorites: kept,
        until,
        second_factor: row.flag(7)?,
    })
}

/// What a session knows of its user at the time `at`: the user, with the favourites that exist and are the user's own or
/// shared with the user.
///
/// # Errors
/// The database refuses.
pub fn account(db: &Conn, id: i64, at: Millis) -> Result<Option<Account>> {
    db.query_one(select_accounts!("WHERE users.id = ?2"), [at, id], read_account)
}

fn read_listed(row: &Row) -> Result<Listed> {
    Ok(Listed { account: read_account(row)?, created_at: row.opt_int(8)?, last_login: row.opt_int(9)? })
}

/// The user of an ID as [`account`], with what whoever manages users sees besides.
///
/// # Errors
/// The database refuses.
pub fn listed(db: &Conn, id: i64, at: Millis) -> Result<Option<Listed>> {
    db.query_one(select_accounts!("WHERE users.id = ?2"), [at, id], read_listed)
}

/// Everyone as [`listed`], by ID.
///
/// # Errors
/// The database refuses.
pub fn all_listed(db: &Conn, at: Millis) -> Result<Vec<Listed>> {
    db.query(select_accounts!("ORDER BY users.id"), [at], read_listed)
}

/// Notes when a user logged in last.
///
/// # Errors
/// The database refuses.
pub fn logged_in(db: &Conn, id: i64, at: Millis) -> Result<()> {
    db.execute("UPDATE users SET lastLogin = ?2 WHERE id = ?1", [id, at]).map(drop)
}

/// The user of an ID.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Conn, id: i64) -> Result<Option<UserRow>> {
    db.query_one(select!("WHERE id = ?1"), [id], user)
}

/// The user of a name, compared exactly.
///
/// # Errors
/// The database refuses.
pub fn by_name(db: &Conn, username: &str) -> Result<Option<UserRow>> {
    db.query_one(select!("WHERE username = ?1"), [username], user)
}

/// Everyone as they are stored, by ID.
///
/// # Errors
/// The database refuses.
#[cfg(test)]
pub fn list(db: &Conn) -> Result<Vec<UserRow>> {
    db.query(select!("ORDER BY id"), (), user)
}

/// How many users there are.
///
/// # Errors
/// The database refuses.
pub fn count(db: &Conn) -> Result<i64> {
    db.query_int("SELECT count(*) FROM users", ())
}

/// How many superadmins there are. Where there is one, they must stay one and stay.
///
/// # Errors
/// The database refuses.
pub fn superadmins(db: &Conn) -> Result<i64> {
    db.query_int("SELECT count(*) FROM users WHERE superadmin <> 0 AND role = 'admin'", ())
}

/// The superadmin of the lowest ID; none if there is none.
///
/// # Errors
/// The database refuses.
pub fn first_superadmin(db: &Conn) -> Result<Option<i64>> {
    let sql = "SELECT id FROM users WHERE CAST(superadmin AS INTEGER) <> 0 AND CAST(role AS TEXT) = 'admin' \
               ORDER BY id LIMIT 1";
    db.query_one(sql, (), |row| row.int(0))
}

/// How much a user owns. A user who owns something cannot be deleted.
///
/// # Errors
/// The database refuses.
pub fn owned_counts(db: &Conn, id: i64) -> Result<Owned> {
    Ok(Owned {
        agents: db.query_int("SELECT count(*) FROM agents WHERE ownerID = ?1", [id])?,
        devices: db.query_int("SELECT count(*) FROM devices WHERE ownerID = ?1", [id])?,
    })
}

/// Inserts a user and answers the new ID.
///
/// # Errors
/// The name is taken; the database refuses.
pub fn insert(db: &Conn, user: &NewUser) -> Result<i64> {
    check_name_is_free(db, &user.username, None)?;
    db.execute(
        "INSERT INTO users (username, password_hash, role, superadmin, createdAt) VALUES (?1, ?2, ?3, ?4, ?5)",
        libsql::params![
            user.username.as_str(),
            user.password_hash.expose_secret(),
            user.role.stored(),
            user.role == Role::Superadmin,
            user.created_at,
        ],
    )?;
    Ok(db.last_insert_rowid())
}

/// Inserts the first admin, as the superadmin, if there is no user at all. Answers whether it did.
///
/// # Errors
/// The database refuses.
pub fn insert_first_admin(db: &Conn, password_hash: &str, now: Millis) -> Result<bool> {
    let inserted = db.execute(
        "INSERT INTO users (id, username, password_hash, role, superadmin, createdAt) \
         SELECT ?1, ?2, ?3, 'admin', 1, ?4 WHERE NOT EXISTS (SELECT 1 FROM users)",
        libsql::params![FIRST_ADMIN, FIRST_ADMIN_NAME, password_hash, now],
    )?;
    Ok(inserted == 1)
}

/// Stores `user` in place of the user of its ID. Favourites that read the same stay stored as they are. Answers
/// whether there is such a user.
///
/// # Errors
/// The name is another user's; the database refuses.
pub fn update(db: &Conn, user: &UserRow) -> Result<bool> {
    let Some(stored) = get(db, user.id)? else { return Ok(false) };
    // Only what changed is written: what the original stored oddly stays as it is until it is given anew.
    if user.username != stored.username {
        check_name_is_free(db, &user.username, Some(user.id))?;
        db.execute(
            "UPDATE users SET username = ?2 WHERE id = ?1",
            libsql::params![user.id, user.username.as_str()],
        )?;
    }
    if user.role != stored.role {
        db.execute(
            "UPDATE users SET role = ?2, superadmin = ?3 WHERE id = ?1",
            libsql::params![user.id, user.role.stored(), user.role == Role::Superadmin],
        )?;
    }
    if user.favorites != stored.favorites {
        let favorites = serde_json::Value::from(user.favorites.as_slice()).to_string();
        db.execute("UPDATE users SET favorites = ?2 WHERE id = ?1", libsql::params![user.id, favorites])?;
    }
    if user.password_hash.expose_secret() != stored.password_hash.expose_secret() {
        set_password_hash(db, user.id, user.password_hash.expose_secret())?;
    }
    Ok(true)
}

/// Stores a password's hash. Answers whether there is such a user.
///
/// # Errors
/// The database refuses.
pub fn set_password_hash(db: &Conn, id: i64, hash: &str) -> Result<bool> {
    let sql = "UPDATE users SET password_hash = ?2 WHERE id = ?1";
    Ok(db.execute(sql, libsql::params![id, hash])? > 0)
}

/// Deletes a user with whatever goes with them, such as sessions and tokens, and shares given to them. Answers whether there was such a user.
///
/// # Errors
/// A conflict if the user owns something; the database refuses.
pub fn delete(db: &Conn, id: i64) -> Result<bool> {
    Ok(db.execute("DELETE FROM users WHERE id = ?1", [id])? > 0)
}

/// Refuses a name that another user has, or one that looks the same. One thread writes, so what is free now is free until
/// the commit. All names are looked at: users are few, and a stored form of their names could be missing or old.
fn check_name_is_free(db: &Conn, username: &str, but_for: Option<i64>) -> Result<()> {
    let sql = "SELECT CAST(username AS BLOB) FROM users WHERE id IS NOT ?1";
    let others = db.query(sql, [but_for], |row| row.text(0))?;
    if others.iter().any(|other| other == username) {
        return Err(Error::conflict("username_taken", "Username is already taken"));
    }
    let wanted = look(username);
    if others.iter().any(|other| look(other) == wanted) {
        return Err(Error::conflict(
            "username_taken",
            "Username is already taken by one that looks the same: choose one that differs in more than capitals, \
             blanks or the form of its letters",
        ));
    }
    Ok(())
}
