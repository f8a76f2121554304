//! The Agent Control Service: who is connected, and the way of a command to an agent and back.
//!
//! A frame's way in: socket → `connection` (reads into a buffer of the thread) → `frame` (bytes to messages) →
//! `agent` (whose reply is it) → the caller. The way out: `dispatch` → `agent`'s `line` (its turn, its ID) →
//! `outlet` (one write). One timing wheel (`wheel`), which the `clockwork` turns, drives heartbeats, pings and time-outs for
//! everyone.
//!
//! It is built for many idle agents on little memory. An idle agent is an entry of the map with one small lock, and
//! one small task that waits in the poller; it has no buffer, no channel and no timer of its own. Whoever sends
//! writes into the socket directly, under the agent's lock.
//!
//! There is one lock an agent and no other order to keep: the wheel's and the map's are leaves, held for an insertion or
//! a look. That no wake-up is lost can be read off: whatever ends a connection is noted under the agent's lock, by whoever
//! then wakes the reader, and the reader looks for it under that lock in the same step in which it leaves its waker
//! (`Agent::park`). A flusher is spawned exactly when the queue stops being empty, and ends only after it saw it empty,
//! both under that lock. A caller's channel is taken out of the line under it, so that one reply, time-out or end of the
//! connection answers it, and answers it once.
//!
//! Deliberately absent: the database (agents are made known with [`Control::put`]), and any knowledge of particular
//! commands beyond their names. Nothing outside may assume that an agent's socket is in this process: the
//! agent's ID is the only way to reach it.

mod about;
mod agent;
mod cancel;
mod clockwork;
mod close;
mod command;
mod conflict;
mod connection;
mod core;
mod dispatch;
#[doc(hidden)]
pub mod frame;
#[doc(hidden)]
pub mod handshake;
mod hearing;
mod line;
#[doc(hidden)]
pub mod message;
mod outlet;
mod report;
mod room;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod ticket;
mod turn;
mod upkeep;
mod wheel;
mod windows;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Response, Version};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::agent::{Admitted, Agent};
use self::close::Why;
use self::connection::Connection;
use self::core::Core;
use self::outlet::{Outlet, Sink};
use crate::clock::{Clock, Millis};
use crate::error::{Error, Kind, Result};
use crate::model::agent_features::AgentFeatures;
use crate::model::audit::{Action, SubjectKind};
use crate::model::event::Event;
use crate::registry::CommandEntry;

pub use self::cancel::Canceler;
pub use self::command::{Requester, Witness, Witnessed};
pub use self::core::Counters;
pub use self::dispatch::DispatchError;
pub use self::line::MAX_WAIT;
pub use self::message::fits;
pub use self::ticket::{NotAdmitted, Ticket};
pub use self::turn::{InLine, Sent, Turn};
pub use crate::model::agent::AgentKind;
pub use crate::model::agent_about::{AgentAbout, Supported};
pub use crate::model::credential::{Credential, OldSecret};
pub use crate::model::digest::Digest;
pub use crate::model::presence::Conflict;
pub use crate::model::presence::{Presence, PresenceState};

/// Where the server says which of an agent's features it understands.
const FEATURES: HeaderName = HeaderName::from_static("netignite-features");
/// After how long an agent that meets a stopping server should come again.
const RETRY: Duration = Duration::from_secs(5);

fn stopping() -> Error {
    let message = "The server is stopping. Connect again in a moment.";
    Error::new(Kind::Unavailable, "stopping", message).retry_after(RETRY)
}

/// The Agent Control Service.
pub struct Control {
    core: Arc<Core>,
    /// By their IDs, which the database gives out: nobody chooses ones that meet in the table.
    agents: RwLock<FxHashMap<i64, Arc<Agent>>>,
    /// The connections' tasks.
    tasks: TaskTracker,
    stopping: AtomicBool,
    stopped: CancellationToken,
}

