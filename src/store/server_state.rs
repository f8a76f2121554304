//! What the server knows of itself: one row.

use super::Conn;
use crate::clock::Millis;
use crate::error::Result;

/// The bytes that [`fill`] writes: more than any small change needs.
const FILLER: i64 = 64 * 1024;

/// Until when the server has lived. In a database that never said so, the newest time that it holds.
///
/// # Errors
/// The database refuses.
pub fn lived(db: &Conn) -> Result<Option<Millis>> {
    let sql = "SELECT coalesce(lived, max((SELECT max(at) FROM audit), (SELECT max(lastUsed) FROM sessions)),
                   (SELECT max(at) FROM audit), (SELECT max(lastUsed) FROM sessions)) FROM server_state";
    Ok(db.query_one(sql, (), |row| row.opt_int(0))?.flatten())
}

/// Notes until when the server has lived. Something is written each time, so that this also shows whether anything can
/// be.
///
/// # Errors
/// The database refuses.
pub fn set_lived(db: &Conn, lived: Millis) -> Result<()> {
    db.execute("UPDATE server_state SET lived = ?1, written = written + 1", [lived]).map(drop)
}

/// Writes as much as a large change does. [`empty`] takes it away again.
///
/// # Errors
/// The database refuses.
pub(super) fn fill(db: &Conn) -> Result<()> {
    db.execute("UPDATE server_state SET filler = zeroblob(?1), written = written + 1", [FILLER]).map(drop)
}

/// Takes away what [`fill`] wrote.
///
/// # Errors
/// The database refuses.
pub(super) fn empty(db: &Conn) -> Result<()> {
    db.execute("UPDATE server_state SET filler = NULL, written = written + 1", ()).map(drop)
}

/// Writes next to nothing.
///
/// # Errors
/// The database refuses.
pub(super) fn touch(db: &Conn) -> Result<()> {
    db.execute("UPDATE server_state SET written = written + 1", ()).map(drop)
}
