//! Operations as they are shown: whole to whoever's agents and devices they are about, and to whom a device is shared in
//! words of ours alone.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::Millis;
use crate::domain::operation::read::Seen;
use crate::model::operation::{MakerKind, Operation, OperationKind, State, TrailEntry, Word};

/// An operation.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationView {
    /// A UUID.
    id: String,
    kind: OperationKind,
    state: State,
    /// Why it ended so, as a word.
    #[schemars(with = "Option<String>")]
    reason: Option<Word>,
    /// What became of it, for people.
    message: String,
    /// Null where the device is shared with the caller: the agent is not.
    #[serde(rename = "agentID")]
    agent_id: Option<i64>,
    #[serde(rename = "deviceID")]
    device_id: Option<i64>,
    command: String,
    payload: Value,
    /// What the agent answered.
    result: Value,
    /// What was seen.
    evidence: Value,
    attempts: u32,
    max_attempts: u32,
    created_at: Millis,
    deliver_by: Millis,
    started_at: Option<Millis>,
    ended_at: Option<Millis>,
    created_by: MakerView,
    /// The operation that this is a part of.
    #[serde(rename = "parentID")]
    parent_id: Option<String>,
}

/// Who asked for it.
#[derive(Serialize, JsonSchema)]
struct MakerView {
    kind: MakerKind,
    /// Null where it is nothing of the caller's.
    id: Option<i64>,
    name: Option<String>,
}

/// What is shown of the evidence to whom a device is shared: what was seen, and not by whom and where.
const SHARED_EVIDENCE: [&str; 5] = ["onlineAfterMs", "offlineAfterMs", "wasOnline", "method", "packets"];

impl OperationView {
    pub(super) fn of(Seen { operation, whole, own }: Seen) -> Self {
        let Operation { id, kind, state, reason, message, said, command, maker, .. } = operation;
        let read = |json: Option<String>| {
            json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or(Value::Null)
        };
        let mut evidence: Value = read(operation.evidence);
        if let (false, Value::Object(seen)) = (whole, &mut evidence) {
            seen.retain(|name, _| SHARED_EVIDENCE.contains(&name.as_str()));
        }
        let shows_maker = whole || own;
        Self {
            id: id.to_string(),
            kind,
            state,
            reason,
            message: worded(message, said, whole),
            agent_id: operation.agent.filter(|_| whole),
            device_id: operation.device,
            command,
            payload: if whole || kind == OperationKind::Wake {
                read(Some(operation.payload))
            } else {
                Value::Object(Map::new())
            },
            result: read(operation.result.filter(|_| whole)),
            evidence,
            attempts: operation.attempts,
            max_attempts: operation.max_attempts,
            created_at: operation.created_at,
            deliver_by: operation.deliver_by,
            started_at: operation.started_at,
            ended_at: operation.ended_at,
            created_by: MakerView {
                kind: maker.kind,
                id: maker.id.filter(|_| shows_maker),
                name: Some(maker.name).filter(|_| shows_maker),
            },
            parent_id: operation.parent.map(|parent| parent.to_string()),
        }
    }
}

/// Our words, and the agent's behind them for whoever may read them.
fn worded(message: String, said: Option<String>, whole: bool) -> String {
    let worded = match said.filter(|_| whole) {
        Some(said) => format!("{message}: {said}"),
        None => message,
    };
    crate::text::harmless(worded.into()).into_owned()
}

/// An operation with its trail.
#[derive(Serialize, JsonSchema)]
pub(super) struct TrailView {
    #[serde(flatten)]
    operation: OperationView,
    /// What happened to it, the oldest first.
    trail: Vec<EntryView>,
}

/// What happened once.
#[derive(Serialize, JsonSchema)]
struct EntryView {
    at: Millis,
    /// What happened, as a word.
    #[schemars(with = "String")]
    event: Word,
    message: String,
    /// What else there is to know of it.
    #[serde(flatten)]
    data: Map<String, Value>,
}

impl TrailView {
    pub(super) fn of(seen: Seen, trail: Vec<TrailEntry>) -> Self {
        let whole = seen.whole;
        let entry = |TrailEntry { at, event, message, said, data }| {
            let data = data.filter(|_| whole).and_then(|json| serde_json::from_str(&json).ok());
            EntryView { at, event, message: worded(message, said, whole), data: data.unwrap_or_default() }
        };
        Self { operation: OperationView::of(seen), trail: trail.into_iter().map(entry).collect() }
    }
}
