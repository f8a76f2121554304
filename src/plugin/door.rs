//! What the server does for plugins: the door to `domain/`, tables, work in the background, the web.
//!
//! These are methods of the [`Host`] that every plugin and every [`Call`](crate::rest::Call) has. They stand in a trait
//! here, and not in `host`, because they call the domain, which stands above the host.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::background::Background;
use super::life::Healths;
use super::tables::Tables;
use super::web::Web;
use super::{Plugin, Shutdown};
use crate::domain::device::{self, DeviceRow};
use crate::domain::figures::{self, Figures};
use crate::domain::{By, agent_list, command, wake};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::audit::{Action, SubjectKind};
use crate::registry::Command;
use crate::store::agents::{self, AgentRow};

/// The server, as plugins use it. `use netignite::prelude::*` brings it with the [`Host`].
///
/// ```
/// use netignite::prelude::*;
///
/// async fn wake_all<P: Plugin>(host: &Arc<Host>) -> Result<()> {
///     let by = host.by::<P>();
///     for device in host.devices(&by).await? {
///         host.wake(&by, device.id).await?;
///     }
///     Ok(())
/// }
///
/// // All else that the API does is in `netignite::domain`, for whoever acts, too.
/// async fn shut_down(by: &By, device: i64) -> Result<()> {
///     use netignite::domain::operation::create::{Options, Wanted, create};
///     use netignite::domain::power::Power;
///
///     let wanted = Wanted::Power { device, power: Power::Shutdown, payload: "{}".into() };
///     create(by, wanted, Options::default()).await.map(drop)
/// }
///
/// async fn is_well<P: Plugin>(host: &Arc<Host>) -> bool {
///     let ill = host.ill_plugins().await;
///     ill.iter().all(|(name, _)| *name != P::NAME)
/// }
/// ```
pub trait Server {
    /// The plugin `P` by itself, as whoever acts: everything is in its reach, and the audit log names it. For what a user
    /// asks for, use the user's own [`Call::by`](crate::rest::Call::by): then their permissions are asked for.
    fn by<P: Plugin>(&self) -> By;

    /// Wakes a device, as `POST /api/devices/{id}/wakeup` does, and waits until the agent has sent the packet.
    ///
    /// # Errors
    /// There is no such device in reach; the agent is offline or busy, said no or did not answer in time.
    fn wake(&self, by: &By, device: i64) -> impl Future<Output = Result<()>> + Send;

    /// Sends the command `C` to an agent and waits for its reply. It may be [`INTERNAL`](Command::INTERNAL).
    ///
    /// # Errors
    /// There is no such agent in reach; it is offline or busy, said no or did not answer in time.
    fn send<C: Command>(
        &self,
        by: &By,
        agent: i64,
        payload: &C::Payload,
    ) -> impl Future<Output = Result<C::Reply>> + Send;

    /// The devices in reach.
    ///
    /// # Errors
    /// The database cannot be read.
    fn devices(&self, by: &By) -> impl Future<Output = Result<Vec<DeviceRow>>> + Send;

    /// The agents in reach.
    ///
    /// # Errors
    /// The database cannot be read.
    fn agents(&self, by: &By) -> impl Future<Output = Result<Vec<AgentRow>>> + Send;

