//! `/api/agents`: the agents a caller owns or, in admin mode, everyone's.
//!
//! A secret is shown to its agent's owner alone, in one place: the agent itself, never a list. Whatever changes an
//! agent ends with [`Host::agent_changed`](crate::host::Host::agent_changed), so that the agent can connect, or no
//! longer can, before the caller has the answer.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::check::{AGENT_SECRET, Check, DESCRIPTION, NAME, Rule};
use super::field::Field;
use super::owner::owner_of_new;
use super::quota::Quota;
use crate::audit::{Action, SubjectKind};
use crate::auth::Caller;
use crate::auth::permission::{Permission, Scope};
use crate::control::{AgentKind, Control, Presence};
use crate::domain::agent::not_found;
use crate::domain::count::counted;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Json, NoBody};
use crate::store::agents::{self, AgentRow, NewAgent};

pub(super) const KIND: Rule<String, AgentKind> = Rule::word("server or microcontroller");

/// An agent as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AgentView {
    id: i64,
    name: String,
    #[serde(rename = "type")]
    kind: AgentKind,
    description: String,
    /// Only in the answer about one agent, and only for its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(rename = "ownerID")]
    owner_id: i64,
    /// Whether it is connected, since when and why. None for an agent that is being deleted. The last field, so that
    /// lists can put it in at the end.
    pub(super) presence: Option<Presence>,
}

impl AgentView {
    /// What the database knows of an agent and every reader of it may see.
    pub(super) fn without_presence(row: AgentRow) -> Self {
        Self {
            presence: None,
            id: row.id,
            name: row.name,
            kind: row.kind,
            description: row.description,
            secret: None,
            owner_id: row.owner,
        }
    }

    fn detailed(row: AgentRow, control: &Control, secret: Option<&SecretString>) -> Self {
        let secret = secret.map(|secret| secret.expose_secret().to_owned());
        Self { presence: control.presence(row.id), secret, ..Self::without_presence(row) }
    }
}

/// A new agent, or what is to replace one.
#[derive(Deserialize, JsonSchema)]
pub(super) struct AgentBody {
    name: Field<String>,
    #[serde(rename = "type")]
    #[schemars(with = "AgentKind")]
    kind: Field<String>,
    #[serde(default)]
    description: Field<String>,
    /// Required for a new agent; absent or null keeps the secret of an existing one.
    #[serde(default)]
    secret: Field<String>,
}

impl AgentBody {
    fn for_new(self, owner: i64) -> Result<NewAgent> {
        let mut check = Check::default();
        let name = check.required("name", self.name, &NAME);
        let kind = check.required("type", self.kind, &KIND);
        let description = check.optional("description", self.description, &DESCRIPTION);
        let secret = check.required("secret", self.secret, &AGENT_SECRET);
        let (Some(name), Some(kind), Some(description), Some(secret)) = (name, kind, description, secret)
        else {
            return Err(check.error());
        };
        Ok(NewAgent { name, kind, description: description.unwrap_or_default(), secret, owner })
    }

    /// The row as it is to become, and its new secret if it gets one. `known` is the stored secret if the caller may
    /// have it to send back.
    fn for_stored(
        self,
        stored: AgentRow,
        known: Option<&SecretString>,
    ) -> Result<(AgentRow, Option<SecretString>)> {
        let mut check = Check::default();
        let name = check.replaced("name", self.name, &stored.name, &NAME);
        let kind = check.required("type", self.kind, &KIND);
        let description = match self.description {
            Field::Absent => Some(stored.description),
            Field::Null => Some(String::new()),
            given => check.replaced("description", given, &stored.description, &DESCRIPTION),
        };
        let secret = match self.secret {
            Field::Absent | Field::Null => Some(None),
            Field::Value(same) if known.is_some_and(|known| same == known.expose_secret()) => Some(None),
            given => check.required("secret", given, &AGENT_SECRET).map(Some),
        };
        let (Some(name), Some(kind), Some(description), Some(secret)) = (name, kind, description, secret)
        else {
            return Err(check.error());
        };
        Ok((AgentRow { name, kind, description, ..stored }, secret))
    }
}

/// Whether the caller may see the secret of an agent of `owner`.
fn sees_secret(caller: &Caller, owner: i64) -> bool {
    let scope = if caller.user_id() == Some(owner) { Scope::Own } else { Scope::Any };
    caller.may(Permission::AgentsSecret, scope)
}

pub(super) async fn create(call: Call, Json(body): Json<AgentBody>) -> Result<Answer<i64>> {
    let agent = body.for_new(owner_of_new(&call).await?)?;
    let quota = Quota::of_agents(&call.host.config.load().limits);
    let id = call
        .change(Action::AgentCreate, move |db, entry| {
            quota.check(db, agent.owner)?;
            let id = agents::insert(db, &agent)?;
            entry.on(SubjectKind::Agent, id, agent.name);
            Ok(id)
        })
        .await?;
    call.host.agent_changed(id).await?;
    Ok(Answer::created("Agent created successfully", id))
}

pub(super) async fn get(call: Call, _: NoBody) -> Result<Answer<AgentView>> {
    let id = call.id()?;
    let whose = call.whose(Permission::AgentsRead);
    let caller = call.caller.clone();
    let read = call.host.store.read(move |db| {
        let row = agents::get(db, whose, id)?.ok_or_else(not_found)?;
        let secret = if sees_secret(&caller, row.owner) { agents::secret(db, id)? } else { None };
        Ok((row, secret))
    });
    let (row, secret) = read.await?;
    if secret.is_some() {
        call.note(Action::AgentRevealSecret, |entry| entry.on(SubjectKind::Agent, id, row.name.as_str()));
    }
    let view = AgentView::detailed(row, &call.host.control, secret.as_ref());
    Ok(Answer::ok("Agent retrieved successfully", view))
}

pub(super) async fn update(call: Call, Json(body): Json<AgentBody>) -> Result<Answer<()>> {
    let id = call.id()?;
    let whose = call.whose(Permission::AgentsWrite);
    let caller = call.caller.clone();
    call.change(Action::AgentUpdate, move |db, entry| {
        let stored = agents::get(db, whose, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::Agent, id, stored.name.as_str());
        // One that cannot be opened is known to nobody, and can be replaced.
        let known =
            sees_secret(&caller, stored.owner).then(|| agents::secret(db, id)).and_then(Result::ok).flatten();
        let (row, secret) = body.for_stored(stored, known.as_ref())?;
        agents::update(db, &row)?;
        secret.map_or(Ok(true), |secret| agents::set_secret(db, id, &secret))
    })
    .await?;
    call.host.agent_changed(id).await?;
    Ok(Answer::done("Agent updated successfully"))
}

pub(super) async fn delete(call: Call, _: NoBody) -> Result<Answer<()>> {
    let id = call.id()?;
    let whose = call.whose(Permission::AgentsWrite);
    call.change(Action::AgentDelete, move |db, entry| {
        let stored = agents::get(db, whose, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::Agent, id, stored.name);
        match agents::device_count(db, id)? {
            0 => agents::delete(db, id),
            devices => Err(Error::conflict(
                "agent_in_use",
                format!(
                    "The agent is still used by {}. Delete them or give them another agent first.",
                    counted(devices, "device")
                ),
            )),
        }
    })
    .await?;
    call.host.agent_changed(id).await?;
    Ok(Answer::done("Agent deleted successfully"))
}
