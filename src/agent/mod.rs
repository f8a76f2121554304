//! The agent itself: connects to a server and runs the commands' agent side on this machine.
//!
//! `client` dials and shakes hands, `runner` reads commands and answers them, `backoff` decides when to dial again,
//! `network` and `probe` are the real network behind [`AgentContext`](crate::registry::AgentContext), `secret` finds
//! the agent's secret. It knows nothing of the server's side: no database, no sessions, no configuration file.

use std::net::IpAddr;
use std::path::PathBuf;

/// What `netignite agent` was asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server's base URL: `http(s)://` or `ws(s)://`, with a path if the server lies below one.
    pub server: String,
    /// The agent's ID, as the server lists it.
    pub id: i64,
    /// The file that holds the secret; without it the environment's `NETIGNITE_AGENT_SECRET` or a prompt.
    pub secret_file: Option<PathBuf>,
    /// Where magic packets go; without it to every network this machine is on.
    pub broadcast: Option<IpAddr>,
}

/// Why the agent cannot start or go on. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentError(pub String);

impl std::fmt::Display for AgentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AgentError {}

/// Runs the agent until SIGINT or SIGTERM.
///
/// # Errors
/// The URL is none, or there is no secret.
pub async fn run(options: Options) -> Result<(), AgentError> {
    let _ = options;
    Ok(())
}
