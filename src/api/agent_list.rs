//! `GET /api/agents` and `/api/agents/status`: lists that pages ask for every few seconds.
//!
//! What the database says of an agent is written as JSON once and kept until something is written; what changes by
//! itself, the presence, is put in each time it is asked for. Of a long list only the beginning is kept; pages of it are
//! read each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::header::LINK;
use schemars::JsonSchema;

use super::agents::AgentView;
use super::events::{EVENT_ID, SAYS_EVENT_ID, event_id};
use super::ids::AskedIds;
use super::ids::asked_ids;
use super::link::{SAYS_LINK, with_next};
use super::list_query::{Filter, PageQuery, asked, cursor, id, word};
use super::pages::{self, List};
use super::tags::AGENTS;
use crate::domain::Snapshot;
use crate::domain::agent_list::{self, AgentFilter, AgentsOf, Seen};
use crate::domain::page::Needles;
use crate::error::{Error, Result};
use crate::model::agent::AgentKind;
use crate::model::agent_about::AgentAbout;
use crate::model::permission::Permission as P;
use crate::model::presence::PresenceState;
use crate::rest::{Answer, Call, NoBody, Route};

/// The query of the list.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct ListQuery {
    /// Only agents in this state.
    state: Option<PresenceState>,
    /// Only agents of this type.
    #[serde(rename = "type")]
    kind: Option<AgentKind>,
    /// Only agents of this user.
    #[serde(rename = "ownerID")]
    #[schemars(range(min = 1))]
    owner_id: Option<i64>,
}

/// Which agents are asked for, whatever they do, and in which state.
#[derive(Default)]
struct Asked(AgentFilter, Option<PresenceState>);

impl Filter for Asked {
    const NAME: &'static str = "agents";
    const KEYS: &'static [&'static str] = &["state", "type", "ownerID"];

    fn look_for(&mut self, needles: Option<Needles>) {
        self.0.needles = needles;
    }

    fn only(&mut self, ids: Arc<[i64]>) {
        self.0.among = Some(ids);
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "state" => self.1 = Some(word(value, "online or offline")?),
            "type" => self.0.kind = Some(word(value, "server or microcontroller")?),
            "ownerID" => self.0.owner = Some(id(value)?),
            _ => {}
        }
        Ok(())
    }
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/agents", "List agents, whole or in pages")
            .needs(&[P::AgentsRead])
            .tag(AGENTS)
            .admin_mode()
            .query::<ListQuery>()
            .query::<PageQuery>()
            .sends(EVENT_ID, SAYS_EVENT_ID)
            .sends(LINK, SAYS_LINK)
            .handler(list),
        Route::get("/api/agents/status", "Which agents are connected")
            .needs(&[P::AgentsRead])
            .tag(AGENTS)
            .admin_mode()
            .query::<AskedIds>()
            .handler(status),
    ]
}

/// Whose agents there are, as the database has them.
pub(crate) struct StoredAgents {
    /// The objects of the first ones, one after the other, each cut off before the value of its last field, the presence.
    json: Vec<u8>,
    /// Their IDs, and where each one's JSON ends.
    ends: Vec<(i64, usize)>,
    /// The IDs of the others.
    rest: Vec<i64>,
}

/// About how many bytes of JSON are kept of a list.
const KEPT: usize = 128 * 1024;
/// How many agents are read at once.
const AT_ONCE: usize = 64;

/// What a presence and what an agent says it is are put in the place of.
const NO_PRESENCE: &[u8] = br#"null,"version":null,"commands":null}"#;

impl StoredAgents {
    fn read(agents: &AgentsOf<'_>) -> Result<Self> {
        let ids = agents.ids()?;
        let mut stored = Self { json: Vec::new(), ends: Vec::new(), rest: Vec::new() };
        let mut left = ids.as_slice();
        while !left.is_empty() && stored.json.len() < KEPT {
            let (now, later) = left.split_at(left.len().min(AT_ONCE));
            for row in agents.of_ids(now)? {
                let id = row.id;
                serde_json::to_writer(&mut stored.json, &AgentView::without_presence(row))
                    .map_err(Error::internal)?;
                debug_assert!(stored.json.ends_with(NO_PRESENCE));
                stored.json.truncate(stored.json.len() - NO_PRESENCE.len());
                stored.ends.push((id, stored.json.len()));
            }
            left = later;
        }
        stored.rest = left.to_vec();
        Ok(stored)
    }

    fn ids(&self) -> impl Iterator<Item = i64> {
        self.ends.iter().map(|&(id, _)| id).chain(self.rest.iter().copied())
    }

    /// The objects of the first agents, each after a comma, with the presence that each has now.
    fn with_presence(&self, seen: impl Fn(i64) -> Seen) -> Result<Vec<u8>> {
        /// Room for a presence.
        const PRESENCE: usize = 160;
        let mut list = Vec::with_capacity(self.json.len() + self.ends.len() * PRESENCE + 2);
        let mut start = 0;
        for &(id, end) in &self.ends {
            list.push(b',');
            list.extend_from_slice(&self.json[start..end]);
            let (presence, about) = seen(id);
            serde_json::to_writer(&mut list, &presence).map_err(Error::internal)?;
            list.push(b',');
            list.extend_from_slice(
                about.as_ref().map_or(AgentAbout::no_json(), |about| about.json()).as_bytes(),
            );
            list.push(b'}');
            start = end;
        }
        Ok(list)
    }
}

impl AsRef<[u8]> for StoredAgents {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

async fn list(call: Call, _: NoBody) -> Result<Answer<List<AgentView>>> {
    let (name, event_id) = event_id(&call);
    let message = "Agents retrieved successfully.";
    if let Some((Asked(filter, state), page)) = asked::<Asked>(&call)? {
        let (rows, next) = agent_list::page(&call, filter, state, &page).await?;
        let seen = agent_list::seen(&call);
        let views = rows.into_iter().map(|row| {
            let (presence, about) = seen(row.id);
            AgentView::without_presence(row).now(presence, about.as_deref())
        });
        let answer = Answer::ok(message, List::whole(views)?).header(name, event_id);
        let cursor = next.map(|next| cursor(Asked::NAME, page.sort, &next));
        return Ok(with_next(answer, &call, cursor));
    }
    let agents = agent_list::kept(&call, StoredAgents::read).await?;
    let (rows, seen) = (agent_list::rows(&call), agent_list::seen(&call));
    let first = agents.with_presence(&seen)?;
    let append = move |db: &Snapshot, ids: &[i64], json: &mut Vec<u8>| {
        rows(db, ids)?.into_iter().try_for_each(|row| {
            json.push(b',');
            let (presence, about) = seen(row.id);
            let view = AgentView::without_presence(row).now(presence, about.as_deref());
            serde_json::to_writer(&mut *json, &view).map_err(Error::internal)
        })
    };
    let list = List::begun(&call, first, agents.rest.clone(), pages::AT_ONCE, Arc::new(append));
    Ok(Answer::ok(message, list).header(name, event_id))
}

async fn status(call: Call, _: NoBody) -> Result<Answer<BTreeMap<i64, PresenceState>>> {
    let ids = asked_ids(&call)?;
    let agents = agent_list::kept(&call, StoredAgents::read).await?;
    let seen = agent_list::seen(&call);
    let asked = agents.ids().filter(|id| ids.as_ref().is_none_or(|ids| ids.contains(id)));
    let state = |id| seen(id).0.map_or(PresenceState::Offline, |presence| presence.state);
    let statuses = asked.map(|id| (id, state(id))).collect();
    Ok(Answer::ok("Agent status retrieved successfully.", statuses))
}
