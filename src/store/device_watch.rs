//! Which devices are watched.

use super::Conn;
use crate::error::Result;

/// The IDs of the devices that are looked at again and again.
///
/// # Errors
/// The database refuses.
pub fn watched(db: &Conn) -> Result<Vec<i64>> {
    db.query("SELECT id FROM devices WHERE watchInterval IS NOT NULL ORDER BY id", (), |row| row.int(0))
}
