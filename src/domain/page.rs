//! Pages of lists, as their readers go through them: a stretch a reading, so that no search keeps others waiting.

use std::collections::HashMap;
use std::sync::Arc;

use super::Reader;
use crate::error::Result;
use crate::store::Conn;
use crate::store::page::Found;

pub use crate::model::search::Needles;
pub use crate::store::page::{Order, Place, Sort};

/// Which page of a list is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// How the list is sorted.
    pub sort: Sort,
    /// After which place the page begins; none for the first.
    pub after: Option<Place>,
    /// How many rows it has at most.
    pub limit: usize,
}

impl Asked {
    /// How many rows are looked for: one more than shown says that there is a next page.
    pub(super) fn wanted(&self) -> usize {
        self.limit + 1
    }
}

/// The rows of a page, and the place of the last one if there are more.
pub type Page<T> = (Vec<T>, Option<Place>);

/// Goes through a list from a place on until enough places are found. `look` looks at the stretch that begins after a
/// place, and answers what it found and where the stretch ends, if the list does not.
pub(super) async fn walk<F>(
    reader: &Reader,
    after: Option<Place>,
    enough: usize,
    look: Arc<F>,
) -> Result<Vec<Place>>
where
    F: Fn(&Conn, Option<&Place>, usize) -> Result<Found> + Send + Sync + 'static,
{
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let (looking, from, missing) = (look.clone(), after, enough - found.len());
        let (more, end) = reader.read(move |db| looking(db, from.as_ref(), missing)).await?;
        found.extend(more);
        found.truncate(enough);
        if found.len() == enough || end.is_none() {
            return Ok(found);
        }
        after = end;
    }
}

/// The page that begins with these places: how many of them, and where the next one begins.
pub(super) fn cut(asked: &Asked, mut places: Vec<Place>) -> (Vec<i64>, Option<Place>) {
    let more = places.len() > asked.limit;
    places.truncate(asked.limit);
    let next = places.last().filter(|_| more).cloned();
    (places.into_iter().map(|place| place.id).collect(), next)
}

/// Rows in the order of their IDs; those that are gone are left out.
pub(super) fn in_order<T>(ids: &[i64], rows: Vec<T>, id: impl Fn(&T) -> i64) -> Vec<T> {
    let mut rows: HashMap<i64, T> = rows.into_iter().map(|row| (id(&row), row)).collect();
    ids.iter().filter_map(|id| rows.remove(id)).collect()
}
