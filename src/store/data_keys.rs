//! The table of data keys, and what is sealed with them.
//!
//! The newest key of the table is in force. Every sealed column is a [`Sealed`], so that nothing can be sealed that a
//! change of the key would forget. What cannot be opened never stops the server: it is the one secret that is lost.

use secrecy::{ExposeSecret, SecretString};

use super::Conn;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::vault::{NewMaster, Place, SealError, WrappedKey};

/// A column that holds sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// What an agent proves itself with.
    AgentSecret,
    /// The same before the last rotation.
    AgentOldSecret,
    /// The seed of a user's one-time passwords; its row is the user's ID.
    TotpSeed,
    /// What a device's magic packets end with.
    DeviceSecureOn,
}

/// A sealed column in the database's words.
struct Column {
    table: &'static str,
    column: &'static str,
    /// Answers the key and the value of every row that has one.
    every: &'static str,
    put: &'static str,
}

macro_rules! column {
    ($table:literal, $column:literal, $key:literal) => {
        Column {
            table: $table,
            column: $column,
            every: concat!(
                "SELECT ",
                $key,
                ", CAST(",
                $column,
                " AS BLOB) FROM ",
                $table,
                " WHERE length(CAST(",
                $column,
                " AS BLOB)) > 0"
            ),
            put: concat!("UPDATE ", $table, " SET ", $column, " = ?2 WHERE ", $key, " = ?1"),
        }
    };
}

impl Sealed {
    const ALL: [Self; 4] = [Self::AgentSecret, Self::AgentOldSecret, Self::TotpSeed, Self::DeviceSecureOn];

    const fn sql(self) -> Column {
        match self {
            Self::AgentSecret => column!("agents", "secret", "id"),
            Self::AgentOldSecret => column!("agents", "oldSecret", "id"),
            Self::TotpSeed => column!("second_factors", "seed", "userID"),
            Self::DeviceSecureOn => column!("devices", "secureOn", "id"),
        }
    }

    fn place(self, row: i64) -> Place {
        let Column { table, column, .. } = self.sql();
        Place { table, column, row }
    }
}

impl Conn {
    /// Seals a secret for a column's row, which may still be inserted. Only where it is part of a
    /// [`write`](super::Store::write): what is sealed elsewhere may outlive its key.
    ///
    /// # Errors
    /// The database refuses, or the system has no randomness.
    pub fn seal(&self, column: Sealed, row: i64, secret: &SecretString) -> Result<Vec<u8>> {
        seal_bytes(self, column, row, secret.expose_secret().as_bytes())
    }

    /// Opens a secret that was sealed for a column's row. Bytes that are no UTF-8 read as `U+FFFD`.
    ///
    /// # Errors
    /// It was not sealed for this column's row, with a key that is there.
    pub fn unseal(&self, column: Sealed, row: i64, sealed: &[u8]) -> Result<SecretString> {
        let place = column.place(row);
        let plain = self.vault()?.unseal(place, sealed).map_err(|e| fault(place, e))?;
        Ok(SecretString::from(&*String::from_utf8_lossy(&plain)))
    }
}

fn fault(place: Place, error: SealError) -> Error {
    Error::internal(format!("{place} cannot be opened: {error}"))
}

fn seal_bytes(db: &Conn, column: Sealed, row: i64, plain: &[u8]) -> Result<Vec<u8>> {
    let place = column.place(row);
    let key = newest(db)?;
    db.vault()?.seal(key, place, plain).map_err(|e| Error::internal(format!("{place} was not sealed: {e}")))
}

fn newest(db: &Conn) -> Result<u32> {
    number(db.query_int("SELECT max(id) FROM data_keys", ())?)
}

fn number(id: i64) -> Result<u32> {
    u32::try_from(id).map_err(|_| Error::internal(format!("{id} is no data key's ID")))
}

/// Every data key as it is stored.
///
/// # Errors
/// The database refuses.
pub(super) fn all(db: &Conn) -> Result<Vec<WrappedKey>> {
    db.query("SELECT id, wrapped FROM data_keys ORDER BY id", (), |row| {
        Ok(WrappedKey { id: number(row.int(0)?)?, wrapped: row.blob(1)? })
    })
}

