//! How much the database holds.

use super::Conn;
use crate::clock::Millis;
use crate::error::Result;

/// How much the database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerCounts {
    /// Users.
    pub users: i64,
    /// Agents.
    pub agents: i64,
    /// Devices.
    pub devices: i64,
    /// Operations that have not ended.
    pub live_operations: i64,
    /// The database's size in bytes, without the write-ahead log.
    pub bytes: i64,
    /// When the newest key was made that secrets are sealed with.
    pub key_made: Option<Millis>,
}

/// Counts. Takes longer the more there is: for a long reader.
///
/// # Errors
/// The database refuses.
pub fn read(db: &Conn) -> Result<ServerCounts> {
    let bytes = db.bytes()?;
    let sql =
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM agents), (SELECT count(*) FROM devices),
                   (SELECT count(*) FROM operations WHERE endedAt IS NULL),
                   (SELECT max(created) FROM data_keys)";
    let read = db.query_one(sql, (), |row| {
        Ok(ServerCounts {
            users: row.int(0)?,
            agents: row.int(1)?,
            devices: row.int(2)?,
            live_operations: row.int(3)?,
            bytes,
            key_made: row.opt_int(4)?,
        })
    })?;
    read.ok_or_else(|| crate::error::Error::internal("counting answered no row"))
}
