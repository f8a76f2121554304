//! `POST /api/devices/{id}/wakeup`: wakes a device through its agent, and waits until it is seen if that is asked for.

use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{Check, Rule};
use super::field::Field;
use super::operation_view::OperationView;
use super::tags::DEVICES;
use crate::domain::operation::read::Seen;
use crate::domain::wake::wake;
use crate::domain::wake_until;
use crate::error::failures as f;
use crate::error::{Error, Kind, Result};
use crate::model::audit::SubjectKind;
use crate::model::operation::{Operation, State, reason};
use crate::model::permission::Permission as P;
use crate::registry::decode_object;
use crate::rest::row::{Describe, describe};
use crate::rest::{Answer, Call, FromBody, HeaderName, HeaderValue, Route, StatusCode};

/// How long the device is looked for unless something else is asked for, in seconds.
const DEFAULT_TIMEOUT: u64 = 120;

const UNTIL: Rule<String, bool> = Rule::new("sent or online", |word| match word.as_str() {
    "sent" => Some(false),
    "online" => Some(true),
    _ => None,
});
const TIMEOUT: Rule<i64, u64> = Rule::new("a whole number of seconds from 1 to 300", |seconds| {
    u64::try_from(seconds).ok().filter(|seconds| (1..=300).contains(seconds))
});

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
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
        .reads(PREFER, "`respond-async` has it answered at once, where the device is to be seen")
        .statuses(&[StatusCode::OK, StatusCode::ACCEPTED])
        .sends(LOCATION, "Where the operation is")
        .sends(PREFERENCE_APPLIED, "Which preference was followed")
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
    until: Field<String>,
    /// For how long it is looked for, in seconds, at most 300; 120 unless given.
    #[serde(default)]
    timeout: Field<i64>,
}

impl FromBody for WakeBody {
    const SCHEMA: Option<Describe> = Some(describe::<Self>);

    fn from_body(body: &Bytes) -> Result<Self> {
        Ok(decode_object(body).unwrap_or_default())
    }
}

impl WakeBody {
    /// For how long the device is looked for; none where it need not be seen.
    fn looked_for(self) -> Result<Option<Duration>> {
        let mut check = Check::default();
        let until = check.optional("until", self.until, &UNTIL);
        if until == Some(None) || until == Some(Some(false)) {
            return Ok(None);
        }
        let timeout = check.optional("timeout", self.timeout, &TIMEOUT);
        let (Some(_), Some(timeout)) = (until, timeout) else { return Err(check.error()) };
        Ok(Some(Duration::from_secs(timeout.unwrap_or(DEFAULT_TIMEOUT))))
    }
}

async fn wakeup(call: Call, body: WakeBody) -> Result<Answer<Option<OperationView>>> {
    let id = call.id()?;
    let Some(timeout) = body.looked_for()? else {
        wake(&call, id).await?;
        return Ok(Answer::ok("Wakeup command sent", None));
    };
    let responds_async = prefers_async(&call);
    let waking = wake_until::begin(&call, id, timeout, !responds_async).await?;
    let shared = waking.shared;
    if responds_async {
        let path = format!("/api/operations/{}", waking.operation.id);
        let location = HeaderValue::from_str(&path).map_err(Error::internal)?;
        let view = OperationView::of(Seen::by_maker(waking.operation.clone(), shared));
        let answer = Answer { status: StatusCode::ACCEPTED, ..Answer::ok("Operation accepted", Some(view)) };
        let applied = HeaderValue::from_static("respond-async");
        return Ok(answer
            .header(LOCATION, location)
            .header(PREFERENCE_APPLIED, applied)
            .header(VARY, HeaderValue::from_static("Prefer")));
    }
    let ended = waking.end().await;
    let view = OperationView::of(Seen::by_maker(ended.clone(), shared));
    if ended.state == State::Succeeded {
        return Ok(Answer::ok("Device is online", Some(view)));
    }
    let data = serde_json::to_value(view).map_err(Error::internal)?;
    let message = format!("The device was not seen: {}", ended.message);
    Err(Error::new(Kind::TimedOut, code(&ended), message).with_data(data))
}

/// Whether the client would rather have its answer at once (RFC 7240).
fn prefers_async(call: &Call) -> bool {
    let all = call.headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).any(|preference| {
        let token = preference.split([';', '=']).next().unwrap_or_default();
        token.trim().eq_ignore_ascii_case("respond-async")
    })
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
