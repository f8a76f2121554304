//! The table of devices.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use super::device_agents;
use super::device_options::{self, DeviceOptions, SecureOnChange, option_columns};
use super::reach::share_on_device;
use super::{Conn, Reach, Right, Row, Whose};
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
pub use crate::model::device::DeviceKind;
use crate::model::search;

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device's ID.
    pub id: i64,
    /// The name people give it.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// What people note about it.
    pub description: Option<String>,
    /// The MAC address as it is stored, which need not be one in an adopted database.
    pub mac_address: String,
    /// The port to wake it on, a stored fraction cut off. In an adopted database it may be out of range, or none where
    /// no number is stored.
    pub port: Option<i64>,
    /// The agent that reaches it, which may be gone or someone else's in an adopted database: check the agent's owner
    /// before anything is sent through it.
    pub agent_id: i64,
    /// The user whose it is, who may be gone in an adopted database.
    pub owner: i64,
    /// What to ask for its status by, in place of the MAC address.
    pub address: Option<String>,
    /// What is set of it besides.
    pub options: DeviceOptions,
    /// As what it is within reach, if a share alone brings it there.
    pub shared: Option<SharedBy>,
}

/// By whom a device is shared with whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedBy {
    /// The name of the device's owner.
    pub owner_name: String,
    /// What it is shared for.
    pub right: Right,
}

/// What a device is woken by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeRow {
    /// The name people give it.
    pub name: String,
    /// The MAC address as it is stored, which need not be one in an adopted database.
    pub mac_address: String,
    /// The port to wake it on, if what is stored is one.
    pub port: Option<NonZeroU16>,
    /// The agent that reaches it.
    pub agent_id: i64,
    /// Whether that agent is there and of the device's owner: nothing must be sent through another's, whatever an
    /// adopted database says.
    pub agent_is_owners: bool,
    /// Whether a share alone brings it within reach.
    pub shared: bool,
    /// The agents that reach it in the order in which they are tried, that one first; empty where it has no fallbacks.
    pub agents: Vec<i64>,
    /// Where its magic packets go.
    pub broadcast: Option<Ipv4Addr>,
    /// Whether its magic packets end with a SecureOn password.
    pub has_secure_on: bool,
    /// The user whose it is.
    pub owner: i64,
}

/// A device to be inserted.
#[derive(Debug)]
pub struct NewDevice {
    /// The name people give it.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// What people note about it.
    pub description: Option<String>,
    /// The MAC address.
    pub mac_address: String,
    /// The port to wake it on.
    pub port: i64,
    /// The agent that reaches it.
    pub agent_id: i64,
    /// The user whose it is.
    pub owner: i64,
    /// What to ask for its status by, in place of the MAC address.
    pub address: Option<String>,
    /// What is set of it besides.
    pub options: DeviceOptions,
    /// Its SecureOn password.
    pub secure_on: SecureOnChange,
}

macro_rules! select {
    // `$shared` are two columns: what a share allows and the owner's name, or NULLs where no share is needed.
    ($shared:expr; $($rest:expr),+) => {
        concat!(
            "SELECT id, CAST(name AS BLOB), CAST(type AS BLOB), CAST(description AS BLOB), \
             CAST(macAddress AS BLOB), CAST(port AS BLOB), CAST(agentID AS INTEGER), CAST(ownerID AS INTEGER), \
             CAST(address AS BLOB), ", $shared, ", ", option_columns!(), " FROM devices ",
            $($rest),+
        )
    };
}

/// The name of a device's owner.
macro_rules! owner_name {
    () => {
        "(SELECT CAST(username AS BLOB) FROM users WHERE users.id = devices.ownerID)"
    };
}

/// Whether a device is one of those of a JSON array; of all where there is none.
macro_rules! among {
    ($only:literal) => {
        concat!("(", $only, " IS NULL OR id IN (SELECT value FROM json_each(", $only, ")))")
    };
}
pub(super) use among;

/// Whether a device is within a [`Reach`], but for [`among`]: its owner in ?2, its time in ?4, its right in ?5. What is
/// one's own is found so before shares are looked at.
macro_rules! within {
    () => {
        concat!("(?2 IS NULL OR ownerID = ?2 OR ", share_on_device!("?2", "?4"), " >= ?5)")
    };
}

fn device(row: &Row) -> Result<DeviceRow> {
    let right = row.opt_int(9)?;
    let shared_by =
        |right| -> Result<_> { Ok(SharedBy { owner_name: row.text(10)?, right: Right::from_stored(right) }) };
    Ok(DeviceRow {
        shared: right.map(shared_by).transpose()?,
        id: row.int(0)?,
        name: row.text(1)?,
        kind: DeviceKind::from_stored(&row.text(2)?),
        description: row.opt_text(3)?,
        mac_address: row.text(4)?,
        port: row.opt_int(5)?,
        agent_id: row.int(6)?,
        owner: row.int(7)?,
        address: row.opt_text(8)?,
        options: device_options::read(row, 11)?,
    })
}

