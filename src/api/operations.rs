//! `/api/operations`: what is wanted of agents and devices, until it is done and for a while after.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{LINK, LOCATION, VARY};
use serde::Deserialize;
use serde_json::Value;

use super::bounded::{AgentId, DeviceId, Flag, Seconds, Whole, bounded, one_of, text, word};
use super::check::Check;
use super::events::{EVENT_ID, SAYS_EVENT_ID, event_id};
use super::field::Field;
use super::link::{SAYS_LINK, with_next};
use super::operation_query::{OperationQuery, asked};
use super::operation_view::{OperationView, TrailView};
use super::pages::{List, PART};
use super::prefer::{IDEMPOTENCY_KEY, PREFER, PREFERENCE_APPLIED, Prefer, REPLAYED, idempotency_key};
use super::tags::OPERATIONS;
use super::until::DEFAULT_TIMEOUT;
use crate::domain::Snapshot;
use crate::domain::operation::cancel::{self, Canceled};
use crate::domain::operation::create::{
    Created, LONGEST_DELIVERY, LONGEST_RUN, MOST_ATTEMPTS, Options, Wanted, create, request,
};
use crate::domain::operation::read::{self, Seen};
use crate::error::failures as f;
use crate::error::{Error, Kind, Result};
use crate::model::operation::OperationId;
use crate::rest::call::FromBody;
use crate::rest::row::Row;
use crate::rest::row_part::{Describe, describe};
use crate::rest::{Answer, Call, HeaderValue, NoBody, Route, StatusCode};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/operations", "List operations, the newest first")
            .signed_in()
            .tag(OPERATIONS)
            .admin_mode()
            .query::<OperationQuery>()
            .sends(LINK, SAYS_LINK)
            .sends(EVENT_ID, SAYS_EVENT_ID)
            .handler(list),
        described(Route::post(
            "/api/operations",
            "Have an agent do something, or a device woken, as soon as that is possible",
        ))
        .signed_in()
        .tag(OPERATIONS)
        .admin_mode()
        .example(r#"{"kind":"command","agentID":1,"command":"HEARTBEAT"}"#)
        .statuses(&[StatusCode::OK, StatusCode::ACCEPTED])
        .fails(&[
            f::FORBIDDEN,
            f::NOT_FOUND,
            f::NOT_SHARED,
            f::UNKNOWN_COMMAND,
            f::NO_MAC_ADDRESS,
            f::NO_PORT,
            f::COMMAND_REFUSED,
            f::COMMAND_NOT_SUPPORTED,
            f::AGENT_OFFLINE,
        ])
        .handler(make),
        Route::get("/api/operations/{id}", "An operation and what happened to it")
            .signed_in()
            .tag(OPERATIONS)
            .admin_mode()
            .param::<String>("id", "The operation's UUID")
            .fails(&[f::NOT_FOUND, f::INVALID_ID])
            .handler(get),
        Route::post(
            "/api/operations/{id}/cancel",
            "Withdraw an operation, or have its agent end it where the command can be ended",
        )
        .signed_in()
        .tag(OPERATIONS)
        .admin_mode()
        .param::<String>("id", "The operation's UUID")
        .fails(&[f::NOT_FOUND, f::INVALID_ID, f::NOT_ALLOWED, f::OPERATION_ENDED, f::OPERATION_RUNNING])
        .fails_with::<OperationView>()
        .handler(withdraw),
    ]
}

/// A route that makes operations, with the headers and failures that all of them have.
pub(super) fn described(route: Row) -> Row {
    route
        .reads(
            PREFER,
            "`wait=N` has it answered once it has ended, after N seconds at most; `respond-async` at once",
        )
        .reads(IDEMPOTENCY_KEY, "Under which the same request is done once, within a day")
        .sends(LOCATION, "Where the operation is")
        .sends(PREFERENCE_APPLIED, "Which preference was followed")
        .sends(REPLAYED, "`true` where the request came before")
        .sends(VARY, "`Prefer`")
        .fails(&[f::TOO_MANY_OPERATIONS, f::IDEMPOTENCY_KEY_REUSED])
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Wish {
    Command,
    Wake,
}
word!(Wish, "command or wake");

/// Until when a device is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Until {
    Sent,
    Online,
}
word!(Until, "sent or online");

bounded!(
    /// The name of a command.
    CommandName: String => String,
    "the name of a command, as GET /api/commands lists them",
    |_| text(1..=64),
    |name| (1..=64).contains(&name.len()).then_some(name)
);
bounded!(
    /// That a live operation which is the same will do.
    Dedupe: String => (),
    "live",
    |_| one_of(&["live"]),
    |word| (word == "live").then_some(())
);
bounded!(
    /// A command's payload.
    Payload: serde_json::Map<String, Value> => Bytes,
    "an object, as the command's schema in GET /api/commands says",
    |_| schemars::json_schema!({ "type": "object" }),
    |payload| serde_json::to_vec(&payload).ok().map(Bytes::from)
);

