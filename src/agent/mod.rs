//! The agent itself: connects to a server and runs the commands' agent side on this machine.
//!
//! `dial` reaches the server, by `race` whichever of its addresses answers and by `proxy` the way round, `client` shakes
//! hands, `enrol` makes the agent there, `reach` is the same way for the command line,
//! `runner` reads commands and `work` has each run and answers it, `backoff` decides when to dial again,
//! `network`, `probe`, `ping` and `neighbours` and `sweep` are the real network behind [`AgentContext`], `secret` and `secret_file` find and keep
//! the agent's secret, `config` is its configuration file, `served` which commands that permits, `machine` what they may start, and `url` is the server's address. It knows nothing of the server's side: no database, no sessions, nor the server's configuration.
//!
//! A server is trusted with nothing but the commands. Whatever it says is checked and bounded: sizes, numbers and times
//! in `runner` and `client`, the rate of what goes out to the network in `pace`, the log in `chatter`. What can change
//! while an agent runs (names, certificates, interfaces, the secret's file, whether pings are allowed) is read when it is
//! needed, not at the start.

mod backoff;
mod chatter;
mod client;
mod config;
mod dial;
mod enrol;
mod machine;
mod neighbours;
mod network;
mod pace;
mod ping;
mod probe;
mod proxy;
mod race;
mod reach;
mod runner;
mod secret;
mod secret_file;
mod served;
mod sweep;
#[cfg(test)]
mod tests;
mod url;
mod work;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::model::shutdown::Shutdown;
use crate::registry::{AgentContext, Registry};
use backoff::Backoff;
use chatter::{Chatter, Kind};
use client::{ConnectError, Connected, Connector};
pub use config::{AgentConfig, Checked};
pub use enrol::{Enrolment, EnrolmentOptions};
use machine::LocalMachine;
use network::LocalNetwork;
pub use reach::Reach;
use runner::Ended;
use secret::Secret;
use secret_file::Mark;
pub(crate) use served::NOTHING_TO_SET_UP;
pub use served::Permitted;
use served::Served;
use url::ServerUrl;

/// How an agent calls itself.
const USER_AGENT_TEXT: &str = concat!("netignite-agent/", env!("CARGO_PKG_VERSION"));
/// How often a secret's file is looked at while the agent waits.
const LOOK: Duration = Duration::from_secs(1);

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
    run_with(options, Permitted::default()).await
}

