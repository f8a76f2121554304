//! The agent itself: connects to a server and runs the commands' agent side on this machine.
//!
//! `dial` reaches the server, `client` shakes hands, `enrol` makes the agent there, `runner` reads commands and answers them, `backoff` decides when to dial again,
//! `network`, `probe`, `ping` and `neighbours` are the real network behind [`AgentContext`], `secret` finds the agent's
//! secret and `url` the server. It knows nothing of the server's side: no database, no sessions, no configuration file.

mod backoff;
mod client;
mod dial;
mod enrol;
mod neighbours;
mod network;
mod ping;
mod probe;
mod runner;
mod secret;
#[cfg(test)]
mod tests;
mod url;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::model::shutdown::Shutdown;
use crate::registry::{AgentContext, Registry};
use backoff::Backoff;
use client::{ConnectError, Connector, Socket};
pub use enrol::{Enrolment, EnrolmentOptions};
use network::LocalNetwork;
use runner::Ended;
use secret::{Secret, SecretFile};
use url::ServerUrl;

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
    pub broadcast: Option<Ipv4Addr>,
}

/// Why the agent cannot start. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentError(pub String);

impl std::fmt::Display for AgentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AgentError {}

/// Runs the agent until SIGINT or SIGTERM, through every loss of the connection.
///
/// # Errors
/// The URL is none, there is no secret, or the commands of this binary cannot be served together.
pub async fn run(options: Options) -> Result<(), AgentError> {
    let Options { server, id, secret_file, broadcast } = options;
    if id <= 0 {
        return Err(AgentError(format!("--id {id}: expected the agent's ID, a positive whole number")));
    }
    let url = ServerUrl::parse(&server)?;
    let registry = Registry::build().map_err(|e| AgentError(e.to_string()))?;
    warn_of_readers(&url);
    let (connector, secret) = {
        let url = url.clone();
        // Reads certificates and files, and may wait for somebody to type.
        tokio::task::spawn_blocking(move || {
            Ok::<_, AgentError>((Connector::new(url, id)?, Secret::find(secret_file)?))
        })
        .await
        .map_err(|e| AgentError(e.to_string()))??
    };
    let mut context = AgentContext::new(Arc::new(LocalNetwork::new(broadcast)));
    if let Secret::File(path) = &secret {
        context = context.with_keeper(Arc::new(SecretFile(path.clone())));
    }
    let agent = Agent { url, id, connector, secret, registry, context };
    agent.run(&stop_signal()?).await;
    Ok(())
}

fn warn_of_readers(url: &ServerUrl) {
    if url.in_the_clear() {
        tracing::warn!(
            "{url} is not encrypted: the agent's secret can be read on the way. Use https:// or wss://"
        );
    }
}

/// Told on the first SIGINT or SIGTERM; a second one ends the process at once.
fn stop_signal() -> Result<Shutdown, AgentError> {
    let listen = |kind| signal(kind).map_err(|e| AgentError(format!("Signals cannot be listened to: {e}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let shutdown = Shutdown::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if told.is_cancelled() {
                std::process::exit(130);
            }
            told.cancel();
        }
    });
    Ok(shutdown)
}

struct Agent {
    url: ServerUrl,
    id: i64,
    connector: Connector,
    secret: Secret,
    registry: Registry,
    context: AgentContext,
}

impl Agent {
    /// Connects, serves and connects again, until `shutdown` is told.
    async fn run(&self, shutdown: &Shutdown) {
        let mut backoff = Backoff::default();
        while let Some(delay) = self.attempt(&mut backoff, shutdown).await {
            if shutdown.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                break;
            }
        }
        tracing::info!("Agent {} stopped", self.id);
    }

    /// One connection from dialling to its end, and how long to wait then; none if the agent was told to stop.
    async fn attempt(&self, backoff: &mut Backoff, shutdown: &Shutdown) -> Option<Duration> {
        let (url, id) = (&self.url, self.id);
        let socket = match shutdown.run_until_cancelled(self.connect()).await? {
            Ok(socket) => socket,
            Err(e) => {
                let delay = if e.lasts() { backoff.slow() } else { backoff.next() };
                let again = delay.as_secs_f64();
                tracing::error!("Agent {id} is not connected to {url}: {e}. Trying again in {again:.1} s");
                return Some(delay);
            }
        };
        tracing::info!("Agent {id} connected to {url}");
        let since = Instant::now();
        let ended = runner::run(socket, &self.registry, &self.context, shutdown).await;
        backoff.connected_for(since.elapsed());
        if ended == Ended::Stopped {
            return None;
        }
        let delay = if ended.lasts() { backoff.slow() } else { backoff.next() };
        let again = delay.as_secs_f64();
        tracing::warn!("Agent {id} disconnected from {url}: {ended}. Trying again in {again:.1} s");
        Some(delay)
    }

    async fn connect(&self) -> Result<Socket, ConnectError> {
        let secret = self.secret.clone();
        let secret = tokio::task::spawn_blocking(move || secret.read()).await;
        let secret = secret.map_err(|e| ConnectError::Secret(e.to_string()))?;
        self.connector.connect(&secret.map_err(|e| ConnectError::Secret(e.to_string()))?).await
    }
}

/// Text from the other end as it may stand in a log line: short and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