/// How an operation is wanted: the fields that every one may have.
#[derive(Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OptionsBody {
    /// Seconds until it must be sent.
    #[serde(default)]
    deliver_within: Field<Seconds<1, LONGEST_DELIVERY>>,
    /// How often it may be sent; 3 for commands that may be repeated, else 1.
    #[serde(default)]
    max_attempts: Field<Whole<1, { MOST_ATTEMPTS as i64 }>>,
    /// Seconds that the answer is waited for.
    #[serde(default)]
    run_timeout: Field<Seconds<1, LONGEST_RUN>>,
    /// Whether it waits for an agent that is offline; true.
    #[serde(default)]
    queue: Field<Flag>,
    /// `live`: a live operation that is the same is the answer.
    #[serde(default)]
    dedupe: Field<Dedupe>,
}

impl OptionsBody {
    pub(super) fn read(self, check: &mut Check) -> Option<Options> {
        let deliver_within = check.optional("deliverWithin", self.deliver_within);
        let max_attempts = check.optional("maxAttempts", self.max_attempts);
        let run_timeout = check.optional("runTimeout", self.run_timeout);
        let queue = check.optional("queue", self.queue);
        let dedupe = check.optional("dedupe", self.dedupe);
        Some(Options {
            deliver_within: deliver_within?,
            max_attempts: max_attempts?.and_then(|most| u32::try_from(most).ok()),
            run_timeout: run_timeout?,
            only_online: queue? == Some(false),
            patience: None,
            dedupe: dedupe?.is_some(),
            request: None,
        })
    }
}

/// A new operation.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OperationBody {
    kind: Field<Wish>,
    /// The agent that is to run a command.
    #[serde(rename = "agentID", default)]
    agent_id: Field<AgentId>,
    /// The command's name.
    #[serde(default)]
    command: Field<CommandName>,
    /// The command's payload.
    #[serde(default)]
    payload: Field<Payload>,
    /// The device that is to be woken.
    #[serde(rename = "deviceID", default)]
    device_id: Field<DeviceId>,
    /// Until when a device is woken: `sent`, which is what nothing stands for, or `online`.
    #[serde(default)]
    until: Field<Until>,
    /// For how many seconds it is looked for until it is online; 120 unless given.
    #[serde(default)]
    timeout: Field<Seconds<1, 3600>>,
    #[serde(flatten)]
    options: OptionsBody,
}

/// A body, and its bytes: an idempotency key is good for these.
pub(super) struct NewOperation {
    bytes: Bytes,
    body: OperationBody,
}

impl FromBody for NewOperation {
    const SCHEMA: Option<Describe> = Some(describe::<OperationBody>);

    fn from_body(bytes: &Bytes) -> Result<Self> {
        let crate::rest::Json(body) = FromBody::from_body(bytes)?;
        Ok(Self { bytes: bytes.clone(), body })
    }
}

impl OperationBody {
    fn wanted(self) -> Result<(Wanted, Options)> {
        Check::all(|check| {
            let wanted = match check.required("kind", self.kind) {
                Some(Wish::Command) => {
                    let agent = check.required("agentID", self.agent_id);
                    let command = check.required("command", self.command);
                    let payload = check.optional("payload", self.payload);
                    agent.zip(command).zip(payload).map(|((agent, command), payload)| {
                        let payload = payload.unwrap_or_else(|| Bytes::from_static(b"{}"));
                        Wanted::Command { agent, command, payload }
                    })
                }
                Some(Wish::Wake) => {
                    let device = check.required("deviceID", self.device_id);
                    let until = check.optional("until", self.until);
                    let timeout = check.optional("timeout", self.timeout);
                    device.zip(until).zip(timeout).map(|((device, until), timeout)| match until {
                        Some(Until::Online) => {
                            let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT).unsigned_abs();
                            Wanted::Online { device, timeout: Duration::from_secs(timeout) }
                        }
                        Some(Until::Sent) | None => Wanted::Wake { device },
                    })
                }
                None => None,
            };
            let options = self.options.read(check);
            Some((wanted?, options?))
        })
    }
}

async fn make(call: Call, NewOperation { bytes, body }: NewOperation) -> Result<Answer<OperationView>> {
    let (wanted, options) = body.wanted()?;
    accept(&call, wanted, options, &bytes, None).await
}

