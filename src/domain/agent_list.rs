//! Lists of agents, of which the last ones that were read are kept until something is written.

use std::sync::Arc;

use super::By;
use crate::error::Result;
use crate::model::agent_about::AgentAbout;
use crate::model::permission::Permission;
use crate::model::presence::Presence;
use crate::store::{Conn, Memo, Whose, agents};

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