/// The devices within reach, by ID.
///
/// # Errors
/// The database refuses.
pub fn list(db: &Conn, reach: &Reach) -> Result<Vec<DeviceRow>> {
    of_ids(db, reach, &ids(db, reach)?)
}

/// How many devices a user owns.
///
/// # Errors
/// The database refuses.
pub fn count_of(db: &Conn, owner: i64) -> Result<i64> {
    db.query_int("SELECT count(*) FROM devices WHERE ownerID = ?1", [owner])
}

/// The IDs of the devices within reach, in their order.
///
/// # Errors
/// The database refuses.
pub fn ids(db: &Conn, reach: &Reach) -> Result<Vec<i64>> {
    let Whose::User(owner) = reach.whose else {
        let sql = concat!("SELECT id FROM devices WHERE ", among!("?1"), " ORDER BY id");
        return db.query(sql, libsql::params![reach.only()], |row| row.int(0));
    };
    // On their own, so that the index is used.
    let sql = concat!("SELECT id FROM devices WHERE ownerID = ?1 AND ", among!("?2"), " ORDER BY id");
    let mut found = db.query(sql, libsql::params![owner, reach.only()], |row| row.int(0))?;
    if reach.shared.is_some() {
        found.extend(ids_shared(db, reach)?);
        found.sort_unstable();
    }
    Ok(found)
}

/// The IDs of the devices that shares alone bring within reach.
///
/// # Errors
/// The database refuses.
pub fn ids_shared(db: &Conn, reach: &Reach) -> Result<Vec<i64>> {
    let (Whose::User(owner), Some(_)) = (reach.whose, reach.shared) else { return Ok(Vec::new()) };
    let sql = concat!(
        "SELECT id FROM devices WHERE (id IN (SELECT deviceID FROM shares WHERE userID = ?1) \
             OR agentID IN (SELECT agentID FROM shares WHERE userID = ?1)) AND ownerID <> ?1 AND ",
        share_on_device!("?1", "?3"),
        " >= ?4 AND ",
        among!("?2")
    );
    let params = libsql::params![owner, reach.only(), reach.at(), reach.right()];
    db.query(sql, params, |row| row.int(0))
}

/// Those of some devices that are within reach, by ID.
///
/// # Errors
/// The database refuses.
pub fn of_ids(db: &Conn, reach: &Reach, ids: &[i64]) -> Result<Vec<DeviceRow>> {
    let sql = select!(
        concat!("iif(?2 IS NULL OR ownerID = ?2, NULL, ", share_on_device!("?2", "?4"), "), ", owner_name!());
        "WHERE id IN (SELECT value FROM json_each(?1)) AND ", within!(), " AND ", among!("?3"), " ORDER BY id"
    );
    let ids = serde_json::Value::from(ids).to_string();
    let params = libsql::params![ids, reach.whose.owner(), reach.only(), reach.at(), reach.right()];
    db.query(sql, params, device)
}

/// The device of an ID, if it is within reach.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Conn, reach: &Reach, id: i64) -> Result<Option<DeviceRow>> {
    let sql = select!(
        concat!("iif(?2 IS NULL OR ownerID = ?2, NULL, ", share_on_device!("?2", "?4"), "), ", owner_name!());
        "WHERE id = ?1 AND ", within!(), " AND ", among!("?3")
    );
    let params = libsql::params![id, reach.whose.owner(), reach.only(), reach.at(), reach.right()];
    db.query_one(sql, params, device)
}

/// Which of these devices are a user's own or, at the time `at`, shared with the user; in the order of their IDs.
///
/// # Errors
/// The database refuses.
pub fn seen_among(db: &Conn, user: i64, ids: &[i64], at: Millis) -> Result<Vec<i64>> {
    let ids = serde_json::Value::from(ids).to_string();
    let sql = concat!(
        "SELECT id FROM devices WHERE id IN (SELECT value FROM json_each(?2)) AND (ownerID = ?1 OR ",
        share_on_device!("?1", "?3"),
        " IS NOT NULL) ORDER BY id"
    );
    db.query(sql, libsql::params![user, ids, at], |row| row.int(0))
}

