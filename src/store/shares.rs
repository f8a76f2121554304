//! The table of shares: a device, or all devices of an agent, which another user may see or wake.
//!
//! Here shares are given and taken. What they bring within reach is asked where devices are read, through
//! [`Reach`](super::Reach). An expired share is none; its row goes when the next share is given.

use super::{Conn, Right, Row};
use crate::clock::Millis;
use crate::error::Result;

/// What is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// The device of an ID.
    Device(i64),
    /// All devices of the agent of an ID, also those it gets later.
    Agent(i64),
}

/// A share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRow {
    /// The share's ID.
    pub id: i64,
    /// The user it is shared with.
    pub user: i64,
    /// The name of that user.
    pub username: String,
    /// What the user may do.
    pub right: Right,
    /// When it was given.
    pub created: Millis,
    /// When it ends; none for never.
    pub expires: Option<Millis>,
}

/// A share to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShare {
    /// The user to share with.
    pub user: i64,
    /// What the user may do.
    pub right: Right,
    /// When it is given.
    pub created: Millis,
    /// When it ends; none for never.
    pub expires: Option<Millis>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT shares.id, userID, CAST(username AS BLOB), mayWake, created, expires \
             FROM shares JOIN users ON users.id = userID ",
            $rest
        )
    };
}

fn share(row: &Row) -> Result<ShareRow> {
    Ok(ShareRow {
        id: row.int(0)?,
        user: row.int(1)?,
        username: row.text(2)?,
        right: Right::from_stored(row.int(3)?),
        created: row.int(4)?,
        expires: row.opt_int(5)?,
    })
}

/// The shares of a thing that have not expired at the time `at`, by ID.
///
/// # Errors
/// The database refuses.
pub fn list(db: &Conn, of: Shared, at: Millis) -> Result<Vec<ShareRow>> {
    let (sql, id) = match of {
        Shared::Device(id) => {
            (select!("WHERE deviceID = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY shares.id"), id)
        }
        Shared::Agent(id) => {
            (select!("WHERE agentID = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY shares.id"), id)
        }
    };
    db.query(sql, [id, at], share)
}

/// Gives a share, in place of the one of the same thing with the same user if there is one, whose ID it keeps; and
/// removes all that had expired by `settled`, if that is known.
///
/// # Errors
/// A conflict if the thing or the user is gone; the database refuses.
pub fn put(db: &Conn, of: Shared, share: &NewShare, settled: Option<Millis>) -> Result<()> {
    if let Some(settled) = settled {
        db.execute("DELETE FROM shares WHERE expires <= ?1", [settled])?;
    }
    let (device, agent) = match of {
        Shared::Device(id) => (Some(id), None),
        Shared::Agent(id) => (None, Some(id)),
    };
    db.execute(
        "INSERT INTO shares (deviceID, agentID, userID, mayWake, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT DO UPDATE SET mayWake = excluded.mayWake, created = excluded.created, \
         expires = excluded.expires",
        libsql::params![device, agent, share.user, share.right.stored(), share.created, share.expires],
    )?;
    Ok(())
}

/// Takes back the share of an ID, if it is one of this thing that has not expired at the time `at`. Answers the user it
/// was shared with.
///
/// # Errors
/// The database refuses.
pub fn delete(db: &Conn, of: Shared, id: i64, at: Millis) -> Result<Option<i64>> {
    let Some(share) = list(db, of, at)?.into_iter().find(|share| share.id == id) else { return Ok(None) };
    db.execute("DELETE FROM shares WHERE id = ?1", [id])?;
    Ok(Some(share.user))
}

/// How many shares an owner has given, expired ones included: to a user, and to all.
///
/// # Errors
/// The database refuses.
pub fn counts_of(db: &Conn, sharer: i64, user: i64) -> Result<(i64, i64)> {
    let with = "SELECT count(*) FROM shares WHERE sharerID = ?1 AND userID = ?2";
    let all = "SELECT count(*) FROM shares WHERE sharerID = ?1";
    Ok((db.query_int(with, [sharer, user])?, db.query_int(all, [sharer])?))
}

/// The share of a thing with a user, if there is one that has not expired at the time `at`.
///
/// # Errors
/// The database refuses.
pub fn of_thing(db: &Conn, of: Shared, user: i64, at: Millis) -> Result<Option<ShareRow>> {
    Ok(list(db, of, at)?.into_iter().find(|share| share.user == user))
}

/// With whom a device is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceShare {
    /// The device.
    pub device: i64,
    /// The name of its owner.
    pub owner_name: String,
    /// The user it is shared with.
    pub user: i64,
    /// What the user may do.
    pub right: Right,
}

/// With whom some devices are shared at the time `at`, by themselves or with all devices of their agent.
///
/// # Errors
/// The database refuses.
pub fn of_devices(db: &Conn, devices: &[i64], at: Millis) -> Result<Vec<DeviceShare>> {
    // A share of an agent covers the devices of its owner alone: in an adopted database somebody else's may name it.
    let sql = "WITH asked AS (SELECT id, agentID, ownerID FROM devices WHERE id IN (SELECT value FROM json_each(?1))), \
         found AS (SELECT asked.id AS device, asked.ownerID AS owner, userID, mayWake, expires \
         FROM asked JOIN shares ON shares.deviceID = asked.id \
         UNION ALL SELECT asked.id, asked.ownerID, userID, mayWake, expires \
         FROM asked JOIN agents ON agents.id = asked.agentID AND agents.ownerID = asked.ownerID \
         JOIN shares ON shares.agentID = agents.id) \
         SELECT device, CAST(users.username AS BLOB), userID, max(mayWake) \
         FROM found JOIN users ON users.id = owner WHERE expires IS NULL OR expires > ?2 \
         GROUP BY device, userID ORDER BY device, userID";
    let ids = serde_json::Value::from(devices).to_string();
    db.query(sql, libsql::params![ids, at], |row| {
        Ok(DeviceShare {
            device: row.int(0)?,
            owner_name: row.text(1)?,
            user: row.int(2)?,
            right: Right::from_stored(row.int(3)?),
        })
    })
}

/// Which devices a share of this brings within reach, at most so many, each with its owner.
///
/// # Errors
/// The database refuses.
pub fn devices_of(db: &Conn, of: Shared, most: usize) -> Result<Vec<(i64, i64)>> {
    let (sql, id) = match of {
        Shared::Device(id) => {
            ("SELECT id, CAST(ownerID AS INTEGER) FROM devices WHERE id = ?1 LIMIT +?2", id)
        }
        // Only its owner's: in an adopted database somebody else's may name it.
        Shared::Agent(id) => (
            "SELECT devices.id, CAST(devices.ownerID AS INTEGER) FROM devices \
             JOIN agents ON agents.id = devices.agentID AND agents.ownerID = devices.ownerID \
             WHERE devices.agentID = ?1 ORDER BY devices.id LIMIT +?2",
            id,
        ),
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    db.query(sql, [id, most], |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Everyone for whom it makes a difference that a device is there: its owner, and whom it is shared with.
///
/// # Errors
/// The database refuses.
pub fn seers(db: &Conn, device: i64) -> Result<Vec<i64>> {
    let sql = "SELECT CAST(ownerID AS INTEGER) FROM devices WHERE id = ?1 \
         UNION SELECT userID FROM shares WHERE deviceID = ?1 \
         UNION SELECT userID FROM shares WHERE agentID = (SELECT agentID FROM devices WHERE id = ?1)";
    db.query(sql, [device], |row| row.int(0))
}