/// Whether anything is sealed.
///
/// # Errors
/// The database refuses.
pub(super) fn is_needed(db: &Conn) -> Result<bool> {
    for column in Sealed::ALL {
        let Column { table, column, every, .. } = column.sql();
        // An older schema has fewer.
        let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
        if db.query_int(sql, [table, column])? > 0 && db.query_one(every, (), |_| Ok(()))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes a data key, which is in force from now on. `wiped` says whether nothing was stored plain before.
///
/// # Errors
/// The database refuses, or the system has no randomness.
pub(super) fn insert(db: &Conn, wiped: bool) -> Result<u32> {
    let sql = "INSERT INTO data_keys (wrapped, created, wiped) VALUES (X'', ?1, ?2)";
    db.execute(sql, libsql::params![Clock::default().now(), wiped])?;
    let id = number(db.last_insert_rowid())?;
    put(db, id, db.vault()?.make_data_key(id))?;
    Ok(id)
}

/// Seals every agent's secret, which was stored plain, byte by byte.
///
/// # Errors
/// The database refuses, or the system has no randomness.
pub(super) fn seal_plain(db: &Conn) -> Result<()> {
    let Column { every, put, .. } = Sealed::AgentSecret.sql();
    for (id, plain) in db.query(every, (), |row| Ok((row.int(0)?, row.blob(1)?)))? {
        let plain = zeroize::Zeroizing::new(plain);
        let sealed = seal_bytes(db, Sealed::AgentSecret, id, &plain)?;
        db.execute(put, libsql::params![id, sealed])?;
    }
    Ok(())
}

/// Whether the file's free pages may still hold what was stored plain.
///
/// # Errors
/// The database refuses.
pub(super) fn wiping_is_due(db: &Conn) -> Result<bool> {
    Ok(db.query_int("SELECT count(*) FROM data_keys WHERE wiped = 0", ())? > 0)
}

/// Notes that they no longer do.
///
/// # Errors
/// The database refuses.
pub(super) fn set_wiped(db: &Conn) -> Result<()> {
    db.execute("UPDATE data_keys SET wiped = 1", ()).map(drop)
}

/// What a change of the data key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The new key.
    pub key: u32,
    /// How many values were sealed with it.
    pub values: usize,
}

/// Makes a new data key, seals everything with it and forgets the others.
///
/// # Errors
/// A value cannot be opened; the database refuses.
pub fn rotate(db: &Conn) -> Result<Rotated> {
    let key = insert(db, true)?;
    let mut values = 0;
    for column in Sealed::ALL {
        let Column { every, put, .. } = column.sql();
        for (row, sealed) in db.query(every, (), |row| Ok((row.int(0)?, row.blob(1)?)))? {
            let place = column.place(row);
            let plain = db.vault()?.unseal(place, &sealed).map_err(|e| {
                Error::conflict(
                    "damaged_secret",
                    format!(
                        "{place} cannot be opened: {e}. Nothing was changed. Give it a new secret first."
                    ),
                )
            })?;
            db.execute(put, libsql::params![row, seal_bytes(db, column, row, &plain)?])?;
            values += 1;
        }
    }
    db.execute("DELETE FROM data_keys WHERE id <> ?1", [i64::from(key)])?;
    Ok(Rotated { key, values })
}

/// Wraps the data keys with a new master key, `given` or made up. It is to be adopted after the commit.
///
/// # Errors
/// The new key cannot be had; the database refuses.
pub fn change_master(db: &Conn, given: Option<&str>) -> Result<NewMaster> {
    let vault = db.vault()?;
    let master = vault.prepare_master(given).map_err(|e| {
        Error::conflict("master_key_not_changed", format!("The master key was not changed: {e}"))
    })?;
    for WrappedKey { id, .. } in all(db)? {
        put(db, id, vault.wrap_anew(&master, id))?;
    }
    Ok(master)
}

fn put(db: &Conn, id: u32, wrapped: Result<Vec<u8>, SealError>) -> Result<()> {
    let wrapped = wrapped.map_err(|e| Error::internal(format!("the data key {id} was not wrapped: {e}")))?;
    let sql = "UPDATE data_keys SET wrapped = ?2 WHERE id = ?1";
    db.execute(sql, libsql::params![i64::from(id), wrapped]).map(drop)
}
