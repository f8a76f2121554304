//! `POST /api/devices/{id}/wakeup`: wakes a device through its agent, and waits until it is seen if that is asked for.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{LOCATION, VARY};
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::Check;
use super::commands::SYNCHRONOUS;
use super::field::Field;
use super::operation_view::OperationView;
use super::operations::{OptionsBody, Until, accept};
use super::prefer::{IDEMPOTENCY_KEY, PREFER, PREFERENCE_APPLIED, Prefer, REPLAYED};
use super::tags::DEVICES;
use super::until::{self, DEFAULT_TIMEOUT, Timeout, Wait};
use crate::domain::operation::create::{Options, Wanted};
use crate::domain::wake::wake;
use crate::error::Result;
use crate::error::failures as f;
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::registry::decode_object;
use crate::rest::row_part::{Describe, describe};
use crate::rest::{Answer, Call, FromBody, Route, StatusCode};

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
            "`respond-async` has it answered at once, with the operation; `wait=N` after N seconds at most",
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
    timeout: Field<Timeout>,
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
        Some(timeout) => {
            let wanted = Wanted::Online { device, timeout };
            let (done, not_done) = ("Device is online", "was not seen");
            let wait = Wait { wanted, timeout, delay: Duration::ZERO, done, not_done };
            until::answer(&call, wait, options, &bytes).await
        }
    };
    accepted?.try_map(|operation| Ok(Some(operation)))
}
