//! How a device is reached, woken and looked for, beyond its agent: optional columns of devices and the table of
//! fallback agents.
//!
//! Whoever may name an agent may wake through it, so that each agent named here must be the device's owner's, as the
//! device's own agent must be. An agent that is named cannot be deleted.

use std::net::Ipv4Addr;

use secrecy::SecretString;

use super::data_keys::Sealed;
use super::{Conn, Row};
use crate::error::{Error, Kind, Result};

/// What is set of a device beyond what every device has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceOptions {
    /// The agents that reach it while its own is offline, in the order in which they are tried.
    pub fallback_agents: Vec<i64>,
    /// The agent that runs on the device itself.
    pub host_agent: Option<i64>,
    /// The TCP ports at which it is looked for; none for the usual ones.
    pub probe_ports: Vec<u16>,
    /// Where its magic packets go; none for every network of the agent.
    pub broadcast: Option<Ipv4Addr>,
    /// How often it is looked for, in seconds; none for a device that is not watched.
    pub watch_interval: Option<u32>,
}

/// What becomes of a device's SecureOn password.
#[derive(Debug, Default)]
pub enum SecureOnChange {
    /// It stays.
    #[default]
    Keep,
    /// This one takes its place.
    Set(SecretString),
    /// There is none any more.
    Clear,
}

/// The columns of a device's options, in the order of [`read`].
macro_rules! option_columns {
    () => {
        "(SELECT CAST(json_group_array(agentID) AS BLOB) FROM (SELECT agentID FROM device_fallbacks WHERE deviceID = devices.id \
         ORDER BY position)), CAST(hostAgentID AS INTEGER), CAST(probePorts AS BLOB), CAST(broadcastAddress AS BLOB), \
         CAST(watchInterval AS INTEGER)"
    };
}
pub(super) use option_columns;

/// Reads the options of a row whose columns from `first` on are [`option_columns`].
pub(super) fn read(row: &Row, first: i32) -> Result<DeviceOptions> {
    Ok(DeviceOptions {
        fallback_agents: list(row, first)?,
        host_agent: row.opt_int(first + 1)?,
        probe_ports: list(row, first + 2)?,
        broadcast: row.opt_text(first + 3)?.and_then(|text| text.parse().ok()),
        watch_interval: row.opt_int(first + 4)?.and_then(|seconds| u32::try_from(seconds).ok()),
    })
}

/// A stored JSON array; empty where there is none.
fn list<T: serde::de::DeserializeOwned>(row: &Row, column: i32) -> Result<Vec<T>> {
    let stored = row.opt_text(column)?;
    let filled = stored.filter(|stored| stored != "[]");
    Ok(filled.and_then(|stored| serde_json::from_str(&stored).ok()).unwrap_or_default())
}

/// Stores what is new of a device's options in place of `stored`.
///
/// # Errors
/// A new agent is not there or not `owner`'s; the database refuses.
pub(super) fn put(
    db: &Conn,
    device: i64,
    owner: i64,
    new: &DeviceOptions,
    stored: &DeviceOptions,
) -> Result<()> {
    if new.fallback_agents != stored.fallback_agents {
        for agent in new.fallback_agents.iter().filter(|agent| !stored.fallback_agents.contains(agent)) {
            check_agent(db, owner, *agent, "fallbackAgentIDs names an agent that is not")?;
        }
        db.execute("DELETE FROM device_fallbacks WHERE deviceID = ?1", [device])?;
        for (position, agent) in (0..).zip(&new.fallback_agents) {
            let sql = "INSERT INTO device_fallbacks (deviceID, position, agentID) VALUES (?1, ?2, ?3)";
            db.execute(sql, [device, position, *agent])?;
        }
    }
    if new.host_agent != stored.host_agent {
        if let Some(agent) = new.host_agent {
            check_agent(db, owner, agent, "hostAgentID is not the ID of an agent that is")?;
        }
        // On its own, as the device's agent is.
        let sql = "UPDATE devices SET hostAgentID = ?2 WHERE id = ?1";
        db.execute(sql, libsql::params![device, new.host_agent])?;
    }
    let rest = |options: &DeviceOptions| {
        let ports = options.probe_ports.clone();
        (ports, options.broadcast, options.watch_interval)
    };
    if rest(new) != rest(stored) {
        let ports =
            (!new.probe_ports.is_empty()).then(|| serde_json::Value::from(&new.probe_ports[..]).to_string());
        db.execute(
            "UPDATE devices SET probePorts = ?2, broadcastAddress = ?3, watchInterval = ?4 WHERE id = ?1",
            libsql::params![
                device,
                ports,
                new.broadcast.map(|address| address.to_string()),
                new.watch_interval.map(i64::from),
            ],
        )?;
    }
    Ok(())
}

fn check_agent(db: &Conn, owner: i64, agent: i64, what: &str) -> Result<()> {
    let sql = "SELECT count(*) FROM agents WHERE id = ?1 AND ownerID = ?2";
    match db.query_int(sql, [agent, owner])? {
        0 => Err(Error::new(
            Kind::Invalid,
            "no_matching_agent",
            format!(
                "{what} the device owner’s: give the IDs of agents that belong to the owner of the device"
            ),
        )),
        _ => Ok(()),
    }
}

/// Changes the SecureOn password of the device of an ID.
///
/// # Errors
/// The database refuses.
pub fn set_secure_on(db: &Conn, device: i64, change: &SecureOnChange) -> Result<()> {
    let sealed = match change {
        SecureOnChange::Keep => return Ok(()),
        SecureOnChange::Set(password) => Some(db.seal(Sealed::DeviceSecureOn, device, password)?),
        SecureOnChange::Clear => None,
    };
    let sql = "UPDATE devices SET secureOn = ?2 WHERE id = ?1";
    db.execute(sql, libsql::params![device, sealed]).map(drop)
}

/// The SecureOn password of the device of an ID, if it has one.
///
/// # Errors
/// It cannot be opened; the database refuses.
pub fn secure_on(db: &Conn, device: i64) -> Result<Option<SecretString>> {
    let sql = "SELECT CAST(secureOn AS BLOB) FROM devices WHERE id = ?1";
    let sealed = db.query_one(sql, [device], |row| row.blob(0))?.unwrap_or_default();
    let filled = (!sealed.is_empty()).then_some(sealed);
    filled.map(|sealed| db.unseal(Sealed::DeviceSecureOn, device, &sealed)).transpose()
}
