//! `POST /api/agents/{id}/secret`: a new secret for an agent, without locking it out.
//!
//! The secret in use stays good until the agent has logged in with the new one, or until its time is over. Who asks
//! for it has the server hand the new one over; it is shown all the same, since its owner may see it anyway. An agent
//! that says it has the new one is taken at its word: a further rotation must keep that one good, not the one before.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::agent_error::agent_error;
use super::agents::not_found;
use super::check::{Check, FLAG, Rule};
use super::field::Field;
use crate::audit::{Action, SubjectKind};
use crate::auth::fresh_token;
use crate::auth::permission::Permission;
use crate::clock::Millis;
use crate::commands::rotate_secret::{Payload, RotateSecret};
use crate::control::DispatchError;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Json};
use crate::registry::{AgentSecret, Command};
use crate::store::agents;

const HOUR: Millis = 60 * 60 * 1000;
/// How long the secret in use stays good unless the caller says otherwise.
const DEFAULT_GRACE: i64 = 24;
/// Up to 30 days.
const GRACE: RangeInclusive<i64> = 0..=720;

const GRACE_HOURS: Rule<i64, i64> =
    Rule::new("a whole number of hours from 0 to 720", |hours| GRACE.contains(&hours).then_some(hours));

/// How an agent is to get a new secret.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RotateBody {
    /// How long the secret in use stays good unless the agent logs in with the new one before: 24 if absent, 0 ends it
    /// now.
    #[serde(default)]
    grace_hours: Field<i64>,
    /// Whether the server hands the agent the new secret itself.
    #[serde(default)]
    hand_over: Field<bool>,
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

/// The agents that are being given a new secret: one at a time each, for while an agent is handed one nobody knows which
/// of them it uses.
#[derive(Default)]
pub(super) struct Rotating(Mutex<HashSet<i64>>);

/// An agent's turn, which ends when this is dropped.
struct Turn<'a> {
    rotating: &'a Rotating,
    agent: i64,
}

impl Rotating {
    fn begin(&self, agent: i64) -> Result<Turn<'_>> {
        if self.0.lock().insert(agent) {
            return Ok(Turn { rotating: self, agent });
        }
        Err(Error::conflict(
            "rotation_under_way",
            "The agent is just being given a new secret, and nothing was changed. Try again in a few seconds.",
        ))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.rotating.0.lock().remove(&self.agent);
    }
}

pub(super) async fn rotate(
    call: Call,
    Json(body): Json<RotateBody>,
    rotating: Arc<Rotating>,
) -> Result<Answer<RotatedView>> {
    let id = call.id()?;
    call.caller.require(Permission::AgentsSecret)?;
    // Whoever may not see the secret of an agent cannot give it one that they are shown.
    let whose = call.whose(Permission::AgentsSecret);
    let mut check = Check::default();
    let grace = check.optional("graceHours", body.grace_hours, &GRACE_HOURS);
    let hand_over = check.optional("handOver", body.hand_over, &FLAG).flatten().unwrap_or_default();
    let grace = grace.flatten().unwrap_or(DEFAULT_GRACE);
    if hand_over && grace == 0 {
        check.wrong(
            "graceHours",
            "expected at least 1 with handOver: until the agent has the new secret it needs the old one",
        );
    }
    check.done()?;

    let host = &call.host;
    host.store.read(move |db| agents::get(db, whose, id)).await?.ok_or_else(not_found)?;
    let _turn = rotating.begin(id)?;
    if hand_over && !host.control.is_online(id) {
        return Err(agent_error(id, RotateSecret::NAME, DispatchError::Offline));
    }
    let text = fresh_token()?;
    let handing = AgentSecret::try_from(text.to_string()).map_err(Error::internal)?;
    let secret = SecretString::from(text.as_str());
    let now = host.clock.now();
    let until = (grace > 0).then_some(now + grace * HOUR);
    let mut old_valid_until = call
        .change(Action::AgentRotateSecret, move |db, entry| {
            let stored = agents::get(db, whose, id)?.ok_or_else(not_found)?;
            entry.on(SubjectKind::Agent, id, stored.name);
            Ok(match until {
                Some(until) => agents::rotate_secret(db, id, &secret, until, now)?.then_some(until),
                None => {
                    agents::set_secret(db, id, &secret)?;
                    None
                }
            })
        })
        .await?;
    host.agent_changed(id).await?;

    let secret = text.to_string();
    let handed = if hand_over {
        Some(host.dispatch::<RotateSecret>(id, &Payload { secret: handing }).await)
    } else {
        None
    };
    if let Some(Ok(_)) = handed {
        host.control.reconnect(id);
        if let Some(until) = old_valid_until.take() {
            host.old_secret_retired(id, until).await;
        }
    }
    let message = match &handed {
        None => "Secret changed. Give it to the agent; until then the one before works, if it was given time",
        Some(Ok(_)) => "Secret changed, and the agent has it",
        Some(Err(_)) => "Secret changed, but the agent could not be handed it: give it to the agent",
    };
    let view = RotatedView {
        secret,
        old_valid_until,
        handed_over: matches!(handed, Some(Ok(_))),
        problem: handed
            .and_then(Result::err)
            .map(|error| agent_error(id, RotateSecret::NAME, error).message().to_owned()),
    };
    Ok(Answer::ok(message, view))
}
