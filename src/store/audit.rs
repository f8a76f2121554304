//! The table of the audit log, which is only added to.

use serde::Serialize;

use super::Conn;
use crate::audit::{Actor, Entry};
use crate::error::{Error, Result};

/// Adds an entry.
///
/// # Errors
/// The database refuses.
pub fn insert(db: &Conn, entry: &Entry) -> Result<()> {
    let (actor, actor_id, actor_name, user) = match &entry.actor {
        Actor::Nobody => ("nobody", None, None, None),
        Actor::User { id, name } => ("user", Some(*id), Some(name.as_str()), Some(*id)),
        Actor::Token { id, name, user } => ("token", Some(*id), Some(name.as_str()), Some(*user)),
        Actor::Agent { id, name, user } => ("agent", Some(*id), Some(name.as_str()), Some(*user)),
        Actor::Operator => ("operator", None, None, None),
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
            subject.map(|subject| subject.name.as_str()),
            entry.address.map(|address| address.to_string()),
            word(&entry.outcome)?,
            entry.detail.as_deref(),
            entry.count,
        ],
    )?;
    Ok(())
}

/// The word that stands for one of an enum's variants, on the wire as in the table.
fn word(variant: &impl Serialize) -> Result<String> {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(Error::internal("a variant without a word")),
    }
}
