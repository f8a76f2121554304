//! How the server is: what it is, how long it runs, how much it holds.

use super::By;
use crate::clock::Millis;
use crate::error::Result;
pub use crate::store::backup::Backup;
pub use crate::store::server_counts::ServerCounts;
use crate::store::{backup, server_counts};

/// How the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStatus {
    /// When it was started, by today's clock.
    pub started: Millis,
    /// Agents that are connected.
    pub connected: usize,
    /// What the database holds.
    pub counts: ServerCounts,
    /// The copies of the database beside it, the oldest first.
    pub backups: Vec<Backup>,
}

/// How the server is now.
///
/// # Errors
/// The database cannot be read.
pub async fn get(by: &By) -> Result<ServerStatus> {
    let (counts, backups) =
        by.reader().read(|db| Ok((server_counts::read(db)?, backup::beside(db)?))).await?;
    let started = by.now() - by.host.clock.elapsed();
    Ok(ServerStatus { started, connected: by.host.control.online_count(), counts, backups })
}
