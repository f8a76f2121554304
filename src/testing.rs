//! The server inside a test's own process.
//!
//! [`TestServer`] runs the whole start-up sequence on a free port of loopback, so that a test reaches the server
//! through its sockets as anyone else would, and may look at the [`Host`] where no door shows what it wants to know.
//! It replaces no part of the server by another.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::bootstrap::{self, Running, StartError};
use crate::config::Config;
use crate::host::Host;
use crate::logging::LogLevel;
use crate::rest::Route;

/// A configuration for tests: a free port of loopback, everything in `data_directory`, agents closed without delay
/// when the server stops.
pub fn config(data_directory: &Path) -> Config {
    let mut config = Config { data_directory: data_directory.to_owned(), ..Config::default() };
    config.server.host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    config.server.port = 0;
    config.limits.stop_seconds = 0;
    config
}

/// A running server.
pub struct TestServer(Running);

impl TestServer {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// A step of the start-up failed; the text names it.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let level = LogLevel::detached(config.log_level);
        bootstrap::start(config, level).await.map(Self)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Its inside.
    pub fn host(&self) -> &Arc<Host> {
        self.0.host()
    }

    /// The routes of its plugins.
    pub fn plugin_routes(&self) -> Vec<Route> {
        self.0.plugins().routes()
    }

    /// Stops it in an orderly way.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}
