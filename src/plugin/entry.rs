//! A registered plugin with its type erased, and how one is registered.

use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;

use serde_json::Value;

use super::{Event, Plugin, PluginError, Shutdown, Subcommand};
use crate::config::section::{self, PluginSection};
use crate::host::Host;
use crate::model::plugin_words::PluginWords;
use crate::registry::BoxFuture;
use crate::rest::Route;

/// A running plugin with its type erased.
pub trait ErasedPlugin: Send + Sync {
    /// See [`Plugin::routes`].
    fn routes(&self) -> Vec<Route>;
    /// See [`Plugin::start`].
    fn start<'a>(&'a self, host: &'a Arc<Host>, shutdown: Shutdown)
    -> BoxFuture<'a, Result<(), PluginError>>;
    /// See [`Plugin::health`].
    fn health(&self) -> BoxFuture<'_, Result<(), PluginError>>;
    /// See [`Plugin::reload`].
    fn reload(&self, section: Option<Value>) -> BoxFuture<'_, ()>;
    /// See [`Plugin::stop`].
    fn stop(&self) -> BoxFuture<'_, ()>;
    /// See [`Plugin::on_event`].
    fn on_event(&self, event: &Event);
}

struct Erased<P>(Arc<P>);

impl<P: Plugin> ErasedPlugin for Erased<P> {
    fn routes(&self) -> Vec<Route> {
        self.0.routes()
    }

    fn start<'a>(
        &'a self,
        host: &'a Arc<Host>,
        shutdown: Shutdown,
    ) -> BoxFuture<'a, Result<(), PluginError>> {
        Box::pin(self.0.start(host, shutdown))
    }

    fn health(&self) -> BoxFuture<'_, Result<(), PluginError>> {
        Box::pin(self.0.health())
    }

    fn reload(&self, section: Option<Value>) -> BoxFuture<'_, ()> {
        match config_of::<P>(section.as_ref()) {
            Ok(config) => Box::pin(self.0.reload(config)),
            // It was checked when it was read.
            Err(e) => {
                tracing::error!("{e}");
                Box::pin(async {})
            }
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.stop())
    }

    fn on_event(&self, event: &Event) {
        self.0.on_event(event);
    }
}

/// Makes a plugin from its section of the configuration.
type Make = fn(Option<Value>, &Arc<Host>) -> Result<Option<Arc<dyn ErasedPlugin>>, PluginError>;

/// A registered plugin.
pub struct PluginEntry {
    /// See [`Plugin::NAME`].
    pub name: &'static str,
    /// See [`Plugin::SUMMARY`].
    pub summary: &'static str,
    /// The type's path.
    pub type_name: fn() -> &'static str,
    /// Where `register_plugin!` stands.
    pub location: &'static Location<'static>,
    /// See [`Plugin::listens`]; nothing for a section that is none.
    pub listens: fn(&Value) -> Vec<(&'static str, SocketAddr)>,
    /// See [`Plugin::MIGRATIONS`].
    pub migrations: &'static [&'static str],
    /// See [`Plugin::subcommand`].
    pub subcommand: fn() -> Option<Subcommand>,
    /// Makes the plugin, or `None` when it is switched off.
    pub make: Make,
}

impl PluginEntry {
    /// The entry of `P`, with the caller's place in the source.
    #[track_caller]
    pub const fn of<P: Plugin>() -> Self {
        Self {
            name: P::NAME,
            summary: P::SUMMARY,
            type_name: std::any::type_name::<P>,
            location: Location::caller(),
            listens: |section| {
                parse_config::<P>(section).map_or_else(|_| Vec::new(), |config| P::listens(&config))
            },
            migrations: P::MIGRATIONS,
            subcommand: P::subcommand,
            make: make::<P>,
        }
    }
}

/// The words of `P`, with the caller's place in the source.
#[doc(hidden)]
#[track_caller]
pub const fn words_of<P: Plugin>() -> PluginWords {
    let (plugin, summary, permissions, actions) = (P::NAME, P::SUMMARY, P::PERMISSIONS, P::ACTIONS);
    PluginWords { plugin, summary, permissions, actions, location: Location::caller() }
}

/// The section of `P` in the configuration, with the caller's place in the source.
#[doc(hidden)]
#[track_caller]
pub const fn section_of<P: Plugin>() -> PluginSection {
    PluginSection::of::<P::Config>(P::NAME, P::LIVE, P::KEYS, |section| {
        section::check::<P::Config>(P::NAME, section)
    })
}

fn parse_config<P: Plugin>(section: &Value) -> Result<P::Config, PluginError> {
    section::parse(P::NAME, section).map_err(PluginError)
}

fn config_of<P: Plugin>(section: Option<&Value>) -> Result<P::Config, PluginError> {
    section.map_or_else(|| Ok(P::Config::default()), parse_config::<P>)
}

fn make<P: Plugin>(
    section: Option<Value>,
    host: &Arc<Host>,
) -> Result<Option<Arc<dyn ErasedPlugin>>, PluginError> {
    let config = config_of::<P>(section.as_ref())?;
    Ok(P::new(config, host)?.map(|plugin| Arc::new(Erased(Arc::new(plugin))) as Arc<dyn ErasedPlugin>))
}

/// The plugins the binary was built with, sorted by name.
///
/// # Errors
/// Two plugins carry one name; both places in the source are named.
pub fn registered() -> Result<Vec<&'static PluginEntry>, PluginError> {
    let entries = inventory::iter::<PluginEntry>.into_iter().collect();
    section::unique(entries, |entry| (entry.name, entry.location)).map_err(PluginError)
}

/// Registers a type that implements [`Plugin`](crate::plugin::Plugin) with the host, from any crate that is linked.
///
/// A plugin that no program could use is not compiled. The compiler points at this line, and says what is wrong:
///
/// ```compile_fail
/// # use netignite::prelude::*;
/// struct Notes;
///
/// impl Plugin for Notes {
///     const NAME: &'static str = "notes";
///     const SUMMARY: &'static str = "Keep notes";
///     const PERMISSIONS: &'static [Permission] = &[Permission::of_plugin("publish", Role::User, "Publish notes.")];
///     type Config = Empty;
///
///     fn new(_: Empty, _: &Arc<Host>) -> std::result::Result<Option<Self>, PluginError> {
///         Ok(Some(Self))
///     }
/// }
///
/// // error: a permission of a plugin must be named as the plugin, a colon and a word …
/// register_plugin!(Notes);
/// ```
#[macro_export]
macro_rules! register_plugin {
    ($plugin:ty) => {
        const _: () = $crate::plugin::declared::<$plugin>();
        $crate::__register_origin!();
        $crate::__private::inventory::submit! {
            $crate::plugin::PluginEntry::of::<$plugin>()
        }
        $crate::__private::inventory::submit! {
            $crate::plugin::section_of::<$plugin>()
        }
        $crate::__private::inventory::submit! {
            $crate::plugin::words_of::<$plugin>()
        }
    };
}

inventory::collect!(PluginEntry);
