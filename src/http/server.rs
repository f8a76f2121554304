//! Accepting connections, and draining them at the end. (Bodies follow.)

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};

use super::router::Router;
use crate::host::Host;
use crate::plugin::Shutdown;

/// Listens on `address`, with a backlog that bears a whole fleet dialling at once.
///
/// # Errors
/// The address is taken or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let _ = address;
    todo!()
}

/// Listens on a Unix socket at `path` that only the owner can open; a stale socket there is replaced. The caller
/// holds the data directory's lock, so that a socket found there belongs to nobody.
///
/// # Errors
/// The path cannot be created, or something that is no socket lies there.
pub fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let _ = path;
    todo!()
}

/// Serves everyone on `listener` until `shutdown` is told; returns when the requests in flight are answered, or a few
/// seconds later.
pub async fn serve(listener: TcpListener, host: Arc<Host>, router: Arc<Router>, shutdown: Shutdown) {
    let _ = (listener, host, router, shutdown);
    todo!()
}

/// Serves the local operator on `listener`, as [`serve`] does, without sessions.
pub async fn serve_unix(listener: UnixListener, host: Arc<Host>, router: Arc<Router>, shutdown: Shutdown) {
    let _ = (listener, host, router, shutdown);
    todo!()
}
