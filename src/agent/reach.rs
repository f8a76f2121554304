//! A server as the command line reaches it from another machine: dialled exactly as an agent dials, through the same
//! proxies and with the same certificates trusted. What is asked there is the command line's business.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::timeout;

use super::AgentError;
use super::dial::{Dialler, Unreachable};
use super::url::ServerUrl;

/// How long connecting may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The way to a server's API.
pub struct Reach(Dialler);

impl Reach {
    /// Prepares to dial the server of this base URL. Reads the environment and the system's certificates, which blocks.
    ///
    /// # Errors
    /// The text is no base URL, or the certificates or proxies that the environment names cannot be used.
    pub fn new(server: &str) -> Result<Self, AgentError> {
        // Not repeated, since it may hold a password. An agent's own remedy would not fit here.
        if server.contains('@') {
            return Err(AgentError(
                "--server: a URL must not hold a user or password; the API token comes from NETIGNITE_TOKEN or the file \
                 that NETIGNITE_TOKEN_FILE names"
                    .into(),
            ));
        }
        Ok(Self(Dialler::new(ServerUrl::parse(server)?)?))
    }

    /// The path of a route of the API, below the base URL's own path.
    pub fn path(&self, route: &str) -> String {
        self.0.url().api(route)
    }

    /// The value of the `Host` header.
    pub fn authority(&self) -> &str {
        &self.0.url().authority
    }

    /// Whether what is sent can be read on the way.
    pub fn in_the_clear(&self) -> bool {
        self.0.url().in_the_clear()
    }

    /// Connects anew, for one request.
    ///
    /// # Errors
    /// The server cannot be reached; the text says why and what to do.
    pub async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, AgentError> {
        let late =
            || Unreachable::new("connecting", format_args!("no answer within {} s", TIMEOUT.as_secs()));
        let dialled = timeout(TIMEOUT, self.0.dial()).await.unwrap_or_else(|_| Err(late()));
        dialled.map_err(|why| AgentError(format!("{self} cannot be reached: {why}")))
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.url().fmt(f)
    }
}