    /// Notes in the audit log that `by` had the plugin `P` do `verb`, a word of the plugin's own such as `send`, to the
    /// thing given, if there is one. The action is `<plugin>.<verb>` where [`Plugin::ACTIONS`] has that; else `plugin.act` with
    /// the detail `<plugin>.<verb>`.
    fn note<P: Plugin>(&self, by: &By, verb: &'static str, on: Option<(SubjectKind, i64, &str)>);

    /// Writes a line into the server's log, at the level `warn` and under the plugin's name. Say what changed, and not again and
    /// again what is still so.
    fn warn<P: Plugin>(&self, message: impl Display);

    /// The tables of `P`, which [`Plugin::MIGRATIONS`] makes.
    fn tables<P: Plugin>(&self) -> Tables;

    /// Does `work` in the background. It must end when the [`Shutdown`] it gets begins; the stopping server waits five
    /// seconds for it.
    fn background<P: Plugin, F, W>(&self, work: F)
    where
        F: FnOnce(Shutdown) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static;

    /// Does `work` every so often, the first time after `period`; never twice at once. What is being done when the server
    /// stops is waited for.
    ///
    /// # Panics
    /// `period` is zero: the work would be done without a pause.
    fn every<P: Plugin, F, W>(&self, period: Duration, work: F)
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static;

    /// A client for HTTP that reaches public addresses alone: see [`Web`].
    fn web(&self) -> Web;

    /// How much there is now: agents, sessions, streams of events, operations, what waits for the database.
    fn figures(&self) -> impl Future<Output = Figures> + Send;

    /// What is wrong with plugins, by [`Plugin::health`]: names and texts.
    fn ill_plugins(&self) -> impl Future<Output = Vec<(&'static str, String)>> + Send;
}

impl Server for Arc<Host> {
    fn by<P: Plugin>(&self) -> By {
        By::plugin(self, P::NAME)
    }

    async fn wake(&self, by: &By, device: i64) -> Result<()> {
        wake::wake(by, device).await.map(drop)
    }

    fn send<C: Command>(
        &self,
        by: &By,
        agent: i64,
        payload: &C::Payload,
    ) -> impl Future<Output = Result<C::Reply>> + Send {
        // Before anything is waited for, so that payloads need not be shared between threads.
        let payload = serde_json::to_vec(payload).map_err(Error::internal);
        async move {
            let (_, reply) = command::send(by, agent, self.registry.get(C::NAME), &payload?.into()).await?;
            serde_json::from_str(&reply).map_err(Error::internal)
        }
    }

    async fn devices(&self, by: &By) -> Result<Vec<DeviceRow>> {
        let (ids, rows) = (device::ids(by, false), device::rows(by));
        by.reader().read(move |db| rows(db, &ids(db)?)).await
    }

    async fn agents(&self, by: &By) -> Result<Vec<AgentRow>> {
        let rows = agent_list::rows(by);
        let whose = by.whose(crate::model::permission::Permission::AgentsRead);
        by.reader().read(move |db| rows(db, &agents::ids(db, whose)?)).await
    }

    fn note<P: Plugin>(&self, by: &By, verb: &'static str, on: Option<(SubjectKind, i64, &str)>) {
        let is_verb = |action: &&Action| match action {
            Action::Plugin(of) => {
                of.name.strip_prefix(P::NAME).and_then(|rest| rest.strip_prefix('.')) == Some(verb)
            }
            _ => false,
        };
        let own = P::ACTIONS.iter().find(is_verb).copied();
        if cfg!(debug_assertions) && own.is_none() && !P::ACTIONS.is_empty() {
            tracing::warn!(
                plugin = P::NAME,
                "ACTIONS of the plugin {0} do not list {0}.{verb}: it is noted as plugin.act",
                P::NAME
            );
        }
        by.note(own.unwrap_or(Action::PluginAct), |entry| {
            entry.detail = own.is_none().then(|| format!("{}.{verb}", P::NAME));
            if let Some((kind, id, name)) = on {
                entry.on(kind, id, name);
            }
        });
    }

    fn warn<P: Plugin>(&self, message: impl Display) {
        tracing::warn!(plugin = P::NAME, "{}: {message}", P::NAME);
    }

    fn tables<P: Plugin>(&self) -> Tables {
        Tables::new(self.store.clone(), P::NAME)
    }

    fn background<P: Plugin, F, W>(&self, work: F)
    where
        F: FnOnce(Shutdown) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.remembered.get(Background::default).spawn(P::NAME, work);
    }

    fn every<P: Plugin, F, W>(&self, period: Duration, work: F)
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        assert!(!period.is_zero(), "the period of every() is zero: the work would be done without a pause");
        self.background::<P, _, _>(move |stop| async move {
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(period) => {}
                }
                work().await;
            }
        });
    }

    fn web(&self) -> Web {
        Web::default()
    }

    async fn figures(&self) -> Figures {
        figures::get(self).await
    }

    async fn ill_plugins(&self) -> Vec<(&'static str, String)> {
        self.remembered.get(Healths::default).ill().await
    }
}