/// [`run`], with what the agent's configuration says of commands.
///
/// # Errors
/// As [`run`]; or the configuration names a command that there is not, or sets one up as it does not want it.
pub async fn run_with(options: Options, permitted: Permitted) -> Result<(), AgentError> {
    let Options { server, id, secret_file, broadcast } = options;
    if id <= 0 {
        return Err(AgentError(format!("--id {id}: expected the agent's ID, a positive whole number")));
    }
    let url = ServerUrl::parse(&server)?;
    let registry = Registry::build().map_err(|e| AgentError(e.to_string()))?;
    let served = Served::new(registry, &permitted)?;
    warn_of_readers(&url);
    let (connector, secret) = {
        let (url, registry) = (url.clone(), served.allowed().clone());
        // Reads certificates and files, and may wait for somebody to type.
        tokio::task::spawn_blocking(move || {
            Ok::<_, AgentError>((Connector::new(url, id, &registry)?, Secret::find(secret_file)?))
        })
        .await
        .map_err(|e| AgentError(e.to_string()))??
    };
    let mut context = AgentContext::new(Arc::new(LocalNetwork::new(broadcast)))
        .with_machine(Arc::new(LocalMachine::default()));
    if let Some(file) = secret.file() {
        context = context.with_keeper(Arc::new(file.clone()));
    }
    let agent = Agent { url, id, connector, secret, served, context, chatter: Arc::default() };
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

/// Canceled on the first SIGINT or SIGTERM; a second one ends the process at once.
fn stop_signal() -> Result<Shutdown, AgentError> {
    let listen = |kind| signal(kind).map_err(|e| AgentError(format!("Signals cannot be listened to: {e}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(shutdown)
}

struct Agent {
    url: ServerUrl,
    id: i64,
    connector: Connector,
    secret: Secret,
    served: Served,
    context: AgentContext,
    chatter: Arc<Chatter>,
}

/// How long to wait before the next attempt, and what the secret's file looked like when the last one failed.
struct Pause {
    delay: Duration,
    mark: Option<Mark>,
}

impl Agent {
    /// Connects, serves and connects again, until `shutdown` begins.
    async fn run(&self, shutdown: &Shutdown) {
        let mut backoff = Backoff::default();
        while let Some(pause) = self.attempt(&mut backoff, shutdown).await {
            if shutdown.run_until_cancelled(self.wait(pause)).await.is_none() {
                break;
            }
        }
        self.chatter.finish();
        tracing::info!("Agent {} stopped", self.id);
    }

    /// One connection from dialling to its end, and how long to wait then; none if the agent was asked to stop.
    async fn attempt(&self, backoff: &mut Backoff, shutdown: &Shutdown) -> Option<Pause> {
        let (url, id) = (&self.url, self.id);
        let say = |line: &dyn Fn()| self.chatter.say(Kind::Connection, line);
        let mark = shutdown.run_until_cancelled(self.mark()).await?;
        let Connected { socket, features } = match shutdown.run_until_cancelled(self.connect()).await? {
            Ok(connected) => connected,
            Err(e) => {
                let delay = if e.lasts() { backoff.slow() } else { backoff.next() }.max(e.pause());
                let again = delay.as_secs_f64();
                say(&|| {
                    tracing::error!(
                        "Agent {id} is not connected to {url}: {e}. Trying again in {again:.1} s"
                    );
                });
                return Some(Pause { delay, mark });
            }
        };
        say(&|| tracing::info!("Agent {id} connected to {url}"));
        let since = Instant::now();
        let Self { served, context, chatter, .. } = self;
        let ended = runner::run(socket, served, context, features, chatter, shutdown).await;
        backoff.connected_for(since.elapsed());
        if ended == Ended::Stopped {
            return None;
        }
        self.chatter.finish();
        let delay = if ended.lasts() { backoff.slow() } else { backoff.next() };
        let again = delay.as_secs_f64();
        say(&|| tracing::warn!("Agent {id} disconnected from {url}: {ended}. Trying again in {again:.1} s"));
        let mark = shutdown.run_until_cancelled(self.mark()).await?;
        Some(Pause { delay, mark })
    }

    /// Waits, but not once somebody has written the secret's file: that may be the remedy.
    async fn wait(&self, Pause { delay, mark }: Pause) {
        let end = Instant::now() + delay;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left.min(LOOK)).await;
            if mark.is_some() && self.mark().await != mark {
                tracing::info!("The file of the agent's secret was written: trying again at once");
                return;
            }
        }
    }

    /// What the secret's file looks like, if it comes from one.
    async fn mark(&self) -> Option<Mark> {
        let file = self.secret.file()?.clone();
        tokio::task::spawn_blocking(move || file.mark()).await.ok()
    }

    /// Connects with the secret; where the server has just handed over a new one, with the one before if it does not
    /// know the new one.
    async fn connect(&self) -> Result<Connected, ConnectError> {
        let failed = |why: String| ConnectError::Secret(why);
        let secret = self.secret.clone();
        let read = tokio::task::spawn_blocking(move || secret.candidates()).await;
        let candidates = read.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
        let mut answer = Err(failed("there is no secret".to_owned()));
        for candidate in candidates {
            answer = self.connector.connect(&candidate.secret).await;
            match &answer {
                Err(ConnectError::Unauthorized) => {}
                Err(_) => break,
                Ok(_) => {
                    let secret = self.secret.clone();
                    let noted = tokio::task::spawn_blocking(move || secret.proven(&candidate)).await;
                    if let Ok(Err(e)) = noted {
                        self.chatter.say(Kind::Secret, || {
                            tracing::warn!("The file of the agent's secret cannot be tidied up: {e}");
                        });
                    }
                    break;
                }
            }
        }
        answer
    }
}
