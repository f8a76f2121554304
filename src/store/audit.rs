//! The table of the audit log, which is only added to; [`retention`](crate::audit::retention) alone deletes.

use serde::Serialize;

use super::Conn;
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::model::audit::{Actor, Entry, Noted, Subject, SubjectKind};

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
    };
    let subject = entry.subject.as_ref();
    db.execute(
        "INSERT INTO audit (at, actor, actorID, actorName, userID, action, target, targetID, targetName, address, \
         outcome, detail, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
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
        ],
    )?;
    Ok(())
}

/// How many entries there are.
///
/// # Errors
/// The database refuses.
pub fn count(db: &Conn) -> Result<i64> {
    db.query_int("SELECT count(*) FROM audit", ())
}

/// Deletes some of the entries from before a time, and tells how many.
///
/// # Errors
/// The database refuses.
pub fn delete_before(db: &Conn, at: Millis) -> Result<u64> {
    let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)";
    db.execute(sql, [at, SOME])
}

/// Deletes some of `surplus` entries, refusals first and then the oldest, and tells how many.
///
/// # Errors
/// The database refuses.
pub fn delete_surplus(db: &Conn, surplus: i64) -> Result<u64> {
    let some = [surplus.min(SOME)];
    let refused = "DELETE FROM audit WHERE id IN \
                   (SELECT id FROM audit INDEXED BY audit_of_refusals WHERE outcome = 'refused' ORDER BY id LIMIT ?1)";
    match db.execute(refused, some)? {
        0 => db.execute("DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ?1)", some),
        deleted => Ok(deleted),
    }
}

/// The word that stands for one of an enum's variants, on the wire as in the table.
fn word(variant: &impl Serialize) -> Result<String> {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(Error::internal("a variant without a word")),
    }
}
