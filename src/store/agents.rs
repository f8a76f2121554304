//! The table of agents.

use secrecy::{ExposeSecret, SecretString};

use tracing::error;

use super::data_keys::Sealed;
use super::{Conn, Row, Whose};
use crate::control::{AgentKind, Credential, SecretDigest};
use crate::error::Result;

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
        kind: kind_from_stored(&row.text(2)?),
        description: row.text(3)?,
        owner: row.int(4)?,
    })
}

fn stored_kind(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::Server => "server",
        AgentKind::Microcontroller => "microcontroller",
    }
}

/// An unknown word reads as the kind of which the least is asked.
fn kind_from_stored(word: &str) -> AgentKind {
    if word == "server" { AgentKind::Server } else { AgentKind::Microcontroller }
}

/// Whose agents there are, by ID.
///
/// # Errors
/// The database refuses.
pub fn list(db: &Conn, whose: Whose) -> Result<Vec<AgentRow>> {
    match whose {
        Whose::Anyones => db.query(select!("ORDER BY id"), (), agent),
        Whose::User(owner) => db.query(select!("WHERE ownerID = ?1 ORDER BY id"), [owner], agent),
    }
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
        "INSERT INTO agents (name, type, description, secret, ownerID) VALUES (?1, ?2, ?3, X'', ?4)",
        libsql::params![
            agent.name.as_str(),
            stored_kind(agent.kind),
            agent.description.as_str(),
            agent.owner,
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

/// Gives the agent of an ID a new secret. Answers whether there is such an agent.
///
/// # Errors
/// The database refuses.
pub fn set_secret(db: &Conn, id: i64, secret: &SecretString) -> Result<bool> {
    let sealed = db.seal(Sealed::AgentSecret, id, secret)?;
    Ok(db.execute("UPDATE agents SET secret = ?2 WHERE id = ?1", libsql::params![id, sealed])? > 0)
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
         description = coalesce(?4, description) WHERE id = ?1",
        libsql::params![
            agent.id,
            changed(&agent.name, &stored.name),
            changed(stored_kind(agent.kind), stored_kind(stored.kind)),
            changed(&agent.description, &stored.description),
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

/// How many devices name an agent. An agent that a device names cannot be deleted.
///
/// # Errors
/// The database refuses.
pub fn device_count(db: &Conn, id: i64) -> Result<i64> {
    db.query_int("SELECT count(*) FROM devices WHERE agentID = ?1", [id])
}

macro_rules! select_credential {
    ($($rest:literal)?) => {
        concat!("SELECT id, CAST(type AS BLOB), CAST(secret AS BLOB) FROM agents ", $($rest)?)
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
        kind: kind_from_stored(&row.text(1)?),
        digest: SecretDigest::of(secret.expose_secret()),
    })
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
