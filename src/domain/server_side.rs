//! The server's side of commands: what it offers to them, and that none of them takes long or takes anything with it.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::By;
use super::device_questions::Target;
use crate::control::DispatchError;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::permission::Permission;
use crate::model::rows::{Record, SqlValue};
use crate::registry::{
    BoxFuture, CommandEntry, CommandError, CommandTables, Desk, KnownDevice, ReplyContext, Rows,
    ServerContext, unblocking,
};
use crate::store::{Reach, Store, Unit, devices};

/// How long the server's side of a command may take.
const TIME: Duration = Duration::from_secs(5);

/// A payload as it is sent, after the command's server side completed it.
///
/// # Errors
/// 409 where that refuses it.
pub(super) async fn before(
    by: &By,
    (agent, owner): (i64, i64),
    entry: &CommandEntry,
    payload: String,
) -> Result<String> {
    let Some(hooks) = entry.server_side else { return Ok(payload) };
    let desk = Arc::new(CallersDesk { by: by.clone(), owner });
    let server = ServerContext::new(agent, desk, tables(&by.host, entry));
    let filled = bounded(entry, (hooks.before)(server, payload)).await;
    filled.map_err(|CommandError { code, message }| {
        let error = Error::conflict("command_refused", format!("{} was refused: {message}", entry.name));
        match code {
            Some(code) => error.with_agent_code(code.into_owned()),
            None => error,
        }
    })
}

/// An outcome after the command's server side has seen it.
///
/// # Errors
/// As the agent's; or that finds the reply to be one.
pub(super) async fn after(
    host: &Host,
    agent: i64,
    entry: &CommandEntry,
    outcome: std::result::Result<String, DispatchError>,
) -> std::result::Result<String, DispatchError> {
    match (entry.server_side, outcome) {
        (Some(hooks), Ok(reply)) => {
            let server = ReplyContext::new(agent, tables(host, entry));
            bounded(entry, (hooks.after)(server, reply)).await.map_err(DispatchError::Failed)
        }
        (_, outcome) => outcome,
    }
}

/// Does it on a task of its own, so that a panic harms nobody else, and not for long.
async fn bounded(
    entry: &CommandEntry,
    work: BoxFuture<'static, std::result::Result<String, CommandError>>,
) -> std::result::Result<String, CommandError> {
    let failed = |why: String| {
        tracing::error!(command = entry.name, "the server’s side of the command failed: {why}");
        CommandError::new("internal", "The server’s side of the command failed; the server’s log says more")
    };
    let work = tokio::spawn(unblocking(format!("the server’s side of {}", entry.name), work));
    match timeout(TIME, AbortOnDropHandle::new(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(e)) => Err(failed(e.to_string())),
        Err(_) => Err(failed(format!("it took longer than {TIME:?}"))),
    }
}

/// Brings the tables of all commands up to date with their migrations.
///
/// # Errors
/// The one that cannot be; the text names its command.
pub async fn migrate(host: &Host) -> std::result::Result<(), String> {
    for entry in host.registry.iter() {
        if let Some(hooks) = entry.server_side.filter(|hooks| !hooks.migrations.is_empty()) {
            let migrated = host.store.migrate_tables(Unit::Command(entry.name), hooks.migrations).await;
            migrated
                .map_err(|e| format!("the command {}, registered at {}: {e}", entry.name, entry.location))?;
        }
    }
    Ok(())
}

fn tables(host: &Host, entry: &CommandEntry) -> CommandTables {
    CommandTables::new(Arc::new(OwnRows { store: host.store.clone(), command: entry.name }))
}

/// The rows of one command in the server's database.
struct OwnRows {
    store: Store,
    command: &'static str,
}

impl OwnRows {
    /// An error as the command gets it: what the client may not read is in the log.
    fn failed(&self, error: &Error) -> CommandError {
        let detail = error.log_detail().unwrap_or_else(|| error.message());
        tracing::error!(command = self.command, "the tables of {}: {detail}", self.command);
        CommandError::new("internal", error.message().to_owned())
    }
}

impl Rows for OwnRows {
    fn query(
        &self,
        sql: String,
        values: Vec<SqlValue>,
    ) -> BoxFuture<'_, std::result::Result<Vec<Record>, CommandError>> {
        let found =
            self.store.read_table(Unit::Command(self.command), move |table| table.query(&sql, values));
        Box::pin(async move { found.await.map_err(|e| self.failed(&e)) })
    }

    fn execute(
        &self,
        sql: String,
        values: Vec<SqlValue>,
    ) -> BoxFuture<'_, std::result::Result<u64, CommandError>> {
        let changed =
            self.store.write_table(Unit::Command(self.command), move |table| table.execute(&sql, values));
        Box::pin(async move { changed.await.map_err(|e| self.failed(&e)) })
    }
}

/// What is offered of what a caller may see.
struct CallersDesk {
    by: By,
    /// The agent's owner: another's device is nothing that the agent may hear of.
    owner: i64,
}

impl Desk for CallersDesk {
    fn may(&self, permission: Permission) -> bool {
        self.by.caller.has(permission)
    }

    fn device(&self, id: i64) -> BoxFuture<'_, std::result::Result<Option<KnownDevice>, CommandError>> {
        Box::pin(async move {
            if !self.may(Permission::DevicesRead) {
                return Ok(None);
            }
            let reach = Reach { shared: None, ..self.by.devices(Permission::DevicesRead) };
            let read = self.by.host.store.read(move |db| devices::get(db, &reach, id)).await;
            let row = read.map_err(|e| CommandError::new("internal", e.message().to_owned()))?;
            Ok(row.filter(|row| row.owner == self.owner).map(|row| {
                let (address, mac_address) =
                    Target::of(&row).map(|target| target.parts()).unwrap_or_default();
                let ports = row.options.probe_ports.into_iter().filter_map(NonZeroU16::new).collect();
                KnownDevice { id: row.id, name: row.name, mac_address, address, ports }
            }))
        })
    }
}
