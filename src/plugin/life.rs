//! The plugins of a running server: made, started, listening, reloaded, stopped.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::background::Background;
use super::panics::{caught, why_it_ended};
use super::{ErasedPlugin, PluginError, registered};
use crate::config::Config;
use crate::host::Host;
use crate::registry::unblocking;
use crate::rest::Route;
use crate::store::Unit;

/// How long the server waits for the work of one plugin to end, and then for its [`stop`](super::Plugin::stop).
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a plugin may take to say how it is.
const HEALTH_PATIENCE: Duration = Duration::from_secs(1);

type Named = (&'static str, Arc<dyn ErasedPlugin>);

/// The plugins that run, each with its name.
#[derive(Default)]
pub struct Plugins {
    all: Vec<Named>,
    host: Option<Arc<Host>>,
}

/// Those of whom it is asked how they are.
#[derive(Default)]
pub(super) struct Healths(Mutex<Vec<Named>>);

impl Healths {
    /// The names of those that are not well, and why.
    pub(super) async fn ill(&self) -> Vec<(&'static str, String)> {
        let all = self.0.lock().clone();
        let asked: Vec<_> = all
            .into_iter()
            .map(|(name, plugin)| {
                let asking = async move {
                    timeout(HEALTH_PATIENCE, plugin.health()).await.unwrap_or_else(|_| {
                        Err(PluginError::new("it does not answer how it is within a second"))
                    })
                };
                let asking = tokio::spawn(unblocking(format!("the health of the plugin {name}"), asking));
                (name, asking)
            })
            .collect();
        let mut ill = Vec::new();
        for (name, asking) in asked {
            match asking.await {
                Ok(Ok(())) => {}
                Ok(Err(e)) => ill.push((name, e.to_string())),
                Err(_) => ill.push((name, "it panicked when asked how it is".to_owned())),
            }
        }
        ill
    }
}

fn refused(name: &str, e: impl std::fmt::Display) -> PluginError {
    PluginError(format!("the plugin {name} cannot start: {e}"))
}

/// Starts one. On a task of its own, so that a panic is an error as any other.
async fn start(name: &str, plugin: &Arc<dyn ErasedPlugin>, host: &Arc<Host>) -> Result<(), PluginError> {
    let (plugin, host) = (plugin.clone(), host.clone());
    let starting = async move { plugin.start(&host, host.shutdown.clone()).await };
    let starting = tokio::spawn(unblocking(format!("the start of the plugin {name}"), starting));
    match AbortOnDropHandle::new(starting).await {
        Ok(started) => started,
        Err(e) => Err(PluginError(format!("its start {}", why_it_ended(e)))),
    }
}

/// Waits for what a plugin does, on a task of its own and not for ever. Otherwise, what went wrong is in the log.
async fn waited_for(name: &str, what: &str, work: impl Future<Output = ()> + Send + 'static) {
    let work = tokio::spawn(unblocking(format!("{what} of the plugin {name}"), work));
    match timeout(PATIENCE, AbortOnDropHandle::new(work)).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::error!("{what} of the plugin {name} {}", why_it_ended(e)),
        Err(_) => tracing::warn!(
            "{what} of the plugin {name} has not ended within {} s and is given up",
            PATIENCE.as_secs()
        ),
    }
}

impl Plugins {
    /// Makes the plugins that the configuration does not switch off, and starts them.
    ///
    /// # Errors
    /// Two plugins carry one name, or one cannot start; the text names it.
    pub async fn start(host: &Arc<Host>, config: &Config) -> Result<Self, PluginError> {
        let mut plugins = Self::make(host, config)?;
        for entry in registered()?.into_iter().filter(|entry| !entry.migrations.is_empty()) {
            if plugins.all.iter().any(|(name, _)| *name == entry.name) {
                let migrated = host.store.migrate_tables(Unit::Plugin(entry.name), entry.migrations).await;
                migrated.map_err(|e| refused(entry.name, e))?;
            }
        }
        for (at, (name, plugin)) in plugins.all.iter().enumerate() {
            if let Err(e) = start(name, plugin, host).await {
                let started = Self { all: plugins.all[..=at].to_vec(), host: Some(host.clone()) };
                let refused = refused(name, e);
                // What was started is to end before the database is closed.
                started.stop().await;
                return Err(refused);
            }
            let listener = plugin.clone();
            let listening = host.events.listen(name, move |happened| listener.on_event(&happened.event));
            listening
                .map_err(|e| PluginError(format!("no thread for the events of the plugin {name}: {e}")))?;
        }
        host.remembered.get(Healths::default).0.lock().clone_from(&plugins.all);
        plugins.host = Some(host.clone());
        Ok(plugins)
    }

    /// Makes the plugins, and starts none.
    ///
    /// # Errors
    /// Two plugins carry one name, or one cannot be made; the text names it.
    pub fn make(host: &Arc<Host>, config: &Config) -> Result<Self, PluginError> {
        let mut all = Vec::new();
        for entry in registered()? {
            let section = config.plugins.get(entry.name).cloned();
            let made = caught(|| (entry.make)(section, host))
                .unwrap_or_else(|panicked| Err(PluginError(format!("its new {panicked}"))));
            let plugin = made.map_err(|e| refused(entry.name, e))?;
            all.extend(plugin.map(|plugin| (entry.name, plugin)));
        }
        Ok(Self { all, host: None })
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.all.iter().map(|(name, _)| *name)
    }

    /// Their routes.
    pub fn routes(&self) -> Vec<Route> {
        self.all.iter().flat_map(|(_, plugin)| plugin.routes()).collect()
    }

    /// Their routes, with the name of the plugin that serves each.
    ///
    /// # Errors
    /// One of them panics when it is asked for its routes; the text names it.
    pub fn named_routes(&self) -> Result<Vec<(&'static str, Route)>, PluginError> {
        let mut all = Vec::new();
        for (name, plugin) in &self.all {
            let routes = caught(|| plugin.routes());
            let routes = routes.map_err(|panicked| refused(name, format!("its routes {panicked}")))?;
            let named = |route: Route| (*name, route.watched(format_args!("of the plugin {name}")));
            all.extend(routes.into_iter().map(named));
        }
        Ok(all)
    }

    /// Hands each its section of a configuration that was read again.
    pub async fn reload(&self, config: &Config) {
        for (name, plugin) in &self.all {
            let section = config.plugins.get(*name).cloned();
            let plugin = plugin.clone();
            waited_for(name, "the reload", async move { plugin.reload(section).await }).await;
        }
    }

    /// Stops them one after the other, the last first: their work in the background ends, and then they. Each is waited
    /// for, but not for ever.
    pub async fn stop(&self) {
        if let Some(host) = &self.host {
            // They hold the host, which holds them.
            host.remembered.get(Healths::default).0.lock().clear();
        }
        for (name, plugin) in self.all.iter().rev() {
            if let Some(host) = &self.host
                && !host.remembered.get(Background::default).end(name, PATIENCE).await
            {
                tracing::warn!(
                    "work of the plugin {name} has not ended within {} s and is given up",
                    PATIENCE.as_secs()
                );
            }
            let plugin = plugin.clone();
            waited_for(name, "the stop", async move { plugin.stop().await }).await;
        }
    }
}
