//! Lists of agents, of which the last ones that were read are kept until something is written; and pages of them, which
//! are read each time.

use std::sync::Arc;

use super::By;
use super::page::{Asked, Order, Page, Place, Sort, cut, in_order, walk};
use crate::error::Result;
use crate::model::agent_about::AgentAbout;
use crate::model::permission::Permission;
use crate::model::presence::{Presence, PresenceState};
use crate::store::page::Found;
use crate::store::{Conn, Memo, Whose, agent_page, agents};

pub use crate::store::agent_page::AgentFilter;
pub use crate::store::agents::AgentRow;

/// The agents that a caller sees, as one reading of the database finds them.
pub struct AgentsOf<'a> {
    db: &'a Conn,
    whose: Whose,
}

impl AgentsOf<'_> {
    /// Their IDs, ascending.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn ids(&self) -> Result<Vec<i64>> {
        agents::ids(self.db, self.whose)
    }

    /// Those of these IDs.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn of_ids(&self, ids: &[i64]) -> Result<Vec<AgentRow>> {
        agents::of_ids(self.db, self.whose, ids)
    }
}

/// What `read` makes of the caller's agents: made once, and kept until something is written.
///
/// # Errors
/// What `read` answers; the database cannot be read.
pub async fn kept<T>(
    by: &By,
    read: impl FnOnce(&AgentsOf<'_>) -> Result<T> + Send + 'static,
) -> Result<Arc<T>>
where
    T: AsRef<[u8]> + Send + Sync + 'static,
{
    let whose = by.whose(Permission::AgentsRead);
    let lists = by.host.remembered.get(|| Memo::<_, T>::new(by.host.store.clone()));
    let user = by.caller.user_id().unwrap_or(0);
    lists.get(user, whose, move |db| read(&AgentsOf { db, whose })).await
}

/// Reads the caller's agents of some IDs, in a reading of whoever calls it.
pub fn rows(by: &By) -> impl Fn(&Conn, &[i64]) -> Result<Vec<AgentRow>> + Send + Sync + use<> {
    let whose = by.whose(Permission::AgentsRead);
    move |db, ids| agents::of_ids(db, whose, ids)
}

/// Whether an agent is connected, and what it says it is.
pub type Seen = (Option<Presence>, Option<Arc<AgentAbout>>);

/// What is known of an agent now.
pub fn seen(by: &By) -> impl Fn(i64) -> Seen + Send + Sync + use<> {
    let control = by.host.control.clone();
    move |agent| control.seen(agent).map_or((None, None), |(presence, about)| (Some(presence), about))
}

/// Whether agents are connected, in the order of the words.
const STATES: [PresenceState; 2] = [PresenceState::Offline, PresenceState::Online];

/// A page of the agents that the caller sees; of those in one state, if that is given.
///
/// # Errors
/// The database cannot be read.
pub async fn page(
    by: &By,
    filter: AgentFilter,
    state: Option<PresenceState>,
    asked: &Asked,
) -> Result<Page<AgentRow>> {
    let (whose, reader) = (by.whose(Permission::AgentsRead), by.reader());
    let filter = Arc::new(filter);
    let places = if asked.sort.order == Order::State {
        by_state(by, whose, &filter, state, asked).await?
    } else {
        let look = look(by, whose, filter, asked.sort, state);
        walk(&reader, asked.after.clone(), asked.wanted(), Arc::new(look)).await?
    };
    let (ids, next) = cut(asked, places);
    let read = reader.read(move |db| {
        let rows = agents::of_ids(db, whose, &ids)?;
        Ok(in_order(&ids, rows, |row| row.id))
    });
    Ok((read.await?, next))
}

/// One state after the other, in each by ID: who is connected changes by itself, so that no index has it.
async fn by_state(
    by: &By,
    whose: Whose,
    filter: &Arc<AgentFilter>,
    only: Option<PresenceState>,
    asked: &Asked,
) -> Result<Vec<Place>> {
    let Asked { sort: Sort { descending, .. }, after, .. } = asked;
    let sort = Sort { order: Order::Id, descending: *descending };
    let mut states = STATES;
    if *descending {
        states.reverse();
    }
    let begun = after.as_ref().and_then(|after| states.iter().position(|state| state.word() == after.value));
    let mut places: Vec<Place> = Vec::new();
    for (number, state) in states.into_iter().enumerate().skip(begun.unwrap_or(0)) {
        if only.is_some_and(|only| only != state) {
            continue;
        }
        let after = after.clone().filter(|_| Some(number) == begun);
        let look = look(by, whose, filter.clone(), sort, Some(state));
        let missing = asked.wanted() - places.len();
        let found = walk(&by.reader(), after, missing, Arc::new(look)).await?;
        places.extend(found.into_iter().map(|place| Place { value: state.word().to_owned(), ..place }));
        if places.len() == asked.wanted() {
            break;
        }
    }
    Ok(places)
}

/// Looks for agents in a stretch of the list.
fn look(
    by: &By,
    whose: Whose,
    filter: Arc<AgentFilter>,
    sort: Sort,
    state: Option<PresenceState>,
) -> impl Fn(&Conn, Option<&Place>, usize) -> Result<Found> + Send + Sync + use<> {
    let control = by.host.control.clone();
    move |db, after, missing| {
        let control = &control;
        let keep = state.map(|state| move |id| (state == PresenceState::Online) == control.is_online(id));
        let keep = keep.as_ref().map(|keep| keep as &dyn Fn(i64) -> bool);
        agent_page::look(db, whose, &filter, sort, after, missing, keep)
    }
}
