//! The registry's commands: which there are, and sending any of them to an agent.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::agent_error::{agent_error, in_time};
use super::agents::not_found;
use crate::audit::{Action, SubjectKind};
use crate::auth::permission::Permission;
use crate::error::{Error, Kind, Result};
use crate::http::call::FromBody;
use crate::http::{Answer, Call, Data, NoBody};
use crate::registry::{Class, CommandEntry};
use crate::store::agents;

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
            payload: (entry.payload_schema)(),
            reply: (entry.reply_schema)(),
        }
    }
}

pub(super) async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<CommandView>>> {
    let commands = call.host.registry.sendable().map(CommandView::from).collect();
    Ok(Answer::ok("Commands retrieved successfully.", commands))
}

/// A command's payload, checked by the command itself.
pub(super) struct Payload(Bytes);

impl FromBody for Payload {
    fn schema() -> Option<Value> {
        Some(serde_json::json!({
            "type": "object",
            "description": "The payload of the command, as its schema in GET /api/commands says",
        }))
    }

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

pub(super) async fn send(call: Call, Payload(payload): Payload) -> Result<Answer<Reply>> {
    let id = call.id()?;
    let whose = call.whose(Permission::AgentsCommand);
    let agent = call.host.store.read(move |db| agents::get(db, whose, id)).await?.ok_or_else(not_found)?;
    let entry =
        call.host.registry.get(call.param("name")).filter(|entry| !entry.internal).ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                "unknown_command",
                "There is no command of this name. GET /api/commands lists all.",
            )
        })?;
    let payload = (entry.check_payload)(&payload)
        .map_err(|wrong| Error::invalid_fields("Invalid payload", vec![wrong]))?;
    let sending = async {
        let reply = call.host.control.dispatch_json_for(call.requester(), id, entry, payload);
        in_time(entry.timeout, reply).await.map_err(|error| agent_error(id, entry.name, error))
    };
    let reply = call.as_long_as_allowed(sending).await;
    call.note_sent(Action::AgentCommand, (SubjectKind::Agent, id, agent.name), Some(entry.name), &reply);
    let reply = reply?;
    Ok(Answer::ok(format!("{} command answered", entry.name), Reply(reply)))
}
