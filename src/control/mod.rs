//! The Agent Control Service: who is connected, and the way of a command to an agent and back.

mod close;
mod credential;
mod dispatch;
mod presence;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Version;
use tokio::net::TcpStream;

pub use self::credential::{AgentKind, Credential, SecretDigest};
pub use self::dispatch::DispatchError;
pub use self::presence::{Presence, PresenceState};
use crate::error::{Error, Kind, Result};
use crate::http::peer::Peer;
use crate::http::{HeaderMap, Method, Response};
use crate::plugin::{Event, Shutdown};
use crate::registry::{Command, CommandEntry};

/// Told of what happens.
type Events = Box<dyn Fn(&Event<'_>) + Send + Sync>;

/// The Agent Control Service.
pub struct Control {
    events: Events,
}

/// An agent whose upgrade was admitted and whose socket is still to come. Dropped, it ends the agent's connection.
pub struct Ticket(());

impl Control {
    /// A service without agents, which tells `events` what happens.
    pub fn new(events: Events) -> Arc<Self> {
        Arc::new(Self { events })
    }

    /// Makes these agents known, at start.
    pub fn load(&self, credentials: Vec<Credential>) {
        credentials.into_iter().for_each(|credential| self.put(credential));
    }

    /// Makes an agent known, or changes what it is known by; a changed secret disconnects it.
    pub fn put(&self, credential: Credential) {
        let _ = credential;
    }

    /// Forgets an agent and disconnects it.
    pub fn remove(&self, agent: i64) {
        let _ = agent;
    }

    /// Whether the agent can be reached.
    pub fn is_online(&self, agent: i64) -> bool {
        self.presence(agent).is_some_and(|p| p.state == PresenceState::Online)
    }

    /// How many agents can be reached.
    pub fn online_count(&self) -> usize {
        0
    }

    /// Whether the agent is there, since when and why; none for an agent nobody made known.
    pub fn presence(&self, agent: i64) -> Option<Presence> {
        let _ = agent;
        None
    }

    /// Sends `C` to an agent and waits for its reply.
    ///
    /// # Errors
    /// See [`DispatchError`].
    pub async fn dispatch<C: Command>(
        &self,
        agent: i64,
        payload: &C::Payload,
    ) -> Result<C::Reply, DispatchError> {
        let _ = (agent, payload);
        Err(DispatchError::Offline)
    }

    /// Sends a command whose payload was checked with [`CommandEntry::check_payload`] and waits for its reply, which
    /// comes checked too.
    ///
    /// # Errors
    /// See [`DispatchError`].
    pub async fn dispatch_json(
        &self,
        agent: i64,
        entry: &'static CommandEntry,
        payload: String,
    ) -> Result<String, DispatchError> {
        let _ = (agent, entry, payload, &self.events);
        Err(DispatchError::Offline)
    }

    /// Judges an agent's handshake. From here on the agent counts as connected; write the answer and bring the socket
    /// with [`Control::attach`]. `origin_ok` says whether an `http(s)` Origin is the server's own or an allowed one.
    ///
    /// # Errors
    /// No WebSocket handshake (400, 405, 426), a foreign Origin (403), wrong or missing credentials (401), or the
    /// server stops (503). The answer to any of them must carry `Connection: close`.
    pub fn admit(
        self: &Arc<Self>,
        method: &Method,
        version: Version,
        headers: &HeaderMap,
        peer: Peer,
        origin_ok: bool,
    ) -> Result<(Response, Ticket)> {
        let _ = (method, version, headers, peer, origin_ok);
        Err(Error::new(Kind::Unavailable, "stopping", "The server is stopping."))
    }

    /// Brings the socket of an admitted agent, after its 101 was written, with the bytes already read from it. `guard`
    /// is kept until the socket is closed.
    pub fn attach(
        self: &Arc<Self>,
        ticket: Ticket,
        stream: TcpStream,
        leftover: Bytes,
        guard: impl Send + 'static,
    ) {
        drop((ticket, stream, leftover, guard));
    }

    /// Starts the clockwork of heartbeats, pings and time-outs. Once `shutdown` is told, no agent is admitted.
    pub fn start(self: &Arc<Self>, shutdown: Shutdown) {
        drop(shutdown);
    }

    /// Ends every connection with 1001, spread over `spread`; resolves when they are gone.
    pub async fn stop(&self, spread: Duration) {
        let _ = spread;
    }
}
