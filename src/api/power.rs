//! `POST /api/devices/{id}/shutdown|reboot|sleep`: what the agent that runs on a device does with it, and that it is seen no
//! more if that is asked for.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::bounded::{Seconds, word};
use super::check::Check;
use super::field::Field;
use super::operation_view::OperationView;
use super::operations::{OptionsBody, accept, described};
use super::prefer::Prefer;
use super::tags::DEVICES;
use super::until::{self, DEFAULT_TIMEOUT, LONGEST, Timeout, Wait};
use crate::domain::operation::create::Wanted;
use crate::domain::power::Power;
use crate::error::Result;
use crate::error::failures as f;
use crate::model::permission::Permission as P;
use crate::registry::{Delayed, decode_object};
use crate::rest::call::FromBody;
use crate::rest::row_part::{Describe, describe};
use crate::rest::{Answer, Call, Route, StatusCode};

/// Until when a power command goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum UntilGone {
    /// Until the agent on the device has answered.
    Sent,
    /// Until the device is seen no more, or has restarted.
    Offline,
}
word!(UntilGone, "sent or offline");

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    let route = |path: &'static str, summary| {
        described(Route::post(path, summary))
            .needs(&[P::DevicesPower])
            .tag(DEVICES)
            .admin_mode()
            .passes_over()
            .example(r#"{"until":"offline","timeout":120}"#)
            .statuses(&[StatusCode::OK, StatusCode::ACCEPTED])
            .fails(&[
                f::NOT_FOUND,
                f::NOT_SHARED,
                f::NO_HOST_AGENT,
                f::COMMAND_NOT_SUPPORTED,
                f::AGENT_OFFLINE,
                f::STILL_SEEN,
                f::NOT_SENT_IN_TIME,
                f::NO_TURN_IN_TIME,
                f::NOT_DONE,
                f::NO_REPLY,
                f::NOT_SENT,
                f::CANCELED,
                f::NOT_ALLOWED_ANY_MORE,
                f::DEVICE_DELETED,
                f::DEVICE_CHANGED_MEANWHILE,
                f::NOT_ENDED,
            ])
            .fails_with::<OperationView>()
    };
    vec![
        route("/api/devices/{id}/shutdown", "Have the agent that runs on a device switch it off")
            .handler(|call, body| power(call, body, Power::Shutdown)),
        route("/api/devices/{id}/reboot", "Have the agent that runs on a device restart it")
            .handler(|call, body| power(call, body, Power::Reboot)),
        route("/api/devices/{id}/sleep", "Have the agent that runs on a device send it to sleep")
            .handler(|call, body| power(call, body, Power::Sleep)),
    ]
}

/// How it is to be done.
#[derive(Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PowerBody {
    /// After how many seconds it is done, at most 86400; at once unless given.
    #[serde(default)]
    delay_seconds: Field<Seconds<0, { Delayed::LONGEST as i64 }>>,
    /// `sent`, which is what nothing stands for: until its agent has answered; or `offline`: until the device is seen no
    /// more, or has restarted.
    #[serde(default)]
    until: Field<UntilGone>,
    /// For how long after the delay it may still be seen, in seconds, at most 300; 120 unless given.
    #[serde(default)]
    timeout: Field<Timeout>,
    #[serde(flatten)]
    options: OptionsBody,
}

/// A body, and its bytes: an idempotency key is good for these.
pub(super) struct NewPower {
    bytes: Bytes,
    body: PowerBody,
}

impl FromBody for NewPower {
    const SCHEMA: Option<Describe> = Some(describe::<PowerBody>);

    fn from_body(bytes: &Bytes) -> Result<Self> {
        // As in the other routes that have an agent do something, nothing at all will do.
        let body = decode_object(bytes).unwrap_or_default();
        Ok(Self { bytes: bytes.clone(), body })
    }
}

async fn power(
    call: Call,
    NewPower { bytes, body }: NewPower,
    power: Power,
) -> Result<Answer<OperationView>> {
    let device = call.id()?;
    let responds_async = Prefer::of(&call.headers).respond_async;
    let (delay, timeout, options) = Check::all(|check| {
        let delay = check.optional("delaySeconds", body.delay_seconds);
        let until = check.optional("until", body.until);
        let offline = until == Some(Some(UntilGone::Offline));
        let timeout = if offline { check.optional("timeout", body.timeout) } else { Some(None) };
        let options = body.options.read(check);
        if offline && !responds_async && delay.flatten().is_some_and(|seconds| seconds > LONGEST) {
            check.wrong(
                "delaySeconds",
                "expected at most 300 where the end is waited for; send `Prefer: respond-async` with a longer one",
            );
        }
        let timeout = timeout?.unwrap_or(DEFAULT_TIMEOUT).unsigned_abs();
        until?;
        Some((delay?, offline.then(|| Duration::from_secs(timeout)), options?))
    })?;
    let Some(timeout) = timeout else {
        let payload = match delay {
            Some(seconds) => Bytes::from(format!(r#"{{"delaySeconds":{seconds}}}"#)),
            None => Bytes::from_static(b"{}"),
        };
        return accept(&call, Wanted::Power { device, power, payload }, options, &bytes, None).await;
    };
    let delay = delay.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(0);
    let wanted = Wanted::Offline { device, power, delay, timeout };
    if responds_async {
        return accept(&call, wanted, options, &bytes, Some(Duration::ZERO)).await;
    }
    let (done, not_done) = match power {
        Power::Reboot => ("Device is restarting", "was not seen to restart"),
        Power::Shutdown | Power::Sleep => ("Device is offline", "did not go offline"),
    };
    let delay = Duration::from_secs(delay.into());
    until::answer(&call, Wait { wanted, timeout, delay, done, not_done }, options, &bytes).await
}
