//! Pages of lists: orders, places in them, and what statements of a page have in common.
//!
//! A page begins after a place, which is a value and an ID: rows that come and go move no other row to another page. An
//! index leads to each place. Whatever filters leave out is looked at in stretches of [`STRETCH`] rows, each a reading
//! of its own, so that no search holds a reader for long.

use libsql::Value;

use super::{Conn, Row, Whose};
use crate::error::Result;
use crate::model::search;

/// How many rows are looked at in one reading.
pub const STRETCH: i64 = 10_000;

/// By what a list is sorted; rows that are alike in it by their IDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The ID.
    Id,
    /// The name, without case and accents.
    Name,
    /// The word of the kind.
    Kind,
    /// The word of the state.
    State,
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub order: Order,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// Where a row stands in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What the list is sorted by; empty where that is the ID.
    pub value: String,
    /// The row's ID.
    pub id: i64,
}

impl Place {
    pub(super) fn read(row: &Row) -> Result<Self> {
        Ok(Self { value: row.text(1)?, id: row.int(0)? })
    }
}

/// What a stretch of a list has that is wanted, and where it ends, if the list does not.
pub type Found = (Vec<Place>, Option<Place>);

/// Which rows after a place are meant. Those that are alike in what the list is sorted by and the others are found by
/// statements of their own: no index leads to an ID among rows that are alike if both are compared at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Those of the same value.
    Alike,
    /// Those of other values.
    Beyond,
    /// All.
    Whole,
}

/// The part of a list that lies after one place, and not after another.
pub(super) struct Span<'a> {
    /// How the list is sorted.
    pub(super) sort: Sort,
    /// Which rows.
    pub(super) part: Part,
    /// Its beginning; none for that of the list.
    pub(super) after: Option<&'a Place>,
    /// Its end; none for that of the list.
    pub(super) until: Option<&'a Place>,
}

impl Span<'_> {
    /// The parameters ?2 to ?5 of a statement.
    pub(super) fn params(&self) -> [Value; 4] {
        // Less and greater than every text and every ID.
        let (least, greatest) = ((Value::Text(String::new()), i64::MIN), (Value::Blob(vec![0]), i64::MAX));
        let (first, last) = if self.sort.descending { (greatest, least) } else { (least, greatest) };
        let edge = |place: Option<&Place>, end| match place {
            Some(place) => (Value::Text(place.value.clone()), place.id),
            None => end,
        };
        let ((from, from_id), (to, to_id)) = (edge(self.after, first), edge(self.until, last));
        [from, from_id.into(), to, to_id.into()]
    }
}

/// Looks at the stretch of a list that begins after a place. `end` finds where it ends, if the span that it is given does
/// not; `find` the first rows of a span that are wanted, as many as that. Answers them, and where the stretch ends, if the
/// list does not.
pub(super) fn look(
    sort: Sort,
    after: Option<&Place>,
    limit: usize,
    end: impl Fn(&Span<'_>) -> Result<Option<Place>>,
    find: impl Fn(&Span<'_>, usize) -> Result<Vec<Place>>,
) -> Result<Found> {
    let mut found = Vec::new();
    for part in [Part::Alike, Part::Beyond] {
        let span = Span { sort, part, after, until: None };
        let until = end(&span)?;
        found.extend(find(&Span { until: until.as_ref(), ..span }, limit.saturating_sub(found.len()))?);
        if until.is_some() || found.len() >= limit || sort.order == Order::Id {
            return Ok((found, until));
        }
    }
    Ok((found, None))
}

/// The statement that `$make` makes for each order, of: whose rows, the column sorted by, the span, and the order.
macro_rules! in_order {
    ($span:expr, $make:ident, $whose:expr) => {
        match ($span.sort.order, $span.sort.descending) {
            (Order::Id, false) => $make!($whose, "''", "id > ?3 AND id <= ?5", "id"),
            (Order::Id, true) => $make!($whose, "''", "id < ?3 AND id >= ?5", "id DESC"),
            (Order::Name, false) => in_order!(up: $span, $make, $whose, "search"),
            (Order::Name, true) => in_order!(down: $span, $make, $whose, "search"),
            (Order::Kind, false) => in_order!(up: $span, $make, $whose, "type"),
            (Order::Kind, true) => in_order!(down: $span, $make, $whose, "type"),
            (Order::State, false) => in_order!(up: $span, $make, $whose, "presence"),
            (Order::State, true) => in_order!(down: $span, $make, $whose, "presence"),
        }
    };
    (up: $span:expr, $make:ident, $whose:expr, $by:literal) => {
        in_order!(parts: $span, $make, $whose, $by, " > ", " <= ", concat!($by, ", id"))
    };
    (down: $span:expr, $make:ident, $whose:expr, $by:literal) => {
        in_order!(parts: $span, $make, $whose, $by, " < ", " >= ", concat!($by, " DESC, id DESC"))
    };
    (parts: $span:expr, $make:ident, $whose:expr, $by:literal, $after:literal, $until:literal, $order:expr) => {
        match $span.part {
            Part::Alike => {
                $make!($whose, $by, concat!($by, " = ?2 AND id", $after, "?3 AND id", $until, "?5"), $order)
            }
            Part::Beyond => {
                $make!($whose, $by, concat!($by, $after, "?2 AND (", $by, ", id)", $until, "(?4, ?5)"), $order)
            }
            Part::Whole => $make!($whose, $by, concat!("(", $by, ", id)", $after, "(?2, ?3)"), $order),
        }
    };
}
pub(super) use in_order;

/// For [`in_order`]: the last row of a stretch that begins with the span; `$whose` names the table too.
macro_rules! further {
    ($whose:expr, $by:expr, $span:expr, $order:expr) => {
        concat!(
            "SELECT id, CAST(",
            $by,
            " AS BLOB) FROM ",
            $whose,
            " AND ",
            $span,
            " ORDER BY ",
            $order,
            " LIMIT 1 OFFSET ?6"
        )
    };
}
pub(super) use further;

/// Where the stretch that begins with a span ends, by the statement that [`further`] makes.
pub(super) fn stretch_end(
    db: &Conn,
    sql: &'static str,
    whose: Whose,
    span: &Span<'_>,
) -> Result<Option<Place>> {
    let mut params = vec![whose.owner().into()];
    params.extend(span.params());
    params.push((STRETCH - 1).into());
    db.query_one(sql, params, Place::read)
}

/// Fills in what rows are searched and sorted by that lack it.
///
/// # Errors
/// The database refuses.
pub(super) fn fill(db: &Conn) -> Result<()> {
    let sql = "SELECT id, CAST(name AS BLOB) FROM agents WHERE search = ''";
    for (id, name) in db.query(sql, (), |row| Ok((row.int(0)?, row.text(1)?)))? {
        let sql = "UPDATE agents SET search = ?2 WHERE id = ?1";
        db.execute(sql, libsql::params![id, search::text(&name, None, None)])?;
    }
    let sql = "SELECT id, CAST(name AS BLOB), CAST(address AS BLOB), CAST(macAddress AS BLOB) FROM devices \
               WHERE search = ''";
    let text = |row: &Row| {
        let (name, address, mac) = (row.text(1)?, row.opt_text(2)?, row.text(3)?);
        Ok((row.int(0)?, search::text(&name, address.as_deref(), Some(&mac))))
    };
    for (id, text) in db.query(sql, (), text)? {
        db.execute("UPDATE devices SET search = ?2 WHERE id = ?1", libsql::params![id, text])?;
    }
    Ok(())
}
