//! Sends any command of the registry to an agent.

use bytes::Bytes;

use super::By;
use super::agent::not_found;
use super::command_error::{in_time, refused};
use super::hang_up::hung_up;
use super::operation::record::{Direct, Watched};
use super::server_side;
use crate::control::DispatchError;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::model::operation::OperationKind;
use crate::model::permission::Permission;
use crate::registry::CommandEntry;
use crate::store::agents::{self, AgentRow};
use crate::store::{Conn, Recent, Whose};

/// Agents that were sent commands, each with whose agents were meant.
type Remembered = Recent<(i64, Whose), AgentRow>;

/// Sends a command to an agent and waits for its reply, which the command has checked.
///
/// # Errors
/// There is no such agent of the caller's and no such command; the payload does not fit the command; the agent is
/// offline, busy, said no or did not answer in time.
pub async fn send(
    by: &By,
    agent: i64,
    command: Option<&'static CommandEntry>,
    payload: &Bytes,
) -> Result<(&'static CommandEntry, String)> {
    let whose = by.whose(Permission::AgentsCommand);
    let remembered = by.host.remembered.get(Remembered::default);
    let read = move |db: &Conn| agents::get(db, whose, agent)?.ok_or_else(not_found);
    let stored = remembered.get(&by.host.store, Some((agent, whose)), read, |_| true).await?;
    let entry = command.ok_or_else(unknown)?;
    let payload = checked(entry, payload)?;
    let sending = async {
        let payload = server_side::before(by, (agent, stored.owner), entry, payload).await?;
        let direct = Direct {
            kind: OperationKind::Command,
            owner: stored.owner,
            agent,
            device: None,
            entry,
            payload: payload.clone(),
            began: by.now(),
        };
        let (watched, witness) = Watched::new(by, direct);
        let reply = by.host.control.dispatch_watched(by.requester(), agent, entry, payload, Some(witness));
        let reply = in_time(entry.timeout, reply);
        let reply = tokio::select! {
            biased;
            reply = reply => reply,
            () = hung_up(), if entry.cancelable => Err(DispatchError::GivenUp),
        };
        let reply = server_side::after(&by.host, agent, entry, reply).await;
        watched.ended(reply.as_ref().map(Some));
        reply.map_err(|error| refused(agent, entry, error))
    };
    let reply = by.as_long_as_allowed(sending).await;
    by.note_sent(
        Action::AgentCommand,
        (SubjectKind::Agent, agent, stored.name.clone()),
        Some(entry.name),
        &reply,
    );
    Ok((entry, reply?))
}

/// The command called `name`, if there is one that callers may send.
pub(crate) fn listed(by: &By, name: &str) -> Option<&'static CommandEntry> {
    by.host.registry.get(name).filter(|entry| !entry.internal)
}

/// That there is no such command.
pub(crate) fn unknown() -> Error {
    let message = "There is no command of this name. GET /api/commands lists all.";
    Error::new(Kind::NotFound, "unknown_command", message)
}

/// A payload as it is sent.
///
/// # Errors
/// It does not fit the command.
pub(crate) fn checked(entry: &CommandEntry, payload: &[u8]) -> Result<String> {
    (entry.check_payload)(payload).map_err(|wrong| Error::invalid_fields("Invalid payload", vec![wrong]))
}
