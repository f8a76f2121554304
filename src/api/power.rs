//! `POST /api/devices/{id}/shutdown|reboot|sleep`: what the agent that runs on a device does with it.

use bytes::Bytes;
use serde::Deserialize;

use super::bounded::Seconds;
use super::check::Check;
use super::field::Field;
use super::operation_view::OperationView;
use super::operations::{OptionsBody, accept, described};
use super::tags::DEVICES;
use crate::domain::operation::create::Wanted;
use crate::domain::power::Power;
use crate::error::Result;
use crate::error::failures as f;
use crate::model::permission::Permission as P;
use crate::registry::{Delayed, decode_object};
use crate::rest::call::FromBody;
use crate::rest::row::{Describe, describe};
use crate::rest::{Answer, Call, Route, StatusCode};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    let route = |path: &'static str, summary| {
        described(Route::post(path, summary))
            .needs(&[P::DevicesPower])
            .tag(DEVICES)
            .admin_mode()
            .passes_over()
            .example(r#"{"delaySeconds":60}"#)
            .statuses(&[StatusCode::OK, StatusCode::ACCEPTED])
            .fails(&[
                f::NOT_FOUND,
                f::NOT_SHARED,
                f::NO_HOST_AGENT,
                f::COMMAND_NOT_SUPPORTED,
                f::AGENT_OFFLINE,
            ])
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
    let (delay, options) = Check::all(|check| {
        let delay = check.optional("delaySeconds", body.delay_seconds);
        let options = body.options.read(check);
        Some((delay?, options?))
    })?;
    let payload = match delay {
        Some(seconds) => Bytes::from(format!(r#"{{"delaySeconds":{seconds}}}"#)),
        None => Bytes::from_static(b"{}"),
    };
    accept(&call, Wanted::Power { device, power, payload }, options, &bytes, None).await
}