/// What to wake the device of an ID by, if it is within reach.
///
/// # Errors
/// The database refuses.
pub fn to_wake(db: &Conn, reach: &Reach, id: i64) -> Result<Option<WakeRow>> {
    let sql = concat!(
        "SELECT CAST(macAddress AS BLOB), CAST(port AS BLOB), CAST(agentID AS INTEGER), \
         EXISTS (SELECT 1 FROM agents WHERE agents.id = CAST(devices.agentID AS INTEGER) \
         AND agents.ownerID = CAST(devices.ownerID AS INTEGER)), CAST(name AS BLOB), \
         ?2 IS NOT NULL AND ownerID IS NOT ?2, \
         EXISTS (SELECT 1 FROM device_fallbacks WHERE deviceID = devices.id), CAST(broadcastAddress AS BLOB), \
         secureOn IS NOT NULL, CAST(ownerID AS INTEGER) FROM devices WHERE id = ?1 AND ",
        within!(),
        " AND ",
        among!("?3")
    );
    let params = libsql::params![id, reach.whose.owner(), reach.only(), reach.at(), reach.right()];
    db.query_one(sql, params, |row| {
        let port = row.opt_int(1)?;
        Ok(WakeRow {
            name: row.text(4)?,
            mac_address: row.text(0)?,
            port: port.and_then(|port| u16::try_from(port).ok()).and_then(NonZeroU16::new),
            agent_id: row.int(2)?,
            agent_is_owners: row.flag(3)?,
            shared: row.flag(5)?,
            agents: if row.flag(6)? { device_agents::of_device(db, id)? } else { Vec::new() },
            broadcast: row.opt_text(7)?.and_then(|text| text.parse().ok()),
            has_secure_on: row.flag(8)?,
            owner: row.int(9)?,
        })
    })
}

/// Inserts a device and answers the new ID.
///
/// # Errors
/// One of its agents is not the owner's; the database refuses.
pub fn insert(db: &Conn, device: &NewDevice) -> Result<i64> {
    check_agent(db, device.owner, device.agent_id)?;
    db.execute(
        "INSERT INTO devices (name, type, description, macAddress, port, agentID, ownerID, address, search) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        libsql::params![
            device.name.as_str(),
            device.kind.word(),
            device.description.as_deref(),
            device.mac_address.as_str(),
            device.port,
            device.agent_id,
            device.owner,
            device.address.as_deref(),
            search::text(&device.name, device.address.as_deref(), Some(&device.mac_address)),
        ],
    )?;
    let id = db.last_insert_rowid();
    device_options::put(db, id, device.owner, &device.options, &DeviceOptions::default())?;
    device_options::set_secure_on(db, id, &device.secure_on)?;
    Ok(id)
}

/// Stores `device` in place of the device of its ID; its owner stays. Answers whether there is such a device.
///
/// # Errors
/// One of its agents is a new one and not the owner's; the database refuses.
pub fn update(db: &Conn, device: &DeviceRow) -> Result<bool> {
    let Some(stored) = get(db, &Whose::Anyones.into(), device.id)? else { return Ok(false) };
    if device.agent_id != stored.agent_id {
        check_agent(db, stored.owner, device.agent_id)?;
        // On its own: SQLite checks the foreign keys that a statement names, changed or not, and an adopted device
        // whose agent is gone must stay editable.
        db.execute("UPDATE devices SET agentID = ?2 WHERE id = ?1", [device.id, device.agent_id])?;
    }
    // A value that reads the same stays stored as it is, however odd.
    let changed = |new: &str, old: &str| (new != old).then(|| new.to_owned());
    db.execute(
        "UPDATE devices SET name = coalesce(?2, name), type = coalesce(?3, type), \
         macAddress = coalesce(?4, macAddress), port = coalesce(?5, port), \
         description = iif(?6, ?7, description), address = iif(?8, ?9, address), search = ?10 WHERE id = ?1",
        libsql::params![
            device.id,
            changed(&device.name, &stored.name),
            changed(device.kind.word(), stored.kind.word()),
            changed(&device.mac_address, &stored.mac_address),
            device.port.filter(|_| device.port != stored.port),
            device.description != stored.description,
            device.description.as_deref(),
            device.address != stored.address,
            device.address.as_deref(),
            search::text(&device.name, device.address.as_deref(), Some(&device.mac_address)),
        ],
    )?;
    device_options::put(db, device.id, stored.owner, &device.options, &stored.options)?;
    Ok(true)
}

/// Deletes a device. Answers whether there was such a device.
///
/// # Errors
/// The database refuses.
pub fn delete(db: &Conn, id: i64) -> Result<bool> {
    Ok(db.execute("DELETE FROM devices WHERE id = ?1", [id])? > 0)
}

/// Refuses an agent that is not there or not `owner`'s: whoever may name an agent may wake through it.
fn check_agent(db: &Conn, owner: i64, agent: i64) -> Result<()> {
    match db.query_int("SELECT count(*) FROM agents WHERE id = ?1 AND ownerID = ?2", [agent, owner])? {
        0 => Err(Error::new(
            Kind::Invalid,
            "no_matching_agent",
            "No matching agent found for the given AgentID",
        )),
        _ => Ok(()),
    }
}
