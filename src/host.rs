//! The host: the one shared state that handlers, plugins and the Agent Control Service get.
//!
//! No globals: whoever needs something of the server has an `Arc<Host>`.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::audit::{Pace, Recorder};
use crate::auth::accounts::Accounts;
use crate::auth::password::Passwords;
use crate::auth::session::Sessions;
use crate::auth::throttle::Throttle;
use crate::auth::tokens::Tokens;
use crate::clock::{Clock, Millis};
use crate::config::Config;
use crate::control::{Control, DispatchError};
use crate::error::Result;
use crate::events::Events;
use crate::logging::LogLevel;
use crate::model::remembered::Remembered;
use crate::model::request_id::RequestIds;
use crate::model::shutdown::Shutdown;
use crate::registry::{Command, Registry};
use crate::store::{Store, agents};

/// The server's state, shared by everything that runs in it.
pub struct Host {
    /// The configuration in force. A part of it can change while running: look it up whenever it is needed.
    pub config: ArcSwap<Config>,
    /// The log level, which can change while running.
    pub log_level: LogLevel,
    /// The wall clock.
    pub clock: Clock,
    /// What happens, for whoever listens.
    pub events: Arc<Events>,
    /// The database.
    pub store: Store,
    /// What the audit log keeps besides changes.
    pub audit: Recorder,
    /// How much users have changed lately.
    pub pace: Pace,
    /// What verbs remember between calls.
    pub remembered: Remembered,
    /// The agent commands.
    pub registry: Registry,
    /// The Agent Control Service.
    pub control: Arc<Control>,
    /// Password hashing, on threads of its own.
    pub passwords: Passwords,
    /// The sessions.
    pub sessions: Sessions,
    /// The API tokens.
    pub tokens: Tokens,
    /// Users as sessions see them, cached.
    pub accounts: Accounts,
    /// Failed logins.
    pub throttle: Throttle,
    /// Failed handshakes of agents.
    pub handshakes: Throttle,
    /// What requests are called.
    pub requests: RequestIds,
    /// The changes of agents that the Agent Control Service does not know yet.
    pub agent_changes: AgentChanges,
    /// Canceled when the server stops.
    pub shutdown: Shutdown,
}

/// Agents that were changed and whose change the Agent Control Service does not know yet, and whose turn it is to pass them on.
#[derive(Default)]
pub struct AgentChanges {
    pending: parking_lot::Mutex<HashSet<i64>>,
    turn: tokio::sync::Mutex<()>,
}

impl Host {
    /// Sends `C` to an agent and waits for its reply.
    ///
    /// # Errors
    /// The agent is not connected, its line is full, it said no, answered nonsense, vanished or was silent.
    pub async fn dispatch<C: Command>(
        &self,
        agent: i64,
        payload: &C::Payload,
    ) -> Result<C::Reply, DispatchError> {
        self.control.dispatch::<C>(agent, payload).await
    }

    /// Tells the Agent Control Service what is stored of an agent now. Call it after the commit of every change of an
    /// agent and before answering, so that the agent can connect, or no longer can, from then on.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn agent_changed(&self, agent: i64) -> Result<()> {
        // One at a time and reading what is stored only then: of several changes at once, whoever comes last tells
        // what was committed last. Whoever has the turn tells of all, so that many changes cost one read.
        let AgentChanges { pending, turn } = &self.agent_changes;
        pending.lock().insert(agent);
        let _turn = turn.lock().await;
        let changed = {
            let mut pending = pending.lock();
            if !pending.contains(&agent) {
                return Ok(());
            }
            std::mem::take(&mut *pending)
        };
        let asked = changed.clone();
        let stored = self.store.read(move |db| {
            asked.into_iter().map(|id| Ok((id, agents::credential(db, id)?))).collect::<Result<Vec<_>>>()
        });
        // The others are still pending; each of them tries for itself.
        let stored = stored.await.inspect_err(|_| pending.lock().extend(changed))?;
        for (id, credential) in stored {
            match credential {
                Some(credential) => self.control.put(credential),
                None => self.control.remove(id),
            }
        }
        Ok(())
    }

    /// Forgets the old secret of an agent that has logged in with its new one, which would have been good until
    /// `until`.
    pub async fn old_secret_retired(&self, agent: i64, until: Millis) {
        let forgotten = self.store.write(move |db| agents::forget_old_secret(db, agent, until)).await;
        // Somebody may have passed on what was stored before.
        let passed_on = match forgotten {
            Ok(()) => self.agent_changed(agent).await,
            Err(e) => Err(e),
        };
        if let Err(e) = passed_on {
            tracing::warn!(agent, "the agent's old secret may be good again after a restart: {e}");
        }
    }
}
