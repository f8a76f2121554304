//! Where a request came from: the address behind trusted proxies, and whether the outer leg was TLS.

use std::net::IpAddr;

/// The other end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address: the socket's, or behind trusted proxies the right-most untrusted one of
    /// `X-Forwarded-For`. None for the local operator's Unix socket.
    pub address: Option<IpAddr>,
    /// Whether a trusted proxy said that the client speaks https.
    pub secure: bool,
}
