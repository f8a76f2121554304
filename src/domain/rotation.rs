//! A new secret for an agent, without locking it out.
//!
//! The secret in use stays good until the agent has logged in with the new one, or until its time is over. The server
//! hands the new one over where that is wanted. An agent that says it has the new one is believed: a further rotation
//! must keep that one good, not the one before.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::SecretString;

use super::By;
use super::agent::not_found;
use crate::auth::fresh_token;
use crate::clock::Millis;
use crate::commands::rotate_secret::{Payload, RotateSecret};
use crate::control::DispatchError;
use crate::error::{Error, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::model::permission::Permission;
use crate::registry::AgentSecret;
use crate::store::agents;

/// How an agent gets a new secret.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// How long the secret in use stays good unless the agent logs in with the new one before, in milliseconds; 0 ends
    /// it now.
    pub grace: Millis,
    /// Whether the server hands the agent the new secret itself. Takes a grace, since the agent is connected with the
    /// secret in use.
    pub hand_over: bool,
}

/// What a rotation came to.
pub struct Rotated {
    /// The new secret.
    pub secret: SecretString,
    /// Until when the secret before is good at most; none if it no longer is.
    pub old_valid_until: Option<Millis>,
    /// Whether the agent was handed the new secret; none if it was not to be.
    pub handed_over: Option<Result<(), DispatchError>>,
}

/// Why there is no new secret.
#[derive(Debug)]
pub enum RotateError {
    /// The agent is not connected, and cannot be handed anything.
    Offline,
    /// Any other reason.
    Other(Error),
}

impl From<Error> for RotateError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// The agents that are being given a new secret: one at a time each, for while an agent is handed one nobody knows which
/// of them it uses.
#[derive(Default)]
struct Rotating(Mutex<HashSet<i64>>);

/// An agent's turn, which ends when this is dropped.
struct Turn {
    rotating: Arc<Rotating>,
    agent: i64,
}

impl Turn {
    fn begin(rotating: Arc<Rotating>, agent: i64) -> Result<Self> {
        if rotating.0.lock().insert(agent) {
            return Ok(Self { rotating, agent });
        }
        Err(Error::conflict(
            "rotation_under_way",
            "The agent is just being given a new secret, and nothing was changed. Try again in a few seconds.",
        ))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.rotating.0.lock().remove(&self.agent);
    }
}

/// Gives an agent a new secret. Who may not see the secret of an agent cannot give it one that they are shown.
///
/// # Errors
/// The caller may not, there is no such agent of theirs, another rotation of it is under way, the database refuses; or it
/// is offline where the secret was to be handed over.
pub async fn rotate(by: &By, id: i64, rotation: Rotation) -> Result<Rotated, RotateError> {
    by.caller.require(Permission::AgentsSecret)?;
    let whose = by.whose(Permission::AgentsSecret);
    let host = &by.host;
    host.store.read(move |db| agents::get(db, whose, id)).await?.ok_or_else(not_found)?;
    let _turn = Turn::begin(host.remembered.get(Rotating::default), id)?;
    if rotation.hand_over && !host.control.is_online(id) {
        return Err(RotateError::Offline);
    }
    let text = fresh_token()?;
    let secret = SecretString::from(text.as_str());
    let shown = secret.clone();
    let handing = AgentSecret::try_from(text.to_string()).map_err(Error::internal)?;
    let now = host.clock.now();
    let until = (rotation.grace > 0).then_some(now + rotation.grace);
    let mut old_valid_until = by
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

    let mut handed_over = None;
    if rotation.hand_over {
        handed_over = Some(host.dispatch::<RotateSecret>(id, &Payload { secret: handing }).await.map(drop));
    }
    if let Some(Ok(())) = handed_over {
        host.control.reconnect(id);
        if let Some(until) = old_valid_until.take() {
            host.old_secret_retired(id, until).await;
        }
    }
    Ok(Rotated { secret: shown, old_valid_until, handed_over })
}
