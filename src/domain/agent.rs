//! Agents: making, showing, changing and deleting them.
//!
//! A secret is shown to its agent's owner alone, and never in a list. Whatever changes an agent ends with
//! [`Host::agent_changed`], so that the agent can connect, or no longer can, before the
//! caller has the answer.

use std::sync::Arc;

use secrecy::SecretString;

use super::By;
use super::count::counted;
use super::operation;
use super::quota::Quota;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::agent_about::AgentAbout;
use crate::model::audit::{Action, SubjectKind};
use crate::model::event::Event;
use crate::model::permission::{Permission, Scope};
use crate::model::presence::Presence;
use crate::store::agents;

pub use crate::store::agents::{AgentRow, NewAgent};

/// An agent with all that is known of it.
#[derive(Clone)]
pub struct AgentDetail {
    /// What is stored.
    pub row: AgentRow,
    /// Whether it is connected; none for an agent that is being deleted.
    pub presence: Option<Presence>,
    /// What it says it is, if it does.
    pub about: Option<Arc<AgentAbout>>,
    /// Its secret, if the caller may see it.
    pub secret: Option<SecretString>,
}

pub(crate) fn not_found() -> Error {
    Error::not_found("Agent not found")
}

/// Whether the caller may see the secret of an agent of `owner`.
fn sees_secret(caller: &Caller, owner: i64) -> bool {
    let scope = if caller.user_id() == Some(owner) { Scope::Own } else { Scope::Any };
    caller.may(Permission::AgentsSecret, scope)
}

/// Has the Agent Control Service know of an agent's change, and whoever listens.
pub(super) async fn changed(host: &Host, id: i64, owner: i64) -> Result<()> {
    let known = host.agent_changed(id).await;
    host.events.emit(Event::AgentChanged { agent: id, owner });
    known
}

/// Makes an agent, which can connect at once. Answers its ID.
///
/// # Errors
/// Its owner has as many as one may have; the database refuses.
pub async fn create(by: &By, agent: NewAgent) -> Result<i64> {
    let quota = Quota::of_agents(&by.host.config.load().limits);
    let owner = agent.owner;
    let id = by
        .change(Action::AgentCreate, move |db, entry| {
            quota.check(db, agent.owner)?;
            let id = agents::insert(db, &agent)?;
            entry.on(SubjectKind::Agent, id, agent.name);
            Ok(id)
        })
        .await?;
    changed(&by.host, id, owner).await?;
    Ok(id)
}

/// An agent. That its secret was shown goes into the audit log.
///
/// # Errors
/// There is no such agent of the caller's; the database cannot be read.
pub async fn get(by: &By, id: i64) -> Result<AgentDetail> {
    let whose = by.whose(Permission::AgentsRead);
    let caller = by.caller.clone();
    let read = by.host.store.read(move |db| {
        let row = agents::get(db, whose, id)?.ok_or_else(not_found)?;
        let secret = if sees_secret(&caller, row.owner) { agents::secret(db, id)? } else { None };
        Ok((row, secret))
    });
    let (row, secret) = read.await?;
    if secret.is_some() {
        by.note(Action::AgentRevealSecret, |entry| entry.on(SubjectKind::Agent, id, row.name.as_str()));
    }
    let (presence, about) = by.host.control.seen(id).unzip();
    Ok(AgentDetail { presence, about: about.flatten(), row, secret })
}

/// Changes an agent into what `change` makes of the stored row, with a new secret if it gives one. `change` also gets the
/// stored secret, if the caller may have it to send back.
///
/// # Errors
/// There is no such agent of the caller's; what `change` answers; the database refuses.
pub async fn update<F>(by: &By, id: i64, change: F) -> Result<()>
where
    F: FnOnce(AgentRow, Option<&SecretString>) -> Result<(AgentRow, Option<SecretString>)> + Send + 'static,
{
    let whose = by.whose(Permission::AgentsWrite);
    let caller = by.caller.clone();
    let update = by.change(Action::AgentUpdate, move |db, entry| {
        let stored = agents::get(db, whose, id)?.ok_or_else(not_found)?;
        let owner = stored.owner;
        entry.on(SubjectKind::Agent, id, stored.name.as_str());
        // One that cannot be opened is known to nobody, and can be replaced.
        let known =
            sees_secret(&caller, stored.owner).then(|| agents::secret(db, id)).and_then(Result::ok).flatten();
        let (row, secret) = change(stored, known.as_ref())?;
        agents::update(db, &row)?;
        secret.map_or(Ok(true), |secret| agents::set_secret(db, id, &secret))?;
        Ok(owner)
    });
    let owner = update.await?;
    changed(&by.host, id, owner).await
}

/// Deletes an agent that no device names, and closes its connection.
///
/// # Errors
/// There is no such agent of the caller's; devices name it; the database refuses.
pub async fn delete(by: &By, id: i64) -> Result<()> {
    let whose = by.whose(Permission::AgentsWrite);
    let clock = by.host.clock.clone();
    let delete = by.change(Action::AgentDelete, move |db, entry| {
        let stored = agents::get(db, whose, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::Agent, id, stored.name);
        match agents::device_count(db, id)? {
            0 => {
                let ended = operation::agent_gone(db, id, clock.now())?;
                agents::delete(db, id)?;
                Ok((stored.owner, ended))
            }
            devices => Err(Error::conflict(
                "agent_in_use",
                format!(
                    "The agent is still used by {}. Delete them or give them another agent first.",
                    counted(devices, "device")
                ),
            )),
        }
    });
    let (owner, ended) = delete.await?;
    operation::publish(&by.host, &ended);
    changed(&by.host, id, owner).await
}
