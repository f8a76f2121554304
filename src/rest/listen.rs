//! Serving the routes of a router: to the network, beside the main listener, and to the local operator.

use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};

use super::router::Router;
use super::service::Site;
use crate::host::Host;
use crate::http::server;
use crate::model::shutdown::Shutdown;

/// Serves everyone on `listener` until `shutdown` begins; returns when the requests in flight are answered, or a few
/// seconds later.
pub async fn serve(listener: TcpListener, host: Arc<Host>, router: Arc<Router>, shutdown: Shutdown) {
    let limits = host.config.load().limits;
    server::serve(listener, Arc::new(Site::new(host, router)), &limits, shutdown).await;
}

/// Serves a few clients at an address of its own, as [`serve`] does.
pub async fn serve_beside(listener: TcpListener, host: Arc<Host>, router: Arc<Router>, shutdown: Shutdown) {
    let limits = host.config.load().limits;
    server::serve_beside(listener, Arc::new(Site::new(host, router)), &limits, shutdown).await;
}

/// Serves the local operator on `listener`, as [`serve`] does, without sessions.
pub async fn serve_unix(listener: UnixListener, host: Arc<Host>, router: Arc<Router>, shutdown: Shutdown) {
    let limits = host.config.load().limits;
    server::serve_unix(listener, Arc::new(Site::new(host, router)), &limits, shutdown).await;
}
