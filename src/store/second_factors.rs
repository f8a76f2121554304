//! The tables of second factors and of their recovery codes.
//!
//! A factor is there from the moment its seed was made, and in force once it was confirmed with a code. Codes are used up
//! in the transaction of whoever calls: of several who come with the same, one is first. Whether a code fits a seed is
//! not decided here.

use super::Conn;
use super::data_keys::Sealed;
use crate::clock::Millis;
use crate::error::Result;
use secrecy::SecretString;

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

/// The seed of a factor that is still to be confirmed; none if there is none. A seed that cannot be opened is an error of
/// its own, which the inner result holds.
///
/// # Errors
/// The database refuses.
pub fn seed_to_confirm(db: &Conn, user: i64) -> Result<Option<Result<SecretString>>> {
    seed(db, user, "SELECT seed FROM second_factors WHERE userID = ?1 AND confirmed IS NULL")
}

/// The seed of the factor in force, as [`seed_to_confirm`].
///
/// # Errors
/// The database refuses.
pub fn seed_in_force(db: &Conn, user: i64) -> Result<Option<Result<SecretString>>> {
    seed(db, user, "SELECT seed FROM second_factors WHERE userID = ?1 AND confirmed IS NOT NULL")
}

fn seed(db: &Conn, user: i64, sql: &'static str) -> Result<Option<Result<SecretString>>> {
    let sealed = db.query_one(sql, [user], |row| row.blob(0))?;
    Ok(sealed.map(|sealed| db.unseal(Sealed::TotpSeed, user, &sealed)))
}

/// Puts a factor in force that was proved with the code of `step`, and stores its recovery codes by their hashes.
///
/// # Errors
/// The database refuses.
pub fn confirm(db: &Conn, user: i64, step: i64, codes: &[[u8; 32]], now: Millis) -> Result<()> {
    let sql = "UPDATE second_factors SET confirmed = ?2, lastStep = ?3 WHERE userID = ?1";
    db.execute(sql, [user, now, step])?;
    for hash in codes {
        let sql = "INSERT INTO recovery_codes (userID, hash) VALUES (?1, ?2)";
        db.execute(sql, libsql::params![user, hash.as_slice()])?;
    }
    Ok(())
}

/// Uses up the codes of the factor in force up to `step`. Answers whether that of `step` was still good.
///
/// # Errors
/// The database refuses.
pub fn use_step(db: &Conn, user: i64, step: i64) -> Result<bool> {
    let sql =
        "UPDATE second_factors SET lastStep = ?2 WHERE userID = ?1 AND (lastStep IS NULL OR lastStep < ?2)";
    Ok(db.execute(sql, [user, step])? > 0)
}

/// Uses up a recovery code, by its hash. Answers whether there was such a code.
///
/// # Errors
/// The database refuses.
pub fn use_recovery_code(db: &Conn, user: i64, hash: &[u8; 32]) -> Result<bool> {
    let sql = "DELETE FROM recovery_codes WHERE userID = ?1 AND hash = ?2";
    Ok(db.execute(sql, libsql::params![user, hash.as_slice()])? > 0)
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
