//! What the server does of a command: before it is sent, and after its reply.
//!
//! Most commands have none of it and pay nothing for it. What the server offers is a [`Desk`], given by whoever sends the
//! command, so that this knows neither the database nor who calls.

use std::future::Future;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::command::{BoxFuture, Command, encode_payload};
use super::command_error::CommandError;
use super::decode::decode;
use super::target::ProbeTarget;
use super::types::MacAddress;
use crate::model::permission::Permission;
use crate::model::rows::{Record, SqlValue};

/// What the server does of a command that callers send to an agent, as one or as an operation. Register it with
/// `register_command!(…, server_side)`.
pub trait ServerSide: Command {
    /// The SQL that makes the tables in which the server keeps something for the command, one text a version: each is run
    /// once, in their order, before the server listens. Every name they make begins with `command_<name>_`, in small
    /// letters; what was released is never changed, only followed by another. See [`CommandTables`].
    const MIGRATIONS: &'static [&'static str] = &[];

    /// Before it is sent, or stored as an operation: completes the payload, or refuses it. What the agent is not to get is
    /// taken out here. [`Command::check`] is asked before and after.
    ///
    /// # Errors
    /// It is not sent; the caller reads the message, and the code as `agentCode`, with 409 `command_refused`.
    fn before(
        server: &ServerContext,
        payload: Self::Payload,
    ) -> impl Future<Output = Result<Self::Payload, CommandError>> + Send {
        let _ = server;
        async { Ok(payload) }
    }

    /// After the agent's reply, whoever still waits for it: keeps it, completes it, or finds that it is an error.
    ///
    /// # Errors
    /// As if the agent had answered the error.
    fn after(
        server: &ReplyContext,
        reply: Self::Reply,
    ) -> impl Future<Output = Result<Self::Reply, CommandError>> + Send {
        let _ = server;
        async { Ok(reply) }
    }
}

/// A device, as the server's side of a command gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDevice {
    /// Its ID.
    pub id: i64,
    /// The name people give it.
    pub name: String,
    /// The MAC address of its card, if what is stored is one.
    pub mac_address: Option<MacAddress>,
    /// Its address, if one is stored.
    pub address: Option<ProbeTarget>,
    /// The TCP ports at which it is looked for; none for the usual ones.
    pub ports: Vec<NonZeroU16>,
}

/// What the server offers to its side of a command.
pub trait Desk: Send + Sync {
    /// Whether the caller has a permission, be it for their own things alone.
    fn may(&self, permission: Permission) -> bool;
    /// A device; none if there is none of this ID of the agent's owner that the caller may see.
    fn device(&self, id: i64) -> BoxFuture<'_, Result<Option<KnownDevice>, CommandError>>;
}

/// Where the rows of a command lie.
pub trait Rows: Send + Sync {
    /// The rows that a statement finds.
    fn query(&self, sql: String, values: Vec<SqlValue>) -> BoxFuture<'_, Result<Vec<Record>, CommandError>>;
    /// Runs a statement that answers no rows, and gives how many rows it changed.
    fn execute(&self, sql: String, values: Vec<SqlValue>) -> BoxFuture<'_, Result<u64, CommandError>>;
}

/// The tables in which the server keeps something for one command: all are named `command_<name>_…`, and through this door
/// nothing else is reached. [`ServerSide::MIGRATIONS`] makes them.
///
/// ```
/// use netignite::prelude::*;
///
/// async fn how_many(tables: &CommandTables) -> std::result::Result<i64, CommandError> {
///     let rows = tables.query("SELECT count(*) FROM command_tail_log_reads", []).await?;
///     Ok(rows[0].int(0))
/// }
/// ```
#[derive(Clone)]
pub struct CommandTables(Arc<dyn Rows>);

impl CommandTables {
    /// Those that lie there.
    pub fn new(rows: Arc<dyn Rows>) -> Self {
        Self(rows)
    }

