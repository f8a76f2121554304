//! The table of requests that may be sent again, each with the operation that it made.

use super::Conn;
use crate::clock::Millis;
use crate::error::Result;
use crate::model::operation::OperationId;

/// Rows that are deleted at once.
const SOME: i64 = 500;

/// A request that may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The user who sent it; 0 for the local operator.
    pub user: i64,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The key that it came with.
    pub key: String,
    /// The SHA-256 of its body.
    pub body: [u8; 32],
}

/// The body and the operation that are kept under the key of a request, if it was first sent at `since` or after.
///
/// # Errors
/// The database refuses.
pub fn find(db: &Conn, request: &Request, since: Millis) -> Result<Option<([u8; 32], OperationId)>> {
    let sql = "SELECT body, operation FROM idempotency_keys \
               WHERE userID = ?1 AND method = ?2 AND path = ?3 AND key = ?4 AND createdAt >= ?5";
    let Request { user, method, path, key, .. } = request;
    let params = libsql::params![*user, method.as_str(), path.as_str(), key.as_str(), since];
    let found = db.query_one(sql, params, |row| Ok((row.blob(0)?, row.blob(1)?)))?;
    Ok(found
        .and_then(|(body, operation)| Some((body.try_into().ok()?, OperationId::from_bytes(&operation)?))))
}

/// Keeps which operation a request made, in place of an older one under its key.
///
/// # Errors
/// The database refuses.
pub fn put(db: &Conn, request: &Request, operation: OperationId, now: Millis) -> Result<()> {
    let Request { user, method, path, key, body } = request;
    db.execute(
        "INSERT INTO idempotency_keys (userID, method, path, key, body, operation, createdAt) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (userID, method, path, key) \
         DO UPDATE SET body = excluded.body, operation = excluded.operation, createdAt = excluded.createdAt",
        libsql::params![
            *user,
            method.as_str(),
            path.as_str(),
            key.as_str(),
            body.as_slice(),
            operation.as_bytes(),
            now
        ],
    )?;
    Ok(())
}

/// Deletes some of what was kept before a time, and tells how many.
///
/// # Errors
/// The database refuses.
pub fn delete_before(db: &Conn, before: Millis) -> Result<u64> {
    let sql = "DELETE FROM idempotency_keys WHERE (userID, method, path, key) IN \
               (SELECT userID, method, path, key FROM idempotency_keys WHERE createdAt < ?1 ORDER BY createdAt LIMIT +?2)";
    db.execute(sql, [before, SOME])
}
