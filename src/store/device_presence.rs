//! The table of what came to be of devices: one row for each change of a device's presence.

use super::{Conn, Row};
use crate::clock::Millis;
use crate::error::Result;
use crate::model::device_presence::{DevicePresence, DeviceState, SeenBy};

/// How many changes of one device are kept.
const KEPT: i64 = 1000;

/// A change of a device's presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceRow {
    /// Its place among all: later ones are greater.
    pub id: i64,
    /// What it came to be. It was checked then.
    pub presence: DevicePresence,
}

/// What there is to know of a device's presence without looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The device's owner.
    pub owner: i64,
    /// The agent that runs on it.
    pub host_agent: Option<i64>,
    /// Its presence as it was stored last.
    pub presence: DevicePresence,
}

fn change(row: &Row) -> Result<PresenceRow> {
    let at: Millis = row.int(1)?;
    Ok(PresenceRow {
        id: row.int(0)?,
        presence: DevicePresence {
            state: DeviceState::from_stored(&row.text(2)?),
            since: Some(at),
            method: row.opt_text(3)?.and_then(|word| SeenBy::from_stored(&word)),
            checked_at: Some(at),
            why: row.text(4)?.into(),
        },
    })
}

macro_rules! select {
    ($more:literal; $rest:literal) => {
        concat!(
            "SELECT id, at, CAST(state AS BLOB), CAST(method AS BLOB), CAST(why AS BLOB)",
            $more,
            " FROM device_presence ",
            $rest
        )
    };
}

/// What there is to know of the device of an ID, if there is that device.
///
/// # Errors
/// The database refuses.
pub fn standing(db: &Conn, device: i64) -> Result<Option<Standing>> {
    let sql = "SELECT CAST(ownerID AS INTEGER), CAST(hostAgentID AS INTEGER) FROM devices WHERE id = ?1";
    let found = db.query_one(sql, [device], |row| Ok((row.int(0)?, row.opt_int(1)?)))?;
    let Some((owner, host_agent)) = found else { return Ok(None) };
    let presence = page(db, device, None, 1)?.pop().map(|row| row.presence).unwrap_or_default();
    Ok(Some(Standing { owner, host_agent, presence }))
}

/// The newest changes of a device, the newest first; of those before the one of the ID `before`, if that is given.
///
/// # Errors
/// The database refuses.
pub fn page(db: &Conn, device: i64, before: Option<i64>, limit: i64) -> Result<Vec<PresenceRow>> {
    let sql = select!(""; "WHERE deviceID = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT +?3");
    db.query(sql, libsql::params![device, before, limit], change)
}

/// The newest change of each of some devices of which there is one, in any order.
///
/// # Errors
/// The database refuses.
pub fn newest(db: &Conn, devices: &[i64]) -> Result<Vec<(i64, DevicePresence)>> {
    let sql = select!(
        ", CAST(deviceID AS INTEGER)";
        "WHERE id IN (SELECT max(id) FROM device_presence \
         WHERE deviceID IN (SELECT value FROM json_each(?1)) GROUP BY deviceID)"
    );
    let devices = serde_json::Value::from(devices).to_string();
    db.query(sql, [devices], |row| Ok((row.int(5)?, change(row)?.presence)))
}

/// Adds a change of a device, if it is still there, and forgets the oldest of too many.
///
/// # Errors
/// The database refuses.
pub fn insert(db: &Conn, device: i64, presence: &DevicePresence) -> Result<()> {
    db.execute(
        "INSERT INTO device_presence (deviceID, at, state, method, why) SELECT ?1, ?2, ?3, ?4, ?5 \
         WHERE EXISTS (SELECT 1 FROM devices WHERE id = ?1)",
        libsql::params![
            device,
            presence.since.unwrap_or(0),
            presence.state.word(),
            presence.method.map(SeenBy::word),
            presence.why.as_ref(),
        ],
    )?;
    let sql = "DELETE FROM device_presence WHERE deviceID = ?1 AND id <= \
         (SELECT id FROM device_presence WHERE deviceID = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    db.execute(sql, [device, KEPT]).map(drop)
}

/// Every agent that runs on a device, with the device.
///
/// # Errors
/// The database refuses.
pub fn host_agents(db: &Conn) -> Result<Vec<(i64, i64)>> {
    let sql = "SELECT CAST(hostAgentID AS INTEGER), id FROM devices WHERE hostAgentID IS NOT NULL";
    db.query(sql, (), |row| Ok((row.int(0)?, row.int(1)?)))
}
