//! Reading the audit log: a page at a time, the newest first.
//!
//! A page looks at a bounded number of entries, whatever is asked for: one that asks for what is rare may hold little or
//! nothing and still name the place where the next one goes on.

use super::{Conn, Row};
use crate::clock::Millis;
use crate::error::Result;

/// Entries that are looked at for one page.
const LOOKED_AT: i64 = 50_000;

/// Which entries are asked for; none means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Since when.
    pub since: Option<Millis>,
    /// Until when, that included.
    pub until: Option<Millis>,
    /// The user who acted, or whose token or agent did.
    pub user: Option<i64>,
    /// The kind of actor.
    pub actor: Option<String>,
    /// What the action's name starts with.
    pub action: Option<String>,
    /// The kind of thing it was done to.
    pub target: Option<String>,
    /// That thing's ID.
    pub target_id: Option<i64>,
    /// What became of it.
    pub outcome: Option<String>,
    /// The address it came from.
    pub address: Option<String>,
}

/// A place in the log, between two entries: all that are older lie beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The time of the entry that lies before it.
    pub at: Millis,
    /// That entry's ID, which tells entries of one millisecond apart.
    pub id: i64,
}

/// A part of the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries, the newest first.
    pub rows: Vec<AuditRow>,
    /// Where the next page goes on; none at the end of the log.
    pub next: Option<Place>,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its ID.
    pub id: i64,
    /// When.
    pub at: Millis,
    /// The kind of actor.
    pub actor: String,
    /// The actor's ID.
    pub actor_id: Option<i64>,
    /// The actor's name.
    pub actor_name: Option<String>,
    /// The user who acted, or whose token or agent did.
    pub user: Option<i64>,
    /// What was done.
    pub action: String,
    /// The kind of thing it was done to.
    pub target: Option<String>,
    /// That thing's ID.
    pub target_id: Option<i64>,
    /// That thing's name.
    pub target_name: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// What became of it.
    pub outcome: String,
    /// More words.
    pub detail: Option<String>,
    /// How many times.
    pub count: i64,
}

fn audit_row(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        id: row.int(0)?,
        at: row.int(1)?,
        actor: row.text(2)?,
        actor_id: row.opt_int(3)?,
        actor_name: row.opt_text(4)?,
        user: row.opt_int(5)?,
        action: row.text(6)?,
        target: row.opt_text(7)?,
        target_id: row.opt_int(8)?,
        target_name: row.opt_text(9)?,
        address: row.opt_text(10)?,
        outcome: row.text(11)?,
        detail: row.opt_text(12)?,
        count: row.int(13)?,
    })
}

/// The newest `limit` entries that `filter` asks for and that are older than `before`.
///
/// # Errors
/// The database refuses.
pub fn page(db: &Conn, filter: &AuditFilter, before: Option<Place>, limit: usize) -> Result<Page> {
    let newest = Place { at: filter.until.map_or(Millis::MAX, |until| until.saturating_add(1)), id: 0 };
    // A place beyond the time that is asked for is no way around it.
    let from = before.filter(|place| (place.at, place.id) < (newest.at, newest.id)).unwrap_or(newest);
    let since = filter.since.unwrap_or(Millis::MIN);
    let last_looked_at = db.query_one(
        "SELECT at, id FROM audit WHERE (at, id) < (?1, ?2) AND at >= ?3 ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?4",
        libsql::params![from.at, from.id, since, LOOKED_AT - 1],
        |row| Ok(Place { at: row.int(0)?, id: row.int(1)? }),
    )?;
    let down_to = last_looked_at.unwrap_or(Place { at: since, id: 0 });
    let mut rows = db.query(
        "SELECT id, at, CAST(actor AS BLOB), actorID, CAST(actorName AS BLOB), userID, CAST(action AS BLOB), \
         CAST(target AS BLOB), targetID, CAST(targetName AS BLOB), CAST(address AS BLOB), CAST(outcome AS BLOB), \
         CAST(detail AS BLOB), count \
         FROM audit INDEXED BY audit_by_time WHERE (at, id) < (?1, ?2) AND (at, id) >= (?3, ?4) \
         AND (?5 IS NULL OR userID = ?5) AND (?6 IS NULL OR actor = ?6) \
         AND (?7 IS NULL OR substr(action, 1, length(?7)) = ?7) \
         AND (?8 IS NULL OR target = ?8) AND (?9 IS NULL OR targetID = ?9) \
         AND (?10 IS NULL OR outcome = ?10) AND (?11 IS NULL OR address = ?11) \
         ORDER BY at DESC, id DESC LIMIT +?12",
        libsql::params![
            from.at,
            from.id,
            down_to.at,
            down_to.id,
            filter.user,
            filter.actor.as_deref(),
            filter.action.as_deref(),
            filter.target.as_deref(),
            filter.target_id,
            filter.outcome.as_deref(),
            filter.address.as_deref(),
            i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1),
        ],
        audit_row,
    )?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().map(|row| Place { at: row.at, id: row.id });
    Ok(Page { next: if more { last } else { last_looked_at }, rows })
}
