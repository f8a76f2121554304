//! How much there is now, in figures that are looked up when somebody asks, and counted nowhere else.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Reader, live};
use crate::host::Host;

pub use crate::store::figures::{Standing, Writing};

/// How long the database is waited for: figures are asked for most when it hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much there is now.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Agents that are known, connected or not.
    pub agents: usize,
    /// Agents that can be reached.
    pub connected: usize,
    /// Sessions that have not ended.
    pub sessions: usize,
    /// Streams of live events.
    pub streams: usize,
    /// How the database's writer keeps up.
    pub writing: Writing,
    /// What the database holds; none if it cannot be read, or not at once.
    pub standing: Option<Standing>,
}

/// How much there is now.
pub async fn get(host: &Arc<Host>) -> Figures {
    let reader = Reader { store: host.store.clone(), user: 0 };
    let standing = timeout(PATIENCE, reader.read(crate::store::figures::standing)).await;
    Figures {
        agents: host.control.count(),
        connected: host.control.online_count(),
        sessions: host.sessions.count(),
        streams: live::count(host),
        writing: host.store.writing(),
        standing: standing.ok().and_then(Result::ok),
    }
}
