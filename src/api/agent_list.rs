//! `GET /api/agents` and `/api/agents/status`: lists that pages ask for every few seconds.
//!
//! What the database says of an agent is written as JSON once and kept until something is written; what changes by
//! itself, the presence, is put in each time it is asked for.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::agents::AgentView;
use super::ids::asked_ids;
use crate::auth::permission::Permission;
use crate::control::{Control, PresenceState};
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Data, NoBody};
use crate::store::{Memo, agents};

/// Whose agents there are, as the database has them.
pub(crate) struct StoredAgents {
    /// Their objects, one after the other, each cut off before the value of its last field, the presence.
    json: Vec<u8>,
    /// Their IDs, and where each one's JSON ends.
    ends: Vec<(i64, usize)>,
}

/// What a presence is put in the place of.
const NO_PRESENCE: &[u8] = b"null}";

impl StoredAgents {
    fn of(rows: Vec<agents::AgentRow>) -> Result<Self> {
        let mut stored = Self { json: Vec::new(), ends: Vec::with_capacity(rows.len()) };
        for row in rows {
            let id = row.id;
            serde_json::to_writer(&mut stored.json, &AgentView::without_presence(row))
                .map_err(Error::internal)?;
            debug_assert!(stored.json.ends_with(NO_PRESENCE));
            stored.json.truncate(stored.json.len() - NO_PRESENCE.len());
            stored.ends.push((id, stored.json.len()));
        }
        Ok(stored)
    }

    fn ids(&self) -> impl Iterator<Item = i64> {
        self.ends.iter().map(|&(id, _)| id)
    }

    /// The array of agents, with the presence that each has now.
    fn with_presence(&self, control: &Control) -> Result<Vec<u8>> {
        /// Room for a presence.
        const PRESENCE: usize = 96;
        let mut list = Vec::with_capacity(self.json.len() + self.ends.len() * PRESENCE + 2);
        list.push(b'[');
        let mut start = 0;
        for &(id, end) in &self.ends {
            if start > 0 {
                list.push(b',');
            }
            list.extend_from_slice(&self.json[start..end]);
            serde_json::to_writer(&mut list, &control.presence(id)).map_err(Error::internal)?;
            list.push(b'}');
            start = end;
        }
        list.push(b']');
        Ok(list)
    }
}

impl AsRef<[u8]> for StoredAgents {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

/// The array of agents as JSON.
pub(super) struct AgentList(Vec<u8>);

impl Data for AgentList {
    fn append_to(&self, json: &mut Vec<u8>) -> Result<()> {
        json.extend_from_slice(&self.0);
        Ok(())
    }
}

impl JsonSchema for AgentList {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Vec::<AgentView>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<AgentView>::json_schema(generator)
    }
}

async fn stored(call: &Call) -> Result<std::sync::Arc<StoredAgents>> {
    let whose = call.whose(Permission::AgentsRead);
    let lists = call.host.remembered.get(|| Memo::<_, StoredAgents>::new(call.host.store.clone()));
    lists.get(whose, move |db| StoredAgents::of(agents::list(db, whose)?)).await
}

pub(super) async fn list(call: Call, _: NoBody) -> Result<Answer<AgentList>> {
    let agents = stored(&call).await?;
    let list = agents.with_presence(&call.host.control)?;
    Ok(Answer::ok("Agents retrieved successfully.", AgentList(list)))
}

pub(super) async fn status(call: Call, _: NoBody) -> Result<Answer<BTreeMap<i64, PresenceState>>> {
    let ids = asked_ids(&call);
    let agents = stored(&call).await?;
    let asked = agents.ids().filter(|id| ids.as_ref().is_none_or(|ids| ids.contains(id)));
    let state = |id| call.host.control.presence(id).map_or(PresenceState::Offline, |presence| presence.state);
    let statuses = asked.map(|id| (id, state(id))).collect();
    Ok(Answer::ok("Agent status retrieved successfully.", statuses))
}
