//! Pages of agents.

use std::sync::Arc;

use libsql::Value;

use super::page::{self, Found, Order, Part, Place, STRETCH, Sort, Span, further, in_order};
use super::{Conn, Whose};
use crate::error::{Error, Result};
use crate::model::agent::AgentKind;
use crate::model::search::Needles;

/// Which agents are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFilter {
    /// What their names hold.
    pub needles: Option<Needles>,
    /// Of this user.
    pub owner: Option<i64>,
    /// Of this kind.
    pub kind: Option<AgentKind>,
    /// Of these, these alone.
    pub among: Option<Arc<[i64]>>,
}

/// What filters leave, and how many rows of it.
macro_rules! filtered {
    ($whose:expr, $by:expr, $span:expr, $order:expr) => {
        concat!(
            "SELECT id, CAST(",
            $by,
            " AS BLOB) FROM agents WHERE ",
            $whose,
            " AND ",
            $span,
            " AND (?6 IS NULL OR instr(search, ?6) > 0) AND (?7 IS NULL OR ownerID = ?7) \
             AND (?8 IS NULL OR (type = 'server') = (?8 = 'server')) ORDER BY ",
            $order,
            " LIMIT +?9"
        )
    };
}

/// Refuses the one order that the database has not: agents' state is in memory.
fn check(sort: Sort) -> Result<()> {
    match sort.order {
        Order::State => Err(Error::internal("agents cannot be sorted by state in the database")),
        _ => Ok(()),
    }
}

/// Looks for agents, in the stretch of the list that begins after a place, of which `keep` keeps those of some IDs.
/// Answers the first ones, and where the stretch ends, if the list does not.
///
/// # Errors
/// The order is none of the database's; the database refuses.
pub fn look(
    db: &Conn,
    whose: Whose,
    filter: &AgentFilter,
    sort: Sort,
    after: Option<&Place>,
    limit: usize,
    keep: Option<&dyn Fn(i64) -> bool>,
) -> Result<Found> {
    check(sort)?;
    // What no filter makes sparse needs no stretches, nor do some that are known by their IDs.
    let is_sparse = filter.among.is_none() && (*filter != AgentFilter::default() || keep.is_some());
    let end = |span: &Span<'_>| {
        if !is_sparse {
            return Ok(None);
        }
        let sql = match whose {
            Whose::Anyones => in_order!(span, further, "agents WHERE true"),
            Whose::User(_) => in_order!(span, further, "agents WHERE ownerID = ?1"),
        };
        page::stretch_end(db, sql, whose, span)
    };
    let find = |span: &Span<'_>, limit: usize| {
        let sql = match (&filter.among, whose) {
            (Some(_), _) => {
                in_order!(
                    span,
                    filtered,
                    "id IN (SELECT value FROM json_each(?10)) AND (?1 IS NULL OR ownerID = ?1)"
                )
            }
            (None, Whose::Anyones) => in_order!(span, filtered, "true"),
            (None, Whose::User(_)) => in_order!(span, filtered, "ownerID = ?1"),
        };
        // All of the stretch, where it is not the database that chooses.
        let limit = if keep.is_some() { STRETCH } else { i64::try_from(limit).unwrap_or(STRETCH) };
        let mut params: Vec<Value> = vec![whose.owner().into()];
        params.extend(span.params());
        params.extend([
            filter.needles.as_ref().map(|needles| needles.text.clone()).into(),
            filter.owner.into(),
            filter.kind.map(|kind| kind.word().to_owned()).into(),
            limit.into(),
        ]);
        params.extend(filter.among.as_deref().map(|ids| serde_json::Value::from(ids).to_string().into()));
        let mut found = db.query(sql, params, Place::read)?;
        if let Some(keep) = keep {
            found.retain(|place| keep(place.id));
        }
        Ok(found)
    };
    page::look(sort, after, limit, end, find)
}
