//! `/api/agents`: the agents a caller owns or, in admin mode, everyone's.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::bounded::{AgentSecret, Description, Name, word};
use super::check::Check;
use super::field::Field;
use super::owner::OwnerQuery;
use super::owner::owner_of_new;
use super::tags::AGENTS;
use crate::domain::agent::{self, AgentDetail, AgentRow, NewAgent};
use crate::error::Result;
use crate::error::failures as f;
use crate::model::agent::AgentKind;
use crate::model::agent_about::AgentAbout;
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::model::presence::Presence;
use crate::rest::{Answer, Call, Json, NoBody, Route};

const AGENT: &str = r#"{"name": "Attic", "type": "server", "secret": "a long enough secret"}"#;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/agents", "Create an agent")
            .needs(&[P::AgentsWrite])
            .tag(AGENTS)
            .query::<OwnerQuery>()
            .example(AGENT)
            .creates()
            .fails(&[f::QUOTA_REACHED, f::NOT_FOUND, f::INVALID_ID, f::NO_SUPERADMIN])
            .handler(create),
        Route::get("/api/agents/{id}", "An agent, for its owner with its secret")
            .needs(&[P::AgentsRead])
            .tag(AGENTS)
            .admin_mode()
            .subject(SubjectKind::Agent)
            .fails(&[f::NOT_FOUND])
            .handler(get),
        Route::put("/api/agents/{id}", "Replace an agent")
            .needs(&[P::AgentsWrite])
            .tag(AGENTS)
            .admin_mode()
            .subject(SubjectKind::Agent)
            .example(AGENT)
            .fails(&[f::NOT_FOUND])
            .handler(update),
        Route::delete("/api/agents/{id}", "Delete an agent")
            .needs(&[P::AgentsWrite])
            .tag(AGENTS)
            .admin_mode()
            .subject(SubjectKind::Agent)
            .fails(&[f::NOT_FOUND, f::AGENT_IN_USE])
            .handler(delete),
    ]
}

word!(AgentKind, "server or microcontroller");

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
    /// Whether it is connected, since when and why. None for an agent that is being deleted. The last three fields
    /// change by themselves: lists put them in at the end.
    pub(super) presence: Option<Presence>,
    /// What its newest connection said its version is; null for firmware that does not say.
    pub(super) version: Option<String>,
    /// The commands that it has and that its configuration allows, as its newest connection said; null for firmware that
    /// does not say: it has `GET_STATUS`, `HEARTBEAT` and `WAKEUP`.
    pub(super) commands: Option<Vec<String>>,
}

impl AgentView {
    /// What the database knows of an agent and every reader of it may see.
    pub(super) fn without_presence(row: AgentRow) -> Self {
        Self {
            presence: None,
            version: None,
            commands: None,
            id: row.id,
            name: row.name,
            kind: row.kind,
            description: row.description,
            secret: None,
            owner_id: row.owner,
        }
    }
}

impl AgentView {
    /// The same with what is known of it now.
    pub(super) fn now(mut self, presence: Option<Presence>, about: Option<&AgentAbout>) -> Self {
        self.presence = presence;
        self.version = about.map(|about| about.version().to_owned());
        let commands = about.and_then(AgentAbout::commands);
        self.commands = commands.map(|names| names.iter().map(|name| name.to_string()).collect());
        self
    }
}

impl From<AgentDetail> for AgentView {
    fn from(agent: AgentDetail) -> Self {
        let AgentDetail { row, presence, about, secret } = agent;
        let secret = secret.map(|secret| secret.expose_secret().to_owned());
        Self { secret, ..Self::without_presence(row) }.now(presence, about.as_deref())
    }
}

/// A new agent, or what is to replace one.
#[derive(Deserialize, JsonSchema)]
pub(super) struct AgentBody {
    name: Field<Name>,
    #[serde(rename = "type")]
    kind: Field<AgentKind>,
    #[serde(default)]
    description: Field<Description>,
    /// Required for a new agent; absent or null keeps the secret of an existing one.
    #[serde(default)]
    secret: Field<AgentSecret>,
}

impl AgentBody {
    fn for_new(self, owner: i64) -> Result<NewAgent> {
        Check::all(|check| {
            let name = check.required("name", self.name);
            let kind = check.required("type", self.kind);
            let description = check.optional("description", self.description);
            let secret = check.required("secret", self.secret);
            let description = description?.unwrap_or_default();
            Some(NewAgent { name: name?, kind: kind?, description, secret: secret?, owner })
        })
    }

    /// The row as it is to become, and its new secret if it gets one. `known` is the stored secret if the caller may
    /// have it to send back.
    fn for_stored(
        self,
        stored: AgentRow,
        known: Option<&SecretString>,
    ) -> Result<(AgentRow, Option<SecretString>)> {
        Check::all(|check| {
            let name = check.replaced("name", self.name, &stored.name);
            let kind = check.required("type", self.kind);
            let description = match self.description {
                Field::Absent => Some(stored.description),
                Field::Null => Some(String::new()),
                given => check.replaced("description", given, &stored.description),
            };
            let secret = match self.secret {
                Field::Absent | Field::Null => Some(None),
                Field::Value(same) if known.is_some_and(|known| same == known.expose_secret()) => Some(None),
                given => check.required("secret", given).map(Some),
            };
            let row = AgentRow { name: name?, kind: kind?, description: description?, ..stored };
            Some((row, secret?))
        })
    }
}

async fn create(call: Call, Json(body): Json<AgentBody>) -> Result<Answer<i64>> {
    let new = body.for_new(owner_of_new(&call).await?)?;
    Ok(Answer::created("Agent created successfully", agent::create(&call, new).await?))
}

async fn get(call: Call, _: NoBody) -> Result<Answer<AgentView>> {
    let agent = agent::get(&call, call.id()?).await?;
    Ok(Answer::ok("Agent retrieved successfully", agent.into()))
}

async fn update(call: Call, Json(body): Json<AgentBody>) -> Result<Answer<()>> {
    agent::update(&call, call.id()?, |stored, known| body.for_stored(stored, known)).await?;
    Ok(Answer::done("Agent updated successfully"))
}

async fn delete(call: Call, _: NoBody) -> Result<Answer<()>> {
    agent::delete(&call, call.id()?).await?;
    Ok(Answer::done("Agent deleted successfully"))
}
