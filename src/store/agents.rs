//! The table of agents.

use secrecy::{ExposeSecret, SecretString};

use tracing::error;

use super::data_keys::Sealed;
use super::{Conn, Row, Whose};
use crate::clock::Millis;
use crate::error::Result;
use crate::model::agent::AgentKind;
use crate::model::credential::{self, Credential, OldSecret};
use crate::model::search;

/// An agent, without its secret.
#[derive(Debug, Clone)]
pub struct AgentRow {
    /// The agent's ID.
    pub id: i64,
    /// The name people give it.
    pub name: String,
    /// What it is.
    pub kind: AgentKind,
    /// What people note about it.
    pub description: String,
    /// The user whose it is, who may be gone in an adopted database.
    pub owner: i64,
}

/// An agent to be inserted.
#[derive(Debug, Clone)]
pub struct NewAgent {
    /// The name people give it.
    pub name: String,
    /// What it is.
    pub kind: AgentKind,
    /// What people note about it.
    pub description: String,
    /// What it proves itself with.
    pub secret: SecretString,
    /// The user whose it is.
    pub owner: i64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, CAST(name AS BLOB), CAST(type AS BLOB), CAST(description AS BLOB), CAST(ownerID AS INTEGER) FROM agents ",
            $rest
        )
    };
}

fn agent(row: &Row) -> Result<AgentRow> {
    Ok(AgentRow {
        id: row.int(0)?,
        name: row.text(1)?,
        kind: AgentKind::from_stored(&row.text(2)?),
        description: row.text(3)?,
        owner: row.int(4)?,
    })
}

/// Whose agents there are, by ID.
///
/// # Errors
/// The database refuses.
pub fn list(db: &Conn, whose: Whose) -> Result<Vec<AgentRow>> {
    of_ids(db, whose, &ids(db, whose)?)
}

/// How many agents a user owns.
///
/// # Errors
/// The database refuses.
pub fn count_of(db: &Conn, owner: i64) -> Result<i64> {
    db.query_int("SELECT count(*) FROM agents WHERE ownerID = ?1", [owner])
}

/// The IDs of whose agents there are, in their order.
///
/// # Errors
/// The database refuses.
pub fn ids(db: &Conn, whose: Whose) -> Result<Vec<i64>> {
    match whose {
        Whose::Anyones => db.query("SELECT id FROM agents ORDER BY id", (), |row| row.int(0)),
        Whose::User(owner) => {
            db.query("SELECT id FROM agents WHERE ownerID = ?1 ORDER BY id", [owner], |row| row.int(0))
        }
    }
}

/// Those of some agents that are among whose are meant, by ID.
///
/// # Errors
/// The database refuses.
pub fn of_ids(db: &Conn, whose: Whose, ids: &[i64]) -> Result<Vec<AgentRow>> {
    let sql =
        select!("WHERE id IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR ownerID = ?2) ORDER BY id");
    let ids = serde_json::Value::from(ids).to_string();
    db.query(sql, libsql::params![ids, whose.owner()], agent)
}

/// The agent of an ID, if it is among whose are meant.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Conn, whose: Whose, id: i64) -> Result<Option<AgentRow>> {
    let sql = select!("WHERE id = ?1 AND (?2 IS NULL OR ownerID = ?2)");
    db.query_one(sql, libsql::params![id, whose.owner()], agent)
}

/// Inserts an agent and answers the new ID.
///
/// # Errors
/// A conflict if the owner is gone; the database refuses.
pub fn insert(db: &Conn, agent: &NewAgent) -> Result<i64> {
    db.execute(
        "INSERT INTO agents (name, type, description, secret, ownerID, search) VALUES (?1, ?2, ?3, X'', ?4, ?5)",
        libsql::params![
            agent.name.as_str(),
            agent.kind.word(),
            agent.description.as_str(),
            agent.owner,
            search::text(&agent.name, None, None),
        ],
    )?;
    let id = db.last_insert_rowid();
    set_secret(db, id, &agent.secret)?;
    Ok(id)
}

/// What the agent of an ID proves itself with, if there is that agent. An empty secret never connects.
///
/// # Errors
/// The secret cannot be opened; the database refuses.
pub fn secret(db: &Conn, id: i64) -> Result<Option<SecretString>> {
    let sql = "SELECT CAST(secret AS BLOB) FROM agents WHERE id = ?1";
    let sealed = db.query_one(sql, [id], |row| row.blob(0))?;
    sealed.map(|sealed| unsealed(db, id, &sealed)).transpose()
}

/// Nothing is sealed where there is no secret.
fn unsealed(db: &Conn, id: i64, sealed: &[u8]) -> Result<SecretString> {
    if sealed.is_empty() { Ok(SecretString::default()) } else { db.unseal(Sealed::AgentSecret, id, sealed) }
}

/// Gives the agent of an ID a new secret, and none else is good. Answers whether there is such an agent.
///
/// # Errors
/// The database refuses.
pub fn set_secret(db: &Conn, id: i64, secret: &SecretString) -> Result<bool> {
    let sealed = db.seal(Sealed::AgentSecret, id, secret)?;
    let sql = "UPDATE agents SET secret = ?2, oldSecret = NULL, oldSecretUntil = NULL WHERE id = ?1";
    Ok(db.execute(sql, libsql::params![id, sealed])? > 0)
}