    /// The rows that a statement finds, ten thousand at most. `?1` and so on stand for `values`.
    ///
    /// # Errors
    /// The statement is wrong or about what is not the command's, with the code `internal`; the server's log has the text.
    pub async fn query(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Result<Vec<Record>, CommandError> {
        self.0.query(sql.into(), values.into_iter().collect()).await
    }

    /// Runs a statement that answers no rows, and gives how many rows it changed, once that is on disk.
    ///
    /// # Errors
    /// As for [`query`](Self::query); the disk is full.
    pub async fn execute(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Result<u64, CommandError> {
        self.0.execute(sql.into(), values.into_iter().collect()).await
    }
}

/// What the server's side of a command runs with once the agent has replied. Who asked may be gone by then.
#[derive(Clone)]
pub struct ReplyContext {
    agent: i64,
    tables: CommandTables,
}

impl ReplyContext {
    /// For the reply of this agent.
    pub fn new(agent: i64, tables: CommandTables) -> Self {
        Self { agent, tables }
    }

    /// The agent's ID.
    pub fn agent(&self) -> i64 {
        self.agent
    }

    /// The command's tables.
    pub fn tables(&self) -> &CommandTables {
        &self.tables
    }
}

/// What the server's side of a command runs with before it is sent.
#[derive(Clone)]
pub struct ServerContext {
    agent: i64,
    desk: Arc<dyn Desk>,
    tables: CommandTables,
}

impl ServerContext {
    /// For a command to this agent.
    pub fn new(agent: i64, desk: Arc<dyn Desk>, tables: CommandTables) -> Self {
        Self { agent, desk, tables }
    }

    /// The command's tables.
    pub fn tables(&self) -> &CommandTables {
        &self.tables
    }

    /// The agent's ID.
    pub fn agent(&self) -> i64 {
        self.agent
    }

    /// Refuses a caller who does not have a permission, be it for their own things alone.
    ///
    /// # Errors
    /// The code is `not_permitted`.
    pub fn require(&self, permission: Permission) -> Result<(), CommandError> {
        if self.desk.may(permission) {
            return Ok(());
        }
        let message = format!("You do not have the permission {}", permission.name());
        Err(CommandError::new("not_permitted", message))
    }

    /// A device of the agent's owner that the caller may see.
    ///
    /// # Errors
    /// There is none, with the code `no_such_device`; the database cannot be read.
    pub async fn device(&self, id: i64) -> Result<KnownDevice, CommandError> {
        let found = self.desk.device(id).await?;
        found.ok_or_else(|| {
            let message = format!("There is no device {id} of the agent’s owner that you may see");
            CommandError::new("no_such_device", message)
        })
    }
}

/// The server's side of a command with its types erased.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// [`ServerSide::before`], from a checked payload's JSON to another one's.
    pub before: fn(ServerContext, String) -> BoxFuture<'static, Result<String, CommandError>>,
    /// [`ServerSide::after`], from a checked reply's JSON to another one's.
    pub after: fn(ReplyContext, String) -> BoxFuture<'static, Result<String, CommandError>>,
    /// See [`ServerSide::MIGRATIONS`].
    pub migrations: &'static [&'static str],
}

impl Hooks {
    pub(super) const fn of<C: ServerSide>() -> Self {
        Self { before: before::<C>, after: after::<C>, migrations: C::MIGRATIONS }
    }
}

fn before<C: ServerSide>(
    server: ServerContext,
    json: String,
) -> BoxFuture<'static, Result<String, CommandError>> {
    Box::pin(async move {
        let invalid = |e| CommandError::new("invalid_payload", format!("Invalid payload: {e}"));
        let payload = decode(json.as_bytes()).map_err(invalid)?;
        let payload = C::before(&server, payload).await?;
        encode_payload::<C>(&payload).map_err(invalid)
    })
}

fn after<C: ServerSide>(
    server: ReplyContext,
    json: String,
) -> BoxFuture<'static, Result<String, CommandError>> {
    Box::pin(async move {
        let internal = |e: String| CommandError::new("internal", e);
        let reply = decode(json.as_bytes()).map_err(|e| internal(e.to_string()))?;
        let reply = C::after(&server, reply).await?;
        serde_json::to_string(&reply).map_err(|e| internal(e.to_string()))
    })
}
