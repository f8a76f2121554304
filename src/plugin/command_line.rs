//! A plugin's subcommand on the command line, and the server as that asks it.

use std::sync::Arc;

use clap::{ArgMatches, Command};
use serde_json::Value;

use super::PluginError;
use crate::registry::BoxFuture;
use crate::rest::Method;

/// Does what the command line asks of a subcommand.
type Run = dyn FnOnce(ArgMatches, CommandLine) -> BoxFuture<'static, Result<String, PluginError>>;

/// A plugin's subcommand: what the command line takes, and what is done then.
///
/// Where it has subcommands of its own, one of them must be given: `run` is not called without.
///
/// ```
/// use netignite::prelude::*;
///
/// async fn ring_or_rest(arguments: clap::ArgMatches, server: CommandLine) -> Result<String, PluginError> {
///     let done = match arguments.subcommand() {
///         Some(("ring", given)) => {
///             let times = given.get_one::<String>("times");
///             server.request(Method::POST, "/api/bell", Some(json!({"times": times}))).await?
///         }
///         _ => server.request(Method::DELETE, "/api/bell", None).await?,
///     };
///     Ok(done.to_string())
/// }
///
/// fn subcommand() -> Option<Subcommand> {
///     let bell = clap::Command::new("bell")
///         .about("Ring the bell, or let it rest")
///         .subcommand(clap::Command::new("ring").arg(clap::Arg::new("times").required(true)))
///         .subcommand(clap::Command::new("rest"));
///     Some(Subcommand::new(bell, ring_or_rest))
/// }
/// # assert!(subcommand().is_some());
/// ```
pub struct Subcommand {
    pub(crate) command: Command,
    pub(crate) run: Box<Run>,
}

impl Subcommand {
    /// A subcommand that takes what `command` says, under the plugin's name. `run` gets what was given and answers what is
    /// printed, or what went wrong, in one line; the exit status is 1 then.
    pub fn new<F, R>(command: Command, run: F) -> Self
    where
        F: FnOnce(ArgMatches, CommandLine) -> R + 'static,
        R: Future<Output = Result<String, PluginError>> + Send + 'static,
    {
        Self { command, run: Box::new(|arguments, server| Box::pin(run(arguments, server))) }
    }
}

/// The server, as a plugin's subcommand asks it: as the local operator, whether it runs or not. The routes of plugins
/// answer only while it runs.
#[derive(Clone)]
pub struct CommandLine(Arc<dyn Ask>);

/// Asks the API as the local operator.
pub trait Ask: Send + Sync {
    /// The `data` of an answer, or why there is none.
    fn ask(&self, method: Method, path: String, body: Option<Value>) -> BoxFuture<'_, Result<Value, String>>;
}

impl CommandLine {
    /// A command line that asks with `ask`.
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self(ask)
    }

    /// Calls a route of the API as the local operator, and gives the answer's `data`.
    ///
    /// # Errors
    /// The server refuses, with its message; or there is none.
    pub async fn request(
        &self,
        method: Method,
        path: impl Into<String>,
        body: Option<Value>,
    ) -> Result<Value, PluginError> {
        self.0.ask(method, path.into(), body).await.map_err(PluginError)
    }
}