/// Gives the agent of an ID a new secret, and lets the one that is in use stay good until `until`. Answers whether one
/// did: there may be none, or one that cannot be opened.
///
/// # Errors
/// The database refuses.
pub fn rotate_secret(db: &Conn, id: i64, secret: &SecretString, until: Millis, now: Millis) -> Result<bool> {
    let sql =
        "SELECT CAST(secret AS BLOB), CAST(oldSecret AS BLOB), oldSecretUntil FROM agents WHERE id = ?1";
    let stored = db.query_one(sql, [id], |row| Ok((row.blob(0)?, row.blob(1)?, row.int(2)?)))?;
    let Some((current, old, old_until)) = stored else { return Ok(false) };
    // While an old secret is still good nobody has logged in with the current one: the old one is in use.
    let in_use = if !old.is_empty() && old_until > now {
        db.unseal(Sealed::AgentOldSecret, id, &old)
    } else {
        unsealed(db, id, &current)
    };
    set_secret(db, id, secret)?;
    let Some(in_use) = in_use.ok().filter(|secret| !secret.expose_secret().is_empty()) else {
        return Ok(false);
    };
    let sealed = db.seal(Sealed::AgentOldSecret, id, &in_use)?;
    let sql = "UPDATE agents SET oldSecret = ?2, oldSecretUntil = ?3 WHERE id = ?1";
    Ok(db.execute(sql, libsql::params![id, sealed, until])? > 0)
}

/// Forgets the old secret that was good until `until`; one of a later rotation stays.
///
/// # Errors
/// The database refuses.
pub fn forget_old_secret(db: &Conn, id: i64, until: Millis) -> Result<()> {
    let sql =
        "UPDATE agents SET oldSecret = NULL, oldSecretUntil = NULL WHERE id = ?1 AND oldSecretUntil = ?2";
    db.execute(sql, [id, until]).map(drop)
}

/// Stores `agent` in place of the agent of its ID; its owner stays. Answers whether there is such an agent.
///
/// # Errors
/// The database refuses.
pub fn update(db: &Conn, agent: &AgentRow) -> Result<bool> {
    let Some(stored) = get(db, Whose::Anyones, agent.id)? else { return Ok(false) };
    // A value that reads the same stays stored as it is, however odd.
    let changed = |new: &str, old: &str| (new != old).then(|| new.to_owned());
    db.execute(
        "UPDATE agents SET name = coalesce(?2, name), type = coalesce(?3, type), \
         description = coalesce(?4, description), search = ?5 WHERE id = ?1",
        libsql::params![
            agent.id,
            changed(&agent.name, &stored.name),
            changed(agent.kind.word(), stored.kind.word()),
            changed(&agent.description, &stored.description),
            search::text(&agent.name, None, None),
        ],
    )?;
    Ok(true)
}

/// Deletes an agent. Answers whether there was such an agent.
///
/// # Errors
/// A conflict if a device names it; the database refuses.
pub fn delete(db: &Conn, id: i64) -> Result<bool> {
    Ok(db.execute("DELETE FROM agents WHERE id = ?1", [id])? > 0)
}

/// How many devices name an agent, as theirs, as a fallback or as the one that runs on them. An agent that a device names
/// cannot be deleted.
///
/// # Errors
/// The database refuses.
pub fn device_count(db: &Conn, id: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM (SELECT id FROM devices WHERE agentID = ?1 \
         UNION SELECT id FROM devices WHERE hostAgentID = ?1 \
         UNION SELECT deviceID FROM device_fallbacks WHERE agentID = ?1)";
    db.query_int(sql, [id])
}

macro_rules! select_credential {
    ($($rest:literal)?) => {
        concat!(
            "SELECT id, CAST(type AS BLOB), CAST(secret AS BLOB), CAST(oldSecret AS BLOB), oldSecretUntil FROM agents ",
            $($rest)?
        )
    };
}

/// A secret that cannot be opened locks its own agent out, and nobody else.
fn to_credential(db: &Conn, row: &Row) -> Result<Credential> {
    let id = row.int(0)?;
    let secret = unsealed(db, id, &row.blob(2)?).unwrap_or_else(|e| {
        error!("the agent {id} cannot connect until it is given a new secret: {e}");
        SecretString::default()
    });
    Ok(Credential {
        id,
        kind: AgentKind::from_stored(&row.text(1)?),
        digest: credential::digest(secret.expose_secret()),
        old: old_secret(db, id, row),
    })
}

/// One that cannot be opened is good for nothing.
fn old_secret(db: &Conn, id: i64, row: &Row) -> Option<OldSecret> {
    let sealed = row.opt_blob(3).ok()??;
    let secret = db.unseal(Sealed::AgentOldSecret, id, &sealed).ok()?;
    Some(OldSecret { digest: credential::digest(secret.expose_secret())?, until: row.int(4).ok()? })
}

/// What an agent proves itself with, in the form in which it is checked.
///
/// # Errors
/// The database refuses.
pub fn credential(db: &Conn, id: i64) -> Result<Option<Credential>> {
    db.query_one(select_credential!("WHERE id = ?1"), [id], |row| to_credential(db, row))
}

/// What every agent proves itself with.
///
/// # Errors
/// The database refuses.
pub fn all_credentials(db: &Conn) -> Result<Vec<Credential>> {
    db.query(select_credential!(), (), |row| to_credential(db, row))
}
