//! What the transport serves: one service a listener, which answers requests and takes the sockets it upgrades.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::http::request::Parts;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::Response;
use super::body::{RequestBody, Room};

/// Where a request came in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    /// Over the network, from this address.
    Network(IpAddr),
    /// Over the local socket that only the server's owner can open.
    Operator,
}

/// What became of a request.
pub(crate) struct Served<U> {
    pub(crate) response: Response,
    /// With a 101: what the connection belongs to from now on.
    pub(crate) upgrade: Option<U>,
    /// Whether the client may still be sending a body that nobody reads.
    pub(crate) unread: bool,
    /// What is to be held until the answer was written.
    pub(crate) held: Option<Arc<dyn Send + Sync>>,
}

/// What requests are served by.
pub(crate) trait Service: Send + Sync + 'static {
    /// What an upgraded connection belongs to.
    type Upgrade: Send + 'static;

    /// Serves one request. It is borrowed because the futures on its way would each hold it anew.
    fn serve<B>(
        &self,
        parts: &mut Parts,
        body: &mut RequestBody<B>,
        door: Door,
    ) -> impl Future<Output = Served<Self::Upgrade>> + Send
    where
        B: Body<Data = Bytes> + Send + Unpin;

    /// Takes the socket of an upgraded connection, with what was read beyond its handshake. `place` is the connection's
    /// among those of the listener, to be dropped when it ends.
    fn upgraded(
        &self,
        upgrade: Self::Upgrade,
        stream: TcpStream,
        leftover: Bytes,
        place: impl Send + 'static,
    );

    /// The answer to a connection for which there is no place; without a body where `bare`.
    fn overload(&self, code: &'static str, message: &'static str, bare: bool) -> Response;

    /// Whether connections from an address come from many clients and are not counted.
    fn is_proxy(&self, address: IpAddr) -> bool;

    /// What must come to its end before the listener is done: the connections, and what they leave running.
    fn tasks(&self) -> &TaskTracker;

    /// What bodies hold that are still arriving.
    fn bodies(&self) -> &Room;
}
