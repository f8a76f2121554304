//! An operation as it is shown.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::clock::Millis;
use crate::model::operation::{MakerKind, Operation, OperationKind, State};

/// An operation as it is shown. To whom its device is shared with, nothing of the agent is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationView {
    id: String,
    kind: OperationKind,
    state: State,
    reason: Option<String>,
    message: String,
    #[serde(rename = "agentID")]
    agent_id: Option<i64>,
    #[serde(rename = "deviceID")]
    device_id: Option<i64>,
    command: String,
    payload: Value,
    result: Value,
    evidence: Value,
    attempts: u32,
    max_attempts: u32,
    created_at: Millis,
    deliver_by: Millis,
    started_at: Option<Millis>,
    ended_at: Option<Millis>,
    created_by: MakerView,
    #[serde(rename = "parentID")]
    parent_id: Option<String>,
}

/// Who asked for an operation.
#[derive(Debug, Serialize, JsonSchema)]
struct MakerView {
    kind: MakerKind,
    id: Option<i64>,
    name: String,
}

impl OperationView {
    /// What its owner is shown of it, or whoever it is `shared` with.
    pub(super) fn of(operation: &Operation, shared: bool) -> Self {
        let json = |text: &Option<String>| {
            text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
        };
        let mut evidence = json(&operation.evidence);
        if shared && let Some(evidence) = evidence.as_object_mut() {
            evidence.remove("agentID");
        }
        Self {
            id: operation.id.to_string(),
            kind: operation.kind,
            state: operation.state,
            reason: operation.reason.as_deref().map(str::to_owned),
            message: operation.message.clone(),
            agent_id: operation.agent.filter(|_| !shared),
            device_id: operation.device,
            command: operation.command.clone(),
            payload: json(&Some(operation.payload.clone())),
            result: if shared { Value::Null } else { json(&operation.result) },
            evidence,
            attempts: operation.attempts,
            max_attempts: operation.max_attempts,
            created_at: operation.created_at,
            deliver_by: operation.deliver_by,
            started_at: operation.started_at,
            ended_at: operation.ended_at,
            created_by: MakerView {
                kind: operation.maker.kind,
                id: operation.maker.id,
                name: operation.maker.name.clone(),
            },
            parent_id: operation.parent.map(|id| id.to_string()),
        }
    }
}
