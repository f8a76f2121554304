//! A server that was started, and its stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::warn;

use super::Opened;
use crate::address_file;
use crate::host::Host;
use crate::local_socket;
use crate::plugin::Plugins;

/// A server that listens.
pub struct Running {
    pub(super) opened: Opened,
    pub(super) plugins: Plugins,
    pub(super) address: SocketAddr,
    /// The URL of the page at `/`, where there is one.
    pub(super) page: Option<String>,
    /// The listeners and what works in the background.
    pub(super) doors: Vec<JoinHandle<()>>,
    pub(super) socket: PathBuf,
    /// Which socket there is ours.
    pub(super) socket_identity: Arc<parking_lot::Mutex<Option<(u64, u64)>>>,
}

impl Running {
    /// The plugins that run.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The host.
    pub fn host(&self) -> &Arc<Host> {
        &self.opened.host
    }

    /// Stops in order: no new connections, callers answered, agents' sockets closed over a few seconds, requests
    /// finished, database flushed.
    pub async fn stop(self) {
        let host = &self.opened.host;
        host.shutdown.cancel();
        let spread = Duration::from_secs(host.config.load().limits.stop_seconds);
        host.control.stop(spread).await;
        for door in self.doors {
            if let Err(e) = door.await {
                warn!("a listener or a task in the background ended badly: {e}");
            }
        }
        host.events.close().await;
        self.plugins.stop().await;
        let own = *self.socket_identity.lock();
        if own.is_some() && local_socket::identity(&self.socket) == own {
            let _ = std::fs::remove_file(&self.socket);
        }
        address_file::remove(&host.config.load().data_directory);
        self.opened.close().await;
    }
}
