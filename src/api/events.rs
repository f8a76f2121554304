//! `GET /api/events`: what happens, as server-sent events.

use std::fmt::Write as _;
use std::task::{Context, Poll};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use super::agents::AgentView;
use super::devices::DeviceView;
use super::operation_view::OperationView;
use super::tags::EVENTS;
use crate::clock::Millis;
use crate::domain::device::{DeviceDetail, SharedBy};
use crate::domain::live::{self, Item, Listening, Occurrence, OperationProgress, Subject, View};
use crate::domain::operation::read::Seen;
use crate::error::failures as f;
use crate::error::{Error, FieldError, Result};
use crate::http::Flow;
use crate::model::event::{EventId, EventType};
use crate::rest::{Body, Call, HeaderName, HeaderValue, Raw, Route, StatusCode};

/// The query.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct EventsQuery {
    /// The types that are wanted, with commas between them; without it all.
    types: Option<String>,
    /// The ID of the event after which to go on. The header `Last-Event-ID` wins.
    #[serde(rename = "lastEventID")]
    last_event_id: Option<String>,
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/events", "What happens, as server-sent events")
            .signed_in()
            .tag(EVENTS)
            .admin_mode()
            .query::<EventsQuery>()
            .reads(LAST_EVENT_ID, "The ID of the event after which to go on")
            .sends(X_ACCEL_BUFFERING, "no: proxies must pass events on as they come")
            .fails(&[f::TOO_MANY_STREAMS])
            .raw(&["text/event-stream"], stream),
    ]
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("text/event-stream");
/// What has nginx pass parts on as they come.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const NO: HeaderValue = HeaderValue::from_static("no");
/// The header of lists that says from which event on a stream goes on without a gap.
pub(super) const EVENT_ID: HeaderName = HeaderName::from_static("netignite-event-id");
pub(super) const SAYS_EVENT_ID: &str =
    "The event after which the list was read: a stream goes on from there without a gap";
/// After how many milliseconds a client should come again.
const RETRY: &str = "retry: 3000\n";

/// The header that says after which event a list was read. Make it before reading.
pub(super) fn event_id(call: &Call) -> (HeaderName, HeaderValue) {
    let id = call.host.events.newest().to_string();
    (EVENT_ID, HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("")))
}

async fn stream(call: Call) -> Result<Raw> {
    let types = types(&call)?;
    let listening = live::open(&call, &types, after(&call), show)?;
    let body = Body::flow(Sending { listening, clock: call.host.clock.clone() });
    Ok(Raw::new(StatusCode::OK, MEDIA_TYPE, body).header(X_ACCEL_BUFFERING, NO))
}

/// The types that were asked for; all if none were named.
fn types(call: &Call) -> Result<Vec<EventType>> {
    let mut types = Vec::new();
    for (_, named) in call.queries().filter(|(name, _)| name == "types") {
        for name in named.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            types.push(EventType::from_name(name).ok_or_else(unknown_type)?);
        }
    }
    if types.is_empty() {
        types.extend_from_slice(EventType::ALL);
    }
    Ok(types)
}

fn unknown_type() -> Error {
    let known: Vec<_> = EventType::ALL.iter().map(|kind| kind.name()).collect();
    let wrong = FieldError::new("types", format!("expected a list of {}", known.join(", ")));
    Error::invalid_fields("Invalid query", vec![wrong])
}

/// After which event the stream is to go on, if the client says so; within that none for an ID that is none.
fn after(call: &Call) -> Option<Option<EventId>> {
    let header = call.headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default().to_owned());
    let asked = header.or_else(|| call.query("lastEventID"));
    // Clients send an empty one where they have none.
    asked.filter(|id| !id.is_empty()).map(|id| id.parse().ok())
}

/// A stream as it is sent.
struct Sending {
    listening: Listening,
    clock: crate::clock::Clock,
}