impl Control {
    /// A service without agents. It knows of the commands there are by name, and passes what happens to `emit`, which
    /// is called under locks: it must neither wait nor ask the service anything.
    pub fn new(
        clock: Clock,
        commands: Vec<&'static str>,
        emit: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self {
            core: Arc::new(Core::new(clock, commands, emit)),
            agents: RwLock::default(),
            tasks: TaskTracker::new(),
            stopping: AtomicBool::new(false),
            stopped: CancellationToken::new(),
        })
    }

    /// Makes these agents known, at start.
    pub fn load(&self, credentials: Vec<Credential>) {
        let mut agents = self.agents.write();
        agents.reserve(credentials.len());
        for credential in credentials {
            agents.insert(credential.id, Agent::new(&self.core, credential));
        }
    }

    /// Makes an agent known, or changes what it is known by; a changed secret disconnects it at once.
    pub fn put(&self, credential: Credential) {
        if let Some(agent) = self.find(credential.id) {
            return agent.change(&self.core, credential);
        }
        let agent = Agent::new(&self.core, credential);
        self.agents.write().insert(agent.id(), agent);
    }

    /// Forgets an agent and disconnects it.
    pub fn remove(&self, agent: i64) {
        let removed = self.agents.write().remove(&agent);
        if let Some(agent) = removed {
            agent.delete(&self.core);
        }
    }

    /// Has an agent that was handed a new secret log in with it: ends its connection, which it makes anew at once.
    pub fn reconnect(&self, agent: i64) {
        if let Some(agent) = self.find(agent) {
            agent.disconnect(&self.core, Why::SecretRotated);
        }
    }

    /// Whether the agent can be reached.
    pub fn is_online(&self, agent: i64) -> bool {
        self.find(agent).is_some_and(|agent| agent.is_online())
    }

    /// How many agents are known.
    pub fn count(&self) -> usize {
        self.agents.read().len()
    }

    /// How many agents can be reached. Looks at each of them.
    pub fn online_count(&self) -> usize {
        self.agents.read().values().filter(|agent| agent.is_online()).count()
    }

    /// Whether the agent is there, since when and why; none for an agent nobody made known.
    pub fn presence(&self, agent: i64) -> Option<Presence> {
        self.agents.read().get(&agent).map(|agent| agent.presence(&self.core))
    }

    /// When the agent's newest connection came, also where it replaced another; none while the agent is offline.
    pub fn connected_at(&self, agent: i64) -> Option<Millis> {
        self.find(agent)?.connected_at()
    }

    /// Whether the agent is connected and said something within this time, be it a pong.
    pub fn was_heard_within(&self, agent: i64, time: Duration) -> bool {
        self.find(agent).is_some_and(|agent| agent.was_heard_within(&self.core, time))
    }

    /// What the agent's newest connection says the agent is; none if it has not connected or does not say.
    pub fn about(&self, agent: i64) -> Option<Arc<AgentAbout>> {
        self.seen(agent)?.1
    }

    /// An agent's presence, and what it says it is: both of one moment.
    pub fn seen(&self, agent: i64) -> Option<(Presence, Option<Arc<AgentAbout>>)> {
        self.agents.read().get(&agent).map(|agent| agent.seen(&self.core))
    }

    /// What an agent is; none if there is no such agent.
    pub fn kind(&self, agent: i64) -> Option<AgentKind> {
        Some(self.find(agent)?.kind())
    }

    /// Whether the agent has a command. What its newest connection said holds until it connects again.
    pub fn supports(&self, agent: i64, command: &str) -> Supported {
        self.find(agent).map_or(Supported::Unknown, |agent| agent.supports(command))
    }

    /// Whether an agent, connected or not, is one that can be sent a command, as far as that is known.
    ///
    /// # Errors
    /// It lacks the command, or is too small for it.
    pub fn could_take(&self, agent: i64, entry: &CommandEntry) -> std::result::Result<(), DispatchError> {
        self.find(agent).map_or(Ok(()), |agent| agent.could_take(entry))
    }

    /// How often agents said something nobody waited for.
    pub fn counters(&self) -> Counters {
        self.core.counters()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    fn find(&self, agent: i64) -> Option<Arc<Agent>> {
        self.agents.read().get(&agent).cloned()
    }

    /// Judges an agent's handshake. From here on the agent counts as connected, an older connection of it is closed,
    /// and commands for it wait for its socket: write the answer and bring the socket with [`Control::attach`].
    /// `origin_ok` says whether an `http(s)` Origin is the server's own or an allowed one.
    ///
    /// # Errors
    /// No WebSocket handshake (400, 405, 426), a foreign Origin (403), wrong or missing credentials (401), or the
    /// server stops (503). The answer to any of them must carry `Connection: close`.
    pub fn admit(
        self: &Arc<Self>,
        method: &Method,
        version: Version,
        headers: &HeaderMap,
        address: Option<IpAddr>,
        origin_ok: bool,
    ) -> Result<(Response<()>, Ticket), NotAdmitted> {
        if self.is_stopping() {
            return Err(stopping().into());
        }
        let (mut answer, claim) = handshake::judge(method, version, headers, origin_ok)?;
        let agent = self.find(claim.id);
        let known = agent.is_some();
        let admitted = match &agent {
            Some(agent) => {
                let about = || self.core.abouts.read(headers);
                agent.admit(&self.core, &claim.digest, address, about)
            }
            // Nobody learns from the time it takes which IDs exist.
            None => (claim.digest == Digest::NONE).then_some(Admitted {
                epoch: 0,
                retired: None,
                conflict: None,
                features: AgentFeatures::default(),
            }),
        };
        match (agent, admitted) {
            (Some(agent), Some(Admitted { epoch, retired, conflict, features })) => {
                if let Some(understood) = features.text() {
                    answer.headers_mut().insert(FEATURES, HeaderValue::from_static(understood));
                }
                let core = self.core.clone();
                let ticket = Ticket { core, agent, epoch, attached: false, retired, conflict };
                // Whoever is admitted while the last connections are closed would miss its close frame.
                if self.is_stopping() {
                    return Err(stopping().into());
                }
                Ok((answer, ticket))
            }
            _ => {
                self.core.tally.refused.fetch_add(1, Relaxed);
                let subject = known.then_some((SubjectKind::Agent, claim.id));
                let error = handshake::refused().refusing(Action::AgentConnect, subject);
                Err(NotAdmitted { error, claimed: Some(claim.id) })
            }
        }
    }

    /// Brings the socket of an admitted agent, after its 101 was written, with the bytes already read from it. It has
    /// `TCP_NODELAY` set: frames are written whole, and must not wait for the acknowledgement of the last one. `guard` is
    /// kept until the socket is closed.
    pub fn attach(
        self: &Arc<Self>,
        ticket: Ticket,
        stream: TcpStream,
        leftover: Bytes,
        guard: impl Send + 'static,
    ) {
        let (read, write) = stream.into_split();
        self.join(ticket, read, Sink::Tcp(write), leftover, guard);
    }

    /// [`Control::attach`] for any other transport.
    #[doc(hidden)]
    pub fn attach_transport(
        self: &Arc<Self>,
        ticket: Ticket,
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
        leftover: Bytes,
        guard: impl Send + 'static,
    ) {
        self.join(ticket, read, Sink::Other(Box::new(write)), leftover, guard);
    }

    fn join(
        &self,
        mut ticket: Ticket,
        read: impl AsyncRead + Send + Unpin + 'static,
        sink: Sink,
        leftover: Bytes,
        guard: impl Send + 'static,
    ) {
        ticket.attached = true;
        let (core, agent, epoch) = (self.core.clone(), ticket.agent.clone(), ticket.epoch);
        let connection = if agent.attach(&core, epoch, Outlet::new(sink)) {
            Connection::new(core, agent, epoch, read, &mut Vec::from(leftover), guard)
        } else {
            Connection::over(core, agent, epoch, read, guard)
        };
        self.tasks.spawn(connection);
    }
}
