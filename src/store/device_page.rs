//! Pages of devices.
//!
//! One's own devices and those that are shared are found by statements of their own, so that indexes lead to both; whoever
//! asks merges them.

use std::sync::Arc;

use libsql::Value;

use super::devices::{DeviceKind, among};
use super::page::{Found, Order, Part, Place, Sort, Span, further, in_order, look, stretch_end};
use super::reach::share_on_device;
use super::{Conn, Reach, Whose};
use crate::error::Result;
use crate::model::device_presence::DeviceState;
use crate::model::search::Needles;

/// Which devices are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// What their names, addresses and MAC addresses hold.
    pub needles: Option<Needles>,
    /// Of this user.
    pub owner: Option<i64>,
    /// Behind this agent.
    pub agent: Option<i64>,
    /// Of this kind.
    pub kind: Option<DeviceKind>,
    /// In this state.
    pub state: Option<DeviceState>,
    /// Of these, these alone.
    pub among: Option<Arc<[i64]>>,
}

/// What filters leave, and how many rows of it.
macro_rules! filtered {
    ($whose:expr, $by:expr, $span:expr, $order:expr) => {
        concat!(
            "SELECT id, CAST(", $by, " AS BLOB) FROM devices WHERE ", $whose, " AND ", $span,
            " AND (?6 IS NULL OR instr(search, ?6) > 0 OR instr(search, ?7) > 0) \
             AND (?8 IS NULL OR ownerID = ?8) AND (?9 IS NULL OR agentID = ?9) \
             AND (?10 IS NULL OR type = ?10 OR ?10 = 'desktop' AND type NOT IN ('server', 'laptop', 'printer', 'nas')) \
             AND (?11 IS NULL OR presence = ?11) AND ",
            among!("?12"), " AND ", among!("?13"), " ORDER BY ", $order, " LIMIT +?14"
        )
    };
}

/// As many, with what the statement for shared devices needs besides.
macro_rules! filtered_shared {
    ($whose:expr, $by:expr, $span:expr, $order:expr) => {
        filtered!(concat!($whose, share_on_device!("?1", "?15"), " >= ?16"), $by, $span, $order)
    };
}

/// The parameters ?1 to ?14.
fn params(reach: &Reach, filter: &DeviceFilter, span: &Span<'_>, limit: usize) -> Vec<Value> {
    let only = |ids: &[i64]| serde_json::Value::from(ids).to_string();
    let needles = filter.needles.as_ref();
    let mut params = vec![reach.whose.owner().into()];
    params.extend(span.params());
    params.extend([
        needles.map(|needles| needles.text.clone()).into(),
        needles.and_then(|needles| needles.mac.clone()).into(),
        filter.owner.into(),
        filter.agent.into(),
        filter.kind.map(|kind| kind.word().to_owned()).into(),
        filter.state.map(|state| state.word().to_owned()).into(),
        reach.only().into(),
        filter.among.as_deref().map(only).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ]);
    params
}

/// Looks, in the stretch of the list that begins after a place, for devices that are the reach's own, without those that
/// shares bring within it. Answers the first ones, and where the stretch ends, if the list does not.
///
/// # Errors
/// The database refuses.
pub fn own(
    db: &Conn,
    reach: &Reach,
    filter: &DeviceFilter,
    sort: Sort,
    after: Option<&Place>,
    limit: usize,
) -> Result<Found> {
    let everyones = reach.whose == Whose::Anyones;
    // What no filter makes sparse needs no stretches, nor do some that are known by their IDs.
    let is_sparse = filter.among.is_none() && (*filter != DeviceFilter::default() || reach.only.is_some());
    let end = |span: &Span<'_>| {
        if !is_sparse {
            return Ok(None);
        }
        let sql = if everyones {
            in_order!(span, further, "devices WHERE true")
        } else {
            in_order!(span, further, "devices WHERE ownerID = ?1")
        };
        stretch_end(db, sql, reach.whose, span)
    };
    let find = |span: &Span<'_>, limit| {
        let sql = if filter.among.is_some() {
            in_order!(
                span,
                filtered,
                "id IN (SELECT value FROM json_each(?13)) AND (?1 IS NULL OR ownerID = ?1)"
            )
        } else if everyones {
            in_order!(span, filtered, "true")
        } else {
            in_order!(span, filtered, "ownerID = ?1")
        };
        db.query(sql, params(reach, filter, span, limit), Place::read)
    };
    look(sort, after, limit, end, find)
}

/// The first devices after a place that shares alone bring within reach. What is behind which agent is not shared.
///
/// # Errors
/// The database refuses.
pub fn shared(
    db: &Conn,
    reach: &Reach,
    filter: &DeviceFilter,
    sort: Sort,
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<Place>> {
    if filter.agent.is_some() || reach.shared.is_none() || reach.whose == Whose::Anyones {
        return Ok(Vec::new());
    }
    let span = Span { sort, part: Part::Whole, after, until: None };
    let sql = in_order!(
        span,
        filtered_shared,
        "(id IN (SELECT deviceID FROM shares WHERE userID = ?1) \
          OR agentID IN (SELECT agentID FROM shares WHERE userID = ?1)) AND ownerID <> ?1 AND "
    );
    let mut params = params(reach, filter, &span, limit);
    params.extend([reach.at().into(), reach.right().into()]);
    db.query(sql, params, Place::read)
}
