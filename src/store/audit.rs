//! The table of the audit log, which is only added to; `domain::audit_retention` alone deletes.

use serde::Serialize;

use super::Conn;
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::model::audit::{Actor, Entry, Noted, Subject, SubjectKind};
use crate::model::network::network;

/// Entries that are deleted at once.
const SOME: i64 = 500;

/// Adds an entry.
///
/// # Errors
/// The database refuses.
pub fn insert(db: &Conn, entry: &Entry) -> Result<()> {
    let name = entry.subject.as_ref().map(|subject| subject.name.as_str());
    insert_named(db, entry, name.filter(|name| !name.is_empty()))
}

/// Adds an entry that was noted before, with the name its subject has now if it came without.
///
/// # Errors
/// The database refuses.
pub fn insert_noted(db: &Conn, noted: &Noted) -> Result<()> {
    let Some(Subject { kind, id: Some(id), name }) = &noted.entry.subject else {
        return insert(db, &noted.entry);
    };
    if !name.is_empty() {
        return insert(db, &noted.entry);
    }
    match name_of(db, *kind, *id)? {
        None if noted.only_if_there => Ok(()),
        found => insert_named(db, &noted.entry, found.as_deref()),
    }
}

/// The name that something has now; none if it is not there.
fn name_of(db: &Conn, kind: SubjectKind, id: i64) -> Result<Option<String>> {
    let sql = match kind {
        SubjectKind::Agent => "SELECT CAST(name AS BLOB) FROM agents WHERE id = ?1",
        SubjectKind::Device => "SELECT CAST(name AS BLOB) FROM devices WHERE id = ?1",
        SubjectKind::User => "SELECT CAST(username AS BLOB) FROM users WHERE id = ?1",
        SubjectKind::Token => "SELECT CAST(name AS BLOB) FROM tokens WHERE id = ?1",
        SubjectKind::Enrolment => "SELECT CAST(name AS BLOB) FROM enrolment_codes WHERE id = ?1",
        SubjectKind::Session => return Ok(None),
    };
    db.query_one(sql, [id], |row| row.text(0))
}

fn insert_named(db: &Conn, entry: &Entry, name: Option<&str>) -> Result<()> {
    let (actor, actor_id, actor_name, user) = match &entry.actor {
        Actor::Nobody => ("nobody", None, None, None),
        Actor::User { id, name } => ("user", Some(*id), Some(name.as_str()), Some(*id)),
        Actor::Token { id, name, user } => ("token", Some(*id), Some(name.as_str()), Some(*user)),
        Actor::Agent { id, name, user } => ("agent", Some(*id), Some(name.as_str()), Some(*user)),
        Actor::Operator => ("operator", None, None, None),
        Actor::Server => ("server", None, None, None),
        Actor::Plugin { name } => ("plugin", None, Some(*name), None),
    };
    let subject = entry.subject.as_ref();
    db.execute(
        "INSERT INTO audit (at, actor, actorID, actorName, userID, action, target, targetID, targetName, address, \
         outcome, detail, count, network) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        libsql::params![
            entry.at,
            actor,
            actor_id,
            actor_name,
            user,
            word(&entry.action)?,
            subject.map(|subject| word(&subject.kind)).transpose()?,
            subject.and_then(|subject| subject.id),
            name,
            entry.address.map(|address| address.to_string()),
            word(&entry.outcome)?,
            entry.detail.as_deref(),
            entry.count,
            unknown_network(entry),
        ],
    )?;
    Ok(())
}

/// The network that somebody unknown counts as, where that is more than their address.
fn unknown_network(entry: &Entry) -> Option<String> {
    let address = entry.address.filter(|_| entry.actor == Actor::Nobody)?;
    Some(network(address)).filter(|network| *network != address).map(|network| network.to_string())
}

/// The entries of one action and outcome that one party has, and of those who proved nothing one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heap {
    /// Whose they are: a user with tokens and agents, the operator, the server, or all who proved nothing.
    pub party: String,
    /// The network they came from, of those who proved nothing; else empty.
    pub origin: String,
    /// What was done.
    pub action: String,
    /// What became of it.
    pub outcome: String,
    /// How many there are.
    pub entries: i64,
}

/// How many entries there are.
///
/// # Errors
/// The database refuses.
pub fn count(db: &Conn) -> Result<i64> {
    db.query_int("SELECT coalesce(sum(entries), 0) FROM audit_heaps", ())
}

/// All heaps there are.
///
/// # Errors
/// The database refuses.
pub fn heaps(db: &Conn) -> Result<Vec<Heap>> {
    let sql = "SELECT CAST(party AS BLOB), CAST(origin AS BLOB), CAST(action AS BLOB), CAST(outcome AS BLOB), entries \
               FROM audit_heaps";
    db.query(sql, (), |row| {
        Ok(Heap {
            party: row.text(0)?,
            origin: row.text(1)?,
            action: row.text(2)?,
            outcome: row.text(3)?,
            entries: row.int(4)?,
        })
    })
}

/// Deletes some of the entries from before a time, and tells how many.
///
/// # Errors
/// The database refuses.
pub fn delete_before(db: &Conn, at: Millis) -> Result<u64> {
    let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT +?2)";
    db.execute(sql, [at, SOME])
}

/// Deletes some of the `surplus` oldest entries of a heap, and tells how many.
///
/// # Errors
/// The database refuses.
pub fn delete_oldest(db: &Conn, heap: &Heap, surplus: i64) -> Result<u64> {
    let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM audit INDEXED BY audit_by_heap \
               WHERE party = ?1 AND origin = ?2 AND action = ?3 AND outcome = ?4 ORDER BY id LIMIT +?5)";
    let Heap { party, origin, action, outcome, .. } = heap;
    db.execute(
        sql,
        libsql::params![
            party.as_str(),
            origin.as_str(),
            action.as_str(),
            outcome.as_str(),
            surplus.min(SOME)
        ],
    )
}

/// The word that stands for one of an enum's variants, on the wire as in the table.
fn word(variant: &impl Serialize) -> Result<String> {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(Error::internal("a variant without a word")),
    }
}