impl Flow for Sending {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.listening.poll(cx).map(|items| {
            let items = items?;
            if let [Item::Event(one)] = items.as_slice() {
                return Some(one.clone());
            }
            let mut text = Vec::with_capacity(64);
            for item in &items {
                append(item, self.clock.now(), &mut text);
            }
            Some(text.into())
        })
    }
}

fn append(item: &Item, now: Millis, text: &mut Vec<u8>) {
    let word =
        |kind: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"at\":{now},\"data\":null}}\n\n");
    let made = match item {
        Item::Event(shown) => return text.extend_from_slice(shown),
        Item::Begin(id) => format!("{RETRY}id: {id}\n\n"),
        Item::Reset(id) => format!("id: {id}\n{}", word("reset")),
        Item::Overflow => word("overflow"),
        Item::Alive(Some(id)) => format!(": alive\nid: {id}\n\n"),
        Item::Alive(None) => ": alive\n\n".to_owned(),
    };
    text.extend_from_slice(made.as_bytes());
}

/// An event as it is sent.
#[derive(Serialize)]
struct EventView {
    r#type: &'static str,
    at: Millis,
    data: DataView,
}

#[derive(Serialize)]
#[serde(untagged)]
enum DataView {
    Agent(AgentView),
    Device(Box<DeviceView>),
    Progress(ProgressView),
    Operation(Box<OperationView>),
    Gone(GoneView),
}

/// How far an operation is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProgressView {
    id: String,
    #[serde(rename = "agentID")]
    agent_id: Option<i64>,
    #[serde(rename = "deviceID")]
    device_id: Option<i64>,
    command: String,
    /// What the agent is doing, if it says so.
    message: String,
    /// How much of how much is done, if the agent says so.
    done: Option<u64>,
    total: Option<u64>,
}

/// What is left of something that was deleted.
#[derive(Serialize)]
struct GoneView {
    id: i64,
    deleted: bool,
}

/// An event as it is sent, its frame included.
pub(crate) fn show(event: &Occurrence, view: View) -> Result<Bytes> {
    let shared = match view {
        View::Whole | View::Asked => None,
        View::Shared(right) => Some(SharedBy { owner_name: event.owner_name.clone(), right }),
    };
    let data = match &event.subject {
        Subject::Agent(agent) => DataView::Agent(agent.clone().into()),
        Subject::Device(device) => {
            let mut device = device.clone();
            device.shared = shared;
            DataView::Device(Box::new(device.into()))
        }
        Subject::DeviceDetail(detail) => {
            let mut row = detail.row.clone();
            row.shared = shared;
            let detail = DeviceDetail { row, secure_on: None, presence: detail.presence.clone() };
            DataView::Device(Box::new(detail.into()))
        }
        Subject::Progress(OperationProgress { operation, agent, device, command, progress }) => {
            DataView::Progress(ProgressView {
                id: operation.to_string(),
                agent_id: *agent,
                device_id: *device,
                command: command.clone(),
                message: progress.message.clone(),
                done: progress.done,
                total: progress.total,
            })
        }
        Subject::Operation(operation) => {
            let (whole, own) = (view == View::Whole, view == View::Asked);
            let seen = Seen { operation: operation.as_ref().clone(), whole, own };
            DataView::Operation(Box::new(OperationView::of(seen)))
        }
        Subject::Gone(id) => DataView::Gone(GoneView { id: *id, deleted: true }),
    };
    let kind = event.kind.name();
    let mut text = String::with_capacity(512);
    // Writing to a text does not fail.
    if !matches!(event.subject, Subject::Progress(_)) {
        // Of what is not kept nobody can go on after it.
        let _ = writeln!(text, "id: {}", event.id);
    }
    let _ = write!(text, "event: {kind}\ndata: ");
    let mut text = text.into_bytes();
    let shown = EventView { r#type: kind, at: event.at, data };
    serde_json::to_writer(&mut text, &shown).map_err(Error::internal)?;
    text.extend_from_slice(b"\n\n");
    Ok(text.into())
}
