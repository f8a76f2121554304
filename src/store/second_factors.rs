//! The tables of second factors and of their recovery codes.
//!
//! A factor is there from the moment its seed was made, and in force once it was confirmed with a code. Codes are
//! compared and used up in the transaction of whoever calls: of several who come with the same, one is first.

use secrecy::SecretString;
use tracing::error;

use super::Conn;
use super::data_keys::Sealed;
use crate::auth::second_factor::{Code, totp};
use crate::auth::typed_code::CodeKey;
use crate::clock::Millis;
use crate::error::Result;

/// When the factor of a user was confirmed; none if none is in force.
///
/// # Errors
/// The database refuses.
pub fn confirmed(db: &Conn, user: i64) -> Result<Option<Millis>> {
    let sql = "SELECT confirmed FROM second_factors WHERE userID = ?1 AND confirmed IS NOT NULL";
    db.query_one(sql, [user], |row| row.int(0))
}

/// How many recovery codes a user has left.
///
/// # Errors
/// The database refuses.
pub fn codes_left(db: &Conn, user: i64) -> Result<i64> {
    db.query_int("SELECT count(*) FROM recovery_codes WHERE userID = ?1", [user])
}

/// Stores the seed of a factor that is still to be confirmed, in place of an earlier one. Answers false, and does
/// nothing, if one is in force.
///
/// # Errors
/// The user is gone; the database refuses.
pub fn begin(db: &Conn, user: i64, seed: &SecretString) -> Result<bool> {
    let sealed = db.seal(Sealed::TotpSeed, user, seed)?;
    let sql = "INSERT INTO second_factors (userID, seed) VALUES (?1, ?2) \
               ON CONFLICT (userID) DO UPDATE SET seed = excluded.seed WHERE confirmed IS NULL";
    Ok(db.execute(sql, libsql::params![user, sealed])? > 0)
}

/// Puts the factor in force whose seed `code` was made with, and stores its recovery codes. Answers whether the code
/// was right; none if there is nothing to confirm.
///
/// # Errors
/// The database refuses.
pub fn confirm(db: &Conn, user: i64, code: &Code, codes: &[CodeKey], now: Millis) -> Result<Option<bool>> {
    let sql = "SELECT seed FROM second_factors WHERE userID = ?1 AND confirmed IS NULL";
    let Some(sealed) = db.query_one(sql, [user], |row| row.blob(0))? else { return Ok(None) };
    let Some(step) = step_of(db, user, &sealed, code, now) else { return Ok(Some(false)) };
    let sql = "UPDATE second_factors SET confirmed = ?2, lastStep = ?3 WHERE userID = ?1";
    db.execute(sql, [user, now, step])?;
    for CodeKey(hash) in codes {
        let sql = "INSERT INTO recovery_codes (userID, hash) VALUES (?1, ?2)";
        db.execute(sql, libsql::params![user, hash.as_slice()])?;
    }
    Ok(Some(true))
}

/// Takes a code of the factor in force, which is then used up, as are all of earlier steps. Answers whether it was good.
///
/// # Errors
/// The database refuses.
pub fn take(db: &Conn, user: i64, code: &Code, now: Millis) -> Result<bool> {
    let sql = "SELECT seed FROM second_factors WHERE userID = ?1 AND confirmed IS NOT NULL";
    let Some(sealed) = db.query_one(sql, [user], |row| row.blob(0))? else { return Ok(false) };
    let taken = if let Code::Recovery(CodeKey(hash)) = code {
        let sql = "DELETE FROM recovery_codes WHERE userID = ?1 AND hash = ?2";
        db.execute(sql, libsql::params![user, hash.as_slice()])?
    } else {
        let Some(step) = step_of(db, user, &sealed, code, now) else { return Ok(false) };
        let sql = "UPDATE second_factors SET lastStep = ?2 WHERE userID = ?1 AND (lastStep IS NULL OR lastStep < ?2)";
        db.execute(sql, [user, step])?
    };
    Ok(taken > 0)
}

/// Forgets a user's factor, in force or not, and its recovery codes. Answers whether one was in force.
///
/// # Errors
/// The database refuses.
pub fn delete(db: &Conn, user: i64) -> Result<bool> {
    let was_in_force = confirmed(db, user)?.is_some();
    db.execute("DELETE FROM recovery_codes WHERE userID = ?1", [user])?;
    db.execute("DELETE FROM second_factors WHERE userID = ?1", [user])?;
    Ok(was_in_force)
}

/// The step that a one-time password is for. A seed that cannot be opened takes none; recovery codes are still good.
fn step_of(db: &Conn, user: i64, sealed: &[u8], code: &Code, now: Millis) -> Option<i64> {
    let Code::Totp(code) = code else { return None };
    match db.unseal(Sealed::TotpSeed, user, sealed) {
        Ok(seed) => totp::step_of(&seed, code, now),
        Err(e) => {
            error!("the second factor of the user {user} takes no code until it is removed: {e}");
            None
        }
    }
}
