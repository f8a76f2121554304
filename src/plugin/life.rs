//! The plugins of a running server: made, started, listening, stopped.

use std::sync::Arc;
use std::time::Duration;

use super::{ErasedPlugin, PluginError, registered};
use crate::config::Config;
use crate::host::Host;
use crate::rest::Route;

/// How long the server waits for one plugin's [`stop`](super::Plugin::stop).
const PATIENCE: Duration = Duration::from_secs(5);

/// The plugins that run, each with its name.
#[derive(Default)]
pub struct Plugins(Vec<(&'static str, Arc<dyn ErasedPlugin>)>);

impl Plugins {
    /// Makes the plugins that the configuration does not switch off, and starts them.
    ///
    /// # Errors
    /// Two plugins carry one name, or one cannot start; the text names it.
    pub async fn start(host: &Arc<Host>, config: &Config) -> Result<Self, PluginError> {
        let plugins = Self::make(host, config)?;
        for (name, plugin) in &plugins.0 {
            plugin.start(host, host.shutdown.clone()).await.map_err(|e| refused(name, &e))?;
            if plugin.listens() {
                let listener = plugin.clone();
                let listening = host.events.listen(name, move |happened| listener.on_event(&happened.event));
                listening.map_err(|e| {
                    PluginError(format!("no thread for the events of the plugin {name}: {e}"))
                })?;
            }
        }
        Ok(plugins)
    }

    /// Makes the plugins that the configuration does not switch off, and starts none.
    ///
    /// # Errors
    /// Two plugins carry one name, or one refuses its configuration; the text names it.
    pub fn make(host: &Arc<Host>, config: &Config) -> Result<Self, PluginError> {
        let mut plugins = Vec::new();
        for entry in registered()? {
            let section = config.plugins.get(entry.name).cloned();
            let plugin = (entry.make)(section, host).map_err(|e| refused(entry.name, &e))?;
            plugins.extend(plugin.map(|plugin| (entry.name, plugin)));
        }
        Ok(Self(plugins))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// Their routes.
    pub fn routes(&self) -> Vec<Route> {
        self.0.iter().flat_map(|(_, plugin)| plugin.routes()).collect()
    }

    /// Stops them one after the other, the last first, and waits for each of them, but not for ever.
    pub async fn stop(&self) {
        for (name, plugin) in self.0.iter().rev() {
            if tokio::time::timeout(PATIENCE, plugin.stop()).await.is_err() {
                tracing::warn!("the plugin {name} has not stopped within {} s", PATIENCE.as_secs());
            }
        }
    }
}

fn refused(name: &str, e: &PluginError) -> PluginError {
    PluginError(format!("the plugin {name} cannot start: {e}"))
}
