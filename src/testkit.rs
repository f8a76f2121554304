//! What plugins and commands are tested with: a server inside the test's own process, agents, time, a network.
//!
//! [`TestServer`] runs the whole start-up sequence on a free port of loopback, so that a test reaches the server
//! through its sockets as anyone else would, and may look at the [`Host`] where no door shows what it wants to know.
//! It replaces no part of the server by another. [`TestServer::fresh`] is all that most tests need; a [`FakeAgent`] answers
//! as the test says, a [`RealAgent`] runs the commands that are linked, and a command's agent side alone is tested with a
//! [`FakeNetwork`]. What the server warns of is printed, so that a test that fails shows it.
//!
//! ```
//! use netignite::testkit::TestServer;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let server = TestServer::fresh([]).await;
//! let admin = server.admin().await;
//! let agent = server.fake_agent(&admin, |command, _| format!(r#"{{"status":"OK","message":"{command} done"}}"#)).await;
//! let device = admin.device(agent.id, "AA:BB:CC:DD:EE:FF").await;
//! let woken = admin.post(&format!("/api/devices/{device}/wakeup"), serde_json::json!({})).await;
//! assert_eq!(woken.status, 200, "{woken}");
//! # });
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agent;
mod client;
mod network;
mod registered;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

pub use agent::{FakeAgent, RealAgent, SECRET};
pub use client::{Client, Reply};
pub use network::{FakeNetwork, Sent};
pub use registered::assert_registered;

use crate::bootstrap::{self, Running, StartError};
use crate::config::{Config, section};
use crate::host::Host;
use crate::logging::LogLevel;
use crate::rest::Route;
use crate::text;

/// A configuration for tests: a free port of loopback, everything in `data_directory`, agents closed without delay
/// when the server stops.
pub fn config(data_directory: &Path) -> Config {
    let mut config = Config { data_directory: data_directory.to_owned(), ..Config::default() };
    config.server.host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    config.server.port = 0;
    config.limits.stop_seconds = 0;
    config
}

/// How long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `look` finds something, and gives that.
///
/// # Panics
/// It finds nothing within 20 s; `what` is in the text.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Prints what the server warns of where the test's output goes, once in a process, unless the process has a log already.
fn print_warnings() {
    // What every start in an empty directory warns of.
    let usual = ["netignite::vault", "netignite::bootstrap"].map(|target| (target, LevelFilter::ERROR));
    // The directory of a test that fails goes while its server still runs.
    let usual = usual.into_iter().chain([("netignite::store::watch", LevelFilter::OFF)]);
    let targets = Targets::new().with_default(LevelFilter::WARN).with_targets(usual);
    let lines = fmt::layer().with_test_writer().with_ansi(false).without_time().with_filter(targets);
    // An error says that there is a log.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// A directory of a test, gone with it.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// A new one.
    ///
    /// # Panics
    /// It cannot be made.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("netignite-test-{process}-{next}"));
        std::fs::create_dir(&path).expect("a directory for the test");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct TestServer {
    running: Running,
    /// Kept until the server is gone.
    _directory: Option<Arc<Directory>>,
}

impl TestServer {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// A step of the start-up failed; the text names it.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        print_warnings();
        let level = LogLevel::detached(config.log_level);
        bootstrap::start(config, level).await.map(|running| Self { running, _directory: None })
    }

    /// Starts a server in a directory of its own, with these sections `plugins.<name>` of the configuration.
    ///
    /// # Panics
    /// It does not start; the text says why.
    pub async fn fresh(sections: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self::fresh_in(Arc::new(Directory::new()), sections).await
    }

    /// Starts a server in a directory, where one may have run before.
    ///
    /// # Panics
    /// It does not start; the text says why.
    pub async fn fresh_in(
        directory: Arc<Directory>,
        sections: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let mut config = config(directory.path());
        let sections: Vec<_> = sections.into_iter().collect();
        let known: Vec<_> = section::registered().unwrap_or_else(|e| panic!("{e}"));
        for (name, _) in &sections {
            let names: Vec<_> = known.iter().map(|section| section.name).collect();
            let hint = match text::nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("the plugins of this program are {}", names.join(", ")),
            };
            assert!(names.contains(name), "unknown plugin {name:?}; {hint}");
        }
        config.plugins.extend(sections.into_iter().map(|(name, section)| (name.to_owned(), section)));
        let Self { running, .. } = Self::start(config).await.unwrap_or_else(|e| panic!("{e}"));
        Self { running, _directory: Some(directory) }
    }

    /// The first admin, logged in.
    ///
    /// # Panics
    /// There is no first admin any more, or the login fails.
    pub async fn admin(&self) -> Client {
        let directory = self.host().config.load().data_directory.clone();
        let file = directory.join("initial_admin_credentials");
        let text = std::fs::read_to_string(&file).expect("the first admin's credentials");
        let password = text.lines().find_map(|line| line.strip_prefix("password: ")).expect("a password");
        Client::login(self.address(), "admin", password).await
    }

    /// Somebody who is not logged in.
    pub fn nobody(&self) -> Client {
        Client::new(self.address())
    }

    /// An agent of the user, connected, which answers each command with what `answer` makes of its name and payload.
    ///
    /// # Panics
    /// The agent cannot be made, or does not get in.
    pub async fn fake_agent(
        &self,
        owner: &Client,
        answer: impl FnMut(&str, &Value) -> String + Send + 'static,
    ) -> FakeAgent {
        let id = owner.agent().await;
        FakeAgent::connect(self.address(), id, answer).await
    }

    /// An agent of the user, connected, which runs the commands of this program on this machine's network.
    ///
    /// # Panics
    /// The agent cannot be made, or does not get in.
    pub async fn real_agent(&self, owner: &Client) -> RealAgent {
        self.real_agent_with(owner, json!({})).await
    }

    /// The same with a configuration, as the file of `netignite agent --config` has it: `allow`, `deny` and `commands`.
    /// An opt-in command runs only where `allow` names it.
    ///
    /// ```
    /// use netignite::prelude::*;
    /// use netignite::testkit::TestServer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let server = TestServer::fresh([]).await;
    /// let admin = server.admin().await;
    /// let section = json!({"run": ["true"]});
    /// let agent = server.real_agent_with(&admin, json!({"allow": ["SLEEP"], "commands": {"SLEEP": section}})).await;
    /// let reply = admin.post(&format!("/api/agents/{}/commands/SLEEP", agent.id), json!({})).await;
    /// assert_eq!(reply.status, 200, "{reply}");
    /// # });
    /// ```
    ///
    /// # Panics
    /// The configuration is none; the text names the key. The agent cannot be made, or does not get in.
    pub async fn real_agent_with(&self, owner: &Client, configuration: Value) -> RealAgent {
        let id = owner.agent().await;
        let directory = self.host().config.load().data_directory.clone();
        let agent = RealAgent::start(self.address(), id, &directory, &configuration);
        until("the agent to be online", async || self.host().control.is_online(id).then_some(())).await;
        agent
    }

    /// Moves the server's clock on, as if so much time had passed.
    pub fn advance(&self, time: Duration) {
        self.host().clock.advance(time);
    }

    /// Hands plugins their sections again, as SIGHUP does after the configuration was read.
    pub async fn reload_plugins(&self) {
        self.running.plugins().reload(&self.host().config.load_full()).await;
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// Its inside.
    pub fn host(&self) -> &Arc<Host> {
        self.running.host()
    }

    /// The routes of its plugins.
    pub fn plugin_routes(&self) -> Vec<Route> {
        self.running.plugins().routes()
    }

    /// Stops it in an orderly way.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
