//! How the server is: what it is, how long it runs, how much it holds.

use super::By;
use crate::clock::Millis;
use crate::error::Result;
use crate::store::server_counts;
pub use crate::store::server_counts::ServerCounts;

/// How the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerStatus {
    /// When it was started, by today's clock.
    pub started: Millis,
    /// Agents that are connected.
    pub connected: usize,
    /// What the database holds.
    pub counts: ServerCounts,
}

/// How the server is now.
///
/// # Errors
/// The database cannot be read.
pub async fn get(by: &By) -> Result<ServerStatus> {
    let counts = by.reader().read(server_counts::read).await?;
    let started = by.now() - by.host.clock.elapsed();
    Ok(ServerStatus { started, connected: by.host.control.online_count(), counts })
}
