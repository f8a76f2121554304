//! A server in this process, on a free port and a data directory of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netignite::config::Config;
use netignite::host::Host;
use netignite::testing::{self, TestServer};
use serde_json::json;
use tempfile::TempDir;

use super::client::Client;

/// How long a start waits for a data directory that another process seems to have.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server.
pub struct Server {
    running: TestServer,
    directory: TempDir,
    /// The first admin's password.
    pub password: String,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts with a configuration changed by `change`.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::start_in(directory, change).await
    }

    /// Starts in a directory that may hold a database already.
    pub async fn start_in(directory: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = testing::config(directory.path());
        change(&mut config);
        let begun = Instant::now();
        let running = loop {
            match TestServer::start(config.clone()).await {
                Ok(running) => break running,
                // A child of another test holds what this process had open, a lock too, until it is another program.
                Err(e) if e.to_string().contains("uses the data directory") && begun.elapsed() < PATIENCE => {
                    tokio::task::yield_now().await;
                }
                Err(e) => panic!("the server does not start: {e}"),
            }
        };
        let password = first_password(directory.path()).unwrap_or_default();
        Self { running, directory, password }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    /// Its inside, for what no door shows.
    pub fn host(&self) -> &Arc<Host> {
        self.running.host()
    }

    /// The routes of its plugins.
    pub fn plugin_routes(&self) -> Vec<netignite::rest::Route> {
        self.running.plugin_routes()
    }

    /// Stops it and gives its data directory, which another server may be started in.
    pub async fn stop(self) -> TempDir {
        self.running.stop().await;
        self.directory
    }

    /// A client without a session.
    pub fn anonymous(&self) -> Client {
        Client::anonymous(self.address())
    }

    /// The first admin, who is the superadmin.
    pub async fn superadmin(&self) -> Client {
        Client::login(self.address(), "admin", &self.password).await
    }

    /// A new user with a role, created by the superadmin and logged in.
    pub async fn user(&self, by: &Client, username: &str, role: &str) -> Client {
        let password = format!("{username}'s long password");
        let body = json!({"username": username, "password": password, "role": role});
        by.post("/api/admin/users", body).await.expect(201);
        Client::login(self.address(), username, &password).await
    }
}

/// The first admin's password, from the file the server wrote.
pub fn first_password(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join("initial_admin_credentials")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("password: ")).map(str::to_owned)
}
