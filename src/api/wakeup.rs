//! `POST /api/devices/{id}/wakeup`: wakes a device through its agent, and waits until it is seen if that is asked for.

use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::Seconds;
use super::check::Check;
use super::commands::SYNCHRONOUS;
use super::field::Field;
use super::operation_view::OperationView;
use super::operations::{OptionsBody, Until, accept};
use super::prefer::{Prefer, idempotency_key};
use super::tags::DEVICES;
use crate::domain::operation::create::{Options, Wanted, create, request};
use crate::domain::operation::read;
use crate::domain::wake::wake;
use crate::error::failures as f;
use crate::error::{Error, Kind, Result};
use crate::model::audit::SubjectKind;
use crate::model::operation::{Operation, State, reason};
use crate::model::permission::Permission as P;
use crate::registry::decode_object;
use crate::rest::row::{Describe, describe};
use crate::rest::{Answer, Call, FromBody, HeaderName, HeaderValue, Route, StatusCode};

/// How much longer than the device is looked for its end is waited for: the last look takes a while.
const LAST_LOOK: Duration = Duration::from_secs(20);
/// How long the device is looked for unless something else is asked for, in seconds.
const DEFAULT_TIMEOUT: i64 = 120;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const LOCATION: HeaderName = HeaderName::from_static("location");
const VARY: HeaderName = HeaderName::from_static("vary");

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/api/devices/{id}/wakeup",
            "Wake a device through its agent, and see it come up if that is asked for",
        )
        .needs(&[P::DevicesWake])
        .tag(DEVICES)
        .admin_mode()
        .subject(SubjectKind::Device)
        .passes_over()
        .example(r#"{"until":"online","timeout":120}"#)
        .reads(
            PREFER,
            "`respond-async` has it answered at once, with the operation; `wait=N` then after N seconds at most",
        )
        .reads(IDEMPOTENCY_KEY, "Under which the same request is done once, within a day")
        .statuses(&[StatusCode::OK, StatusCode::ACCEPTED])
        .sends(LOCATION, "Where the operation is")
        .sends(PREFERENCE_APPLIED, "Which preference was followed")
        .sends(REPLAYED, "`true` where the request came before")
        .sends(VARY, "`Prefer`")
        .fails(&[
            f::NOT_FOUND,
            f::NOT_SHARED,
            f::NO_MAC_ADDRESS,
            f::NO_PORT,
            f::NO_SECURE_ON,
            f::DEVICE_CHANGED,
            f::NOT_SEEN,
            f::OTHER_DEVICE_ANSWERS,
            f::CANNOT_PROBE,
            f::NO_AGENT_IN_TIME,
            f::NO_PACKET_SENT,
            f::CANCELED,
            f::NOT_ALLOWED_ANY_MORE,
            f::DEVICE_DELETED,
            f::NOT_ENDED,
            f::TOO_MANY_OPERATIONS,
            f::IDEMPOTENCY_KEY_REUSED,
        ])
        .fails(f::OF_COMMANDS)
        .fails_with::<OperationView>()
        .handler(wakeup),
    ]
}

/// Until when a device is woken.
#[derive(Default, Deserialize, JsonSchema)]
pub(super) struct WakeBody {
    /// `sent`, which is what nothing stands for, or `online`: until the device is seen.
    #[serde(default)]
    until: Field<Until>,
    /// For how long it is looked for, in seconds, at most 300; 120 unless given.
    #[serde(default)]
    timeout: Field<Seconds<1, 300>>,
    #[serde(flatten)]
    options: OptionsBody,
}

/// A body, and its bytes: an idempotency key is good for these.
pub(super) struct WakeCall {
    bytes: Bytes,
    body: WakeBody,
}

impl FromBody for WakeCall {
    const SCHEMA: Option<Describe> = Some(describe::<WakeBody>);

    fn from_body(bytes: &Bytes) -> Result<Self> {
        Ok(Self { bytes: bytes.clone(), body: decode_object(bytes).unwrap_or_default() })
    }
}

impl WakeBody {
    /// For how long the device is looked for, none where it need not be seen; and how the operation is wanted. Where
    /// nobody asks for an operation the rest of the body means nothing.
    fn read(self, responds_async: bool) -> Result<(Option<Duration>, Options)> {
        Check::all(|check| {
            let until = check.optional("until", self.until);
            let online = until == Some(Some(Until::Online));
            if !online && !responds_async {
                // Who waits would rather have it refused than queued.
                return until.map(|_| (None, Options { only_online: true, ..Options::default() }));
            }
            let timeout = if online { check.optional("timeout", self.timeout) } else { Some(None) };
            let options = self.options.read(check);
            let timeout = timeout?.unwrap_or(DEFAULT_TIMEOUT).unsigned_abs();
            Some((online.then(|| Duration::from_secs(timeout)), options?))
        })
    }
}

async fn wakeup(call: Call, WakeCall { bytes, body }: WakeCall) -> Result<Answer<Option<OperationView>>> {
    let device = call.id()?;
    let responds_async = Prefer::of(&call.headers).respond_async;
    let has_key = call.headers.contains_key(IDEMPOTENCY_KEY);
    let (timeout, options) = body.read(responds_async)?;
    let accepted = match timeout {
        None if responds_async || has_key => {
            accept(&call, Wanted::Wake { device }, options, &bytes, Some(SYNCHRONOUS)).await
        }
        None => {
            wake(&call, device).await?;
            return Ok(Answer::ok("Wakeup command sent", None));
        }
        Some(timeout) if responds_async => {
            accept(&call, Wanted::Online { device, timeout }, options, &bytes, Some(Duration::ZERO)).await
        }
        Some(timeout) => until_online(&call, device, timeout, options, &bytes).await,
    };
    accepted?.try_map(|operation| Ok(Some(operation)))
}

/// Wakes a device and waits until it is seen, or is not.
async fn until_online(
    call: &Call,
    device: i64,
    timeout: Duration,
    options: Options,
    body: &[u8],
) -> Result<Answer<OperationView>> {
    let request = idempotency_key(&call.headers)?.map(|key| request(call, "POST", &call.path, key, body));
    // The caller waits for an agent no longer than for the device.
    let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    let deliver_within = options.deliver_within.unwrap_or(seconds);
    let options = Options { request, deliver_within: Some(deliver_within), ..options };
    let created = create(call, Wanted::Online { device, timeout }, options).await?;
    let longest = timeout + Duration::from_secs(deliver_within.unsigned_abs()) + LAST_LOOK;
    let seen = read::wait(call, created.seen.operation.id, longest).await?;
    let ended = seen.operation.clone();
    let view = OperationView::of(seen);
    if ended.state == State::Succeeded {
        let mut answer = Answer::ok("Device is online", view);
        if created.replayed {
            answer = answer.header(REPLAYED, HeaderValue::from_static("true"));
        }
        return Ok(answer);
    }
    let data = serde_json::to_value(view).map_err(Error::internal)?;
    let message = format!("The device was not seen: {}", ended.message);
    Err(Error::new(Kind::TimedOut, code(&ended), message).with_data(data))
}

/// The reason of an operation as an error's code.
fn code(operation: &Operation) -> &'static str {
    let known = [
        reason::AGENT_OFFLINE,
        reason::NOT_SEEN,
        reason::OTHER_DEVICE_ANSWERS,
        reason::CANNOT_PROBE,
        reason::COMMAND_FAILED,
        reason::CANCELED,
        reason::NOT_ALLOWED,
        reason::DEVICE_DELETED,
    ];
    let given = operation.reason.as_deref();
    known.into_iter().find(|known| Some(*known) == given).unwrap_or("not_ended")
}
