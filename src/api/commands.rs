//! The registry's commands: which there are, and sending any of them to an agent.

use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::operations::{accept, described};
use super::prefer::{IDEMPOTENCY_KEY, Prefer};
use super::tags::COMMANDS;
use crate::domain::command;
use crate::domain::operation::create::{Options, Wanted};
use crate::error::failures as f;
use crate::error::{Error, Result};
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::registry::{Class, CommandEntry};
use crate::rest::call::FromBody;
use crate::rest::row_part::Describe;
use crate::rest::{Answer, Call, Data, NoBody, Route, StatusCode};

/// How long a caller waits for an operation's end who sends a key with a call that waits.
pub(super) const SYNCHRONOUS: Duration = Duration::from_secs(25);

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        described(Route::post(
            "/api/agents/{id}/commands/{name}",
            "Send a command to an agent and wait for its reply",
        ))
        .statuses(&[StatusCode::OK, StatusCode::ACCEPTED])
        .needs(&[P::AgentsCommand])
        .tag(COMMANDS)
        .admin_mode()
        .subject(SubjectKind::Agent)
        .param::<String>("name", "The command's name, such as HEARTBEAT")
        .example("{}")
        .fails(&[f::NOT_FOUND, f::UNKNOWN_COMMAND, f::COMMAND_REFUSED])
        .fails(f::OF_COMMANDS)
        .handler(send),
        Route::get("/api/commands", "List the commands agents can be sent")
            .signed_in()
            .tag(COMMANDS)
            .handler(list),
    ]
}

/// A command as it is listed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommandView {
    name: &'static str,
    summary: &'static str,
    /// How long the server waits for the reply, in milliseconds.
    timeout: u64,
    /// Whether sending it again does no harm.
    idempotent: bool,
    class: Class,
    /// Whether it can be ended while it runs.
    cancelable: bool,
    /// The JSON Schema of the payload.
    payload: Value,
    /// The JSON Schema of the reply.
    reply: Value,
}

impl From<&CommandEntry> for CommandView {
    fn from(entry: &CommandEntry) -> Self {
        Self {
            name: entry.name,
            summary: entry.summary,
            timeout: u64::try_from(entry.timeout.as_millis()).unwrap_or(u64::MAX),
            idempotent: entry.idempotent,
            class: entry.class,
            cancelable: entry.cancelable,
            payload: (entry.payload_schema)(),
            reply: (entry.reply_schema)(),
        }
    }
}

async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<CommandView>>> {
    let commands = call.host.registry.sendable().map(CommandView::from).collect();
    Ok(Answer::ok("Commands retrieved successfully.", commands))
}

/// A command's payload, checked by the command itself.
pub(super) struct Payload(Bytes);

impl FromBody for Payload {
    const SCHEMA: Option<Describe> = Some(|_| {
        schemars::json_schema!({
            "type": "object",
            "description": "The payload of the command, as its schema in GET /api/commands says",
        })
    });

    fn from_body(body: &Bytes) -> Result<Self> {
        Ok(Self(body.clone()))
    }
}

/// A command's reply as the agent sent it, checked by the command: JSON.
pub(super) struct Reply(String);

impl Data for Reply {
    fn append_to(&self, json: &mut Vec<u8>) -> Result<()> {
        json.extend_from_slice(self.0.as_bytes());
        Ok(())
    }
}

impl JsonSchema for Reply {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Reply".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The reply of the command, as its schema in GET /api/commands says",
        })
    }
}

async fn send(call: Call, Payload(payload): Payload) -> Result<Answer<Reply>> {
    let responds_async = Prefer::of(&call.headers).respond_async;
    if responds_async || call.headers.contains_key(IDEMPOTENCY_KEY) {
        let (agent, command) = (call.id()?, call.param("name").to_owned());
        let wanted = Wanted::Command { agent, command, payload: payload.clone() };
        let options = Options { only_online: !responds_async, ..Options::default() };
        let answer = accept(&call, wanted, options, &payload, Some(SYNCHRONOUS)).await?;
        return answer.try_map(|view| serde_json::to_string(&view).map(Reply).map_err(Error::internal));
    }
    let entry = command::listed(&call, call.param("name"));
    let (entry, reply) = command::send(&call, call.id()?, entry, &payload).await?;
    Ok(Answer::ok(format!("{} command answered", entry.name), Reply(reply)))
}