/// Makes an operation and answers it as the caller prefers: as it is now, or once it has ended, which is waited for as
/// long as `usual` unless the caller says otherwise; of no time at all, nothing is waited for whatever they say.
pub(super) async fn accept(
    call: &Call,
    wanted: Wanted,
    mut options: Options,
    body: &[u8],
    usual: Option<Duration>,
) -> Result<Answer<OperationView>> {
    let mut prefer = Prefer::of(&call.headers);
    // Nothing is waited for where the call itself says so.
    prefer.wait = prefer.wait.filter(|_| usual != Some(Duration::ZERO));
    if let Some(key) = idempotency_key(&call.headers)? {
        options.request = Some(request(call, "POST", &call.path, key, body));
    }
    let usual = usual.filter(|usual| !prefer.respond_async && !usual.is_zero());
    let wait = prefer.wait.or(usual);
    let Created { mut seen, made, replayed } = create(call, wanted, options).await?;
    if let Some(time) = wait
        && seen.operation.is_live()
    {
        seen = read::wait(call, seen.operation.id, time).await?;
    }
    let id = seen.operation.id;
    let ended = !seen.operation.is_live();
    let (status, message) = match (made, ended) {
        (_, true) if wait.is_some() => (StatusCode::OK, "Operation ended"),
        (true, _) => (StatusCode::ACCEPTED, "Operation accepted"),
        (false, _) if replayed => (StatusCode::ACCEPTED, "Operation accepted"),
        (false, _) => (StatusCode::OK, "The same operation is live already"),
    };
    let answer = Answer { status, ..Answer::ok(message, OperationView::of(seen)) };
    Ok(with_headers(answer, id, &prefer, replayed))
}

/// Where an operation is read.
pub(super) fn location(id: OperationId) -> String {
    format!("/api/operations/{id}")
}

/// An answer about an operation, with the headers that say where it is, which preferences were followed, and whether the
/// request came before.
pub(super) fn with_headers<T>(
    answer: Answer<T>,
    id: OperationId,
    prefer: &Prefer,
    replayed: bool,
) -> Answer<T> {
    let mut answer = answer.header(VARY, HeaderValue::from_static("Prefer"));
    if let Ok(location) = HeaderValue::from_str(&location(id)) {
        answer = answer.header(LOCATION, location);
    }
    if let Some(applied) = prefer.applied() {
        answer = answer.header(PREFERENCE_APPLIED, applied);
    }
    if replayed {
        answer = answer.header(REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}

async fn list(call: Call, _: NoBody) -> Result<Answer<List<OperationView>>> {
    let filter = asked(&call)?;
    let (name, id) = event_id(&call);
    // The first part is written where it is read; the others are read again while they are sent.
    let first = |page: Vec<Seen>| {
        let (mut json, mut page) = (Vec::new(), page.into_iter());
        while json.len() < PART
            && let Some(seen) = page.next()
        {
            append(seen, &mut json)?;
        }
        Ok((json, page.map(|seen| seen.operation.id.key()).collect()))
    };
    let ((json, rest), next) = read::list(&call, filter, first).await?;
    let rows = read::rows(&call);
    let list = List::begun(
        &call,
        json,
        rest,
        1,
        Arc::new(move |db: &Snapshot, keys: &[i64], json: &mut Vec<u8>| {
            rows(db, keys)?.into_iter().try_for_each(|seen| append(seen, json))
        }),
    );
    let answer = Answer::ok("Operations retrieved successfully.", list).header(name, id);
    Ok(with_next(answer, &call, next))
}

/// Writes an operation, after a comma.
fn append(seen: Seen, json: &mut Vec<u8>) -> Result<()> {
    json.push(b',');
    serde_json::to_writer(json, &OperationView::of(seen)).map_err(Error::internal)
}

async fn get(call: Call, _: NoBody) -> Result<Answer<TrailView>> {
    let (seen, trail) = read::get(&call, id(&call)?).await?;
    Ok(Answer::ok("Operation retrieved successfully.", TrailView::of(seen, trail)))
}

async fn withdraw(call: Call, _: NoBody) -> Result<Answer<OperationView>> {
    let about = |seen| serde_json::to_value(OperationView::of(seen)).unwrap_or_default();
    match cancel::cancel(&call, id(&call)?).await? {
        Canceled::Done(seen) => Ok(Answer::ok("Operation canceled", OperationView::of(seen))),
        Canceled::Ended(seen) => {
            let message = "The operation is over: there is nothing left to withdraw";
            Err(Error::conflict("operation_ended", message).with_data(about(seen)))
        }
        Canceled::Asked(seen) => {
            let message =
                "Its agent was asked to end the operation and has not answered yet: wait for its end";
            Err(Error::conflict("operation_running", message).with_data(about(seen)))
        }
        Canceled::Running(seen) => {
            let message = "The operation was sent and cannot be taken back: wait for its end";
            Err(Error::conflict("operation_running", message).with_data(about(seen)))
        }
    }
}

fn id(call: &Call) -> Result<OperationId> {
    call.param("id")
        .parse()
        .map_err(|_| Error::new(Kind::Invalid, "invalid_id", "Invalid ID: expected the UUID of an operation"))
}
