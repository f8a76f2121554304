//! `POST /api/agents/{id}/secret`: a new secret for an agent. It is shown, since its owner may see it anyway.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::bounded::{Flag, Hours};
use super::check::Check;
use super::field::Field;
use super::tags::AGENTS;
use crate::clock::Millis;
use crate::commands::rotate_secret::RotateSecret;
use crate::control::DispatchError;
use crate::domain::command_error::agent_error;
use crate::domain::rotation::{self, RotateError, Rotated, Rotation};
use crate::error::Result;
use crate::error::failures as f;
use crate::model::audit::SubjectKind;
use crate::model::credential::LONGEST_GRACE;
use crate::model::permission::Permission as P;
use crate::registry::Command;
use crate::rest::{Answer, Call, Json, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/api/agents/{id}/secret",
            "Make a new secret for an agent; the one in use stays good for a while",
        )
        .needs(&[P::AgentsWrite, P::AgentsSecret])
        .tag(AGENTS)
        .admin_mode()
        .subject(SubjectKind::Agent)
        .example(r#"{"graceHours": 24}"#)
        .fails(&[f::NOT_FOUND, f::ROTATION_UNDER_WAY, f::AGENT_OFFLINE])
        .handler(rotate),
    ]
}

const HOUR: Millis = 60 * 60 * 1000;
/// How long the secret in use stays good unless the caller says otherwise.
const DEFAULT_GRACE: i64 = 24;

/// How an agent is to get a new secret.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RotateBody {
    /// How long the secret in use stays good unless the agent logs in with the new one before: 24 if absent, 0 ends it
    /// now; up to 30 days.
    #[serde(default)]
    grace_hours: Field<Hours<0, { LONGEST_GRACE / HOUR }>>,
    /// Whether the server hands the agent the new secret itself.
    #[serde(default)]
    hand_over: Field<Flag>,
}

/// The new secret.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RotatedView {
    secret: String,
    /// Until when the secret before is good at most, in milliseconds since the epoch; null if it no longer is.
    old_valid_until: Option<Millis>,
    /// Whether the agent has the new secret.
    handed_over: bool,
    /// Why the agent could not be handed the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

async fn rotate(call: Call, Json(body): Json<RotateBody>) -> Result<Answer<RotatedView>> {
    let id = call.id()?;
    let (grace, hand_over) = Check::all(|check| {
        let grace = check.optional("graceHours", body.grace_hours);
        let hand_over = check.optional("handOver", body.hand_over);
        let grace = grace?.unwrap_or(DEFAULT_GRACE);
        let hand_over = hand_over?.unwrap_or_default();
        if hand_over && grace == 0 {
            check.wrong(
                "graceHours",
                "expected at least 1 with handOver: until the agent has the new secret it needs the old one",
            );
        }
        Some((grace, hand_over))
    })?;
    let problem = |error| agent_error(id, RotateSecret::NAME, error);
    let rotation = Rotation { grace: grace * HOUR, hand_over };
    let Rotated { secret, old_valid_until, handed_over } =
        rotation::rotate(&call, id, rotation).await.map_err(|error| match error {
            RotateError::Offline => problem(DispatchError::Offline),
            RotateError::Other(error) => error,
        })?;
    let message = match &handed_over {
        None => "Secret changed. Give it to the agent; until then the one before works, if it was given time",
        Some(Ok(())) => "Secret changed, and the agent has it",
        Some(Err(_)) => "Secret changed, but the agent could not be handed it: give it to the agent",
    };
    let view = RotatedView {
        secret: secret.expose_secret().to_owned(),
        old_valid_until,
        handed_over: matches!(handed_over, Some(Ok(()))),
        problem: handed_over.and_then(Result::err).map(|error| problem(error).message().to_owned()),
    };
    Ok(Answer::ok(message, view))
}
