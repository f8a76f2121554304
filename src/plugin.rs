//! What a server plugin is, and what it may do.
//!
//! A plugin is one type that implements [`Plugin`], registered with `register_plugin!`. It gets its own section
//! `plugins.<name>` of the configuration, typed and with unknown keys refused, and the host. Its hooks do nothing
//! unless written: it is made, started, called and stopped. As with commands, two of one name stop the start. What a plugin does with an event runs on a thread of
//! its own ([`Events`](crate::events::Events)): it may be slow, and its panics are logged under its name.

mod background;
mod collisions;
mod door;
mod life;
mod tables;
mod web;

use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::section::{self, PluginSection};
use crate::host::Host;
use crate::http::server;
use crate::model::audit::Action;
use crate::model::permission::Permission;
use crate::model::plugin_words::PluginWords;
use crate::registry::BoxFuture;
use crate::rest::router::Router;
use crate::rest::{Method, Route, listen};

pub use collisions::{check_names, check_routes};
pub use door::Server;
pub use life::Plugins;
pub use tables::Tables;
pub use web::{Web, WebAnswer, WebError};

pub use crate::model::event::{CommandOutcome, Event};
pub use crate::model::shutdown::Shutdown;

/// Why a plugin cannot start. Ends the start of the server.
#[derive(Debug, Clone)]
pub struct PluginError(pub String);

impl PluginError {
    /// An error saying what is wrong and what to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl std::fmt::Display for PluginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PluginError {}

/// A server plugin.
pub trait Plugin: Send + Sync + Sized + 'static {
    /// The name of its section under `plugins` in the configuration: lower case.
    const NAME: &'static str;
    /// One line for people.
    const SUMMARY: &'static str;
    /// Its section of the configuration. Use `#[serde(default, deny_unknown_fields, rename_all = "camelCase")]`.
    type Config: Serialize + DeserializeOwned + Default + Send;

    /// The keys of its section that it looks up in the configuration whenever it needs them, so that they change while
    /// the server runs.
    const LIVE: &'static [&'static str] = &[];

    /// What the keys of its section are for, a sentence each, for `netignite config keys`.
    const KEYS: &'static [(&'static str, &'static str)] = &[];

    /// The SQL that makes its tables, one text a version: they are run before the first [`start`](Self::start) that needs
    /// them, in their order and each once. Every name they make begins with `plugin_<name>_`; what was released is never
    /// changed, only followed by another. See [`Tables`].
    const MIGRATIONS: &'static [&'static str] = &[];

    /// The permissions that it brings, each made with [`Permission::of_plugin`]. Tokens can have them, and routes ask for
    /// them as for the server's own.
    const PERMISSIONS: &'static [Permission] = &[];

    /// What it does as the audit log names it, each made with [`Action::of_plugin`]: [`Server::note`] takes the verbs.
    const ACTIONS: &'static [Action] = &[];

    /// The addresses of its own that it will listen at, each with the key that says so: `netignite config check` tries
    /// them.
    fn listens(config: &Self::Config) -> Vec<(&'static str, SocketAddr)> {
        let _ = config;
        Vec::new()
    }

    /// Makes the plugin, or `None` when its configuration switches it off.
    ///
    /// # Errors
    /// What the configuration asks for cannot be done.
    fn new(config: Self::Config, host: &Arc<Host>) -> Result<Option<Self>, PluginError>;

    /// Routes to serve beside the host's own.
    fn routes(self: &Arc<Self>) -> Vec<Route> {
        Vec::new()
    }

    /// Starts what runs in the background; called before the port is bound. A task it spawns ends when `shutdown`
    /// is told.
    ///
    /// # Errors
    /// What it needs is not there, such as an address to bind.
    fn start(
        self: &Arc<Self>,
        host: &Arc<Host>,
        shutdown: Shutdown,
    ) -> impl Future<Output = Result<(), PluginError>> + Send {
        let _ = (host, shutdown);
        async { Ok(()) }
    }

    /// Whether it is well: asked whenever somebody asks `/readyz`, so it must be quick, within a second. A plugin that is
    /// not well makes the server not ready.
    ///
    /// # Errors
    /// What is wrong, for the log and for those who are signed in.
    fn health(self: &Arc<Self>) -> impl Future<Output = Result<(), PluginError>> + Send {
        async { Ok(()) }
    }

    /// Called after SIGHUP with the section as it is in force now; of what [`LIVE`](Self::LIVE) does not name, that is
    /// what it was.
    fn reload(self: &Arc<Self>, config: Self::Config) -> impl Future<Output = ()> + Send {
        let _ = config;
        async {}
    }

    /// A subcommand of its own: `netignite <name> …`. None for a plugin without.
    fn subcommand() -> Option<clap::Command> {
        None
    }

    /// Does what the command line asks of [`subcommand`](Self::subcommand), and answers what is printed.
    ///
    /// # Errors
    /// What went wrong, in one line; the exit status is 1 then.
    fn run_subcommand(
        arguments: clap::ArgMatches,
        server: CommandLine,
    ) -> impl Future<Output = Result<String, PluginError>> + Send {
        let _ = (arguments, server);
        async { Ok(String::new()) }
    }

    /// Ends what the plugin does and writes what it still holds. The stopping server waits for it, for five seconds at
    /// most: after the last request was answered and the last event was passed on, and before the database is closed.
    fn stop(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Whether [`on_event`](Self::on_event) is to be called: `false` saves a plugin that does not listen the thread.
    const LISTENS: bool = true;

    /// Called with everything that happens, in that order and on a thread of the plugin's own. It may take its time;
    /// what comes after its queue of some ten thousand events is full is missed. A panic is logged, and the next event
    /// comes all the same.
    fn on_event(&self, event: &Event) {
        let _ = event;
    }
}

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
    /// See [`Plugin::LISTENS`].
    fn listens(&self) -> bool;
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

    fn listens(&self) -> bool {
        P::LISTENS
    }

    fn on_event(&self, event: &Event) {
        self.0.on_event(event);
    }
}

/// Makes a plugin from its section of the configuration.
type Make = fn(Option<Value>, &Arc<Host>) -> Result<Option<Arc<dyn ErasedPlugin>>, PluginError>;

/// Runs a plugin's subcommand.
type RunSubcommand = fn(clap::ArgMatches, CommandLine) -> BoxFuture<'static, Result<String, PluginError>>;

/// The server, as a plugin's subcommand asks it: as the local operator, whether it runs or not. The routes of plugins
/// answer only while it runs.
#[derive(Clone)]
pub struct CommandLine(Arc<dyn Ask>);

/// Asks the API as the local operator.
pub trait Ask: Send + Sync {
    /// The `data` of an answer, or why there is none.
    fn ask(&self, method: Method, path: String, body: Option<Value>) -> BoxFuture<'_, Result<Value, String>>;
}

impl CommandLine {
    /// A command line that asks with `ask`.
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self(ask)
    }

    /// Calls a route of the API as the local operator, and gives the answer's `data`.
    ///
    /// # Errors
    /// The server refuses, with its message; or there is none.
    pub async fn request(
        &self,
        method: Method,
        path: impl Into<String>,
        body: Option<Value>,
    ) -> Result<Value, PluginError> {
        self.0.ask(method, path.into(), body).await.map_err(PluginError)
    }
}

/// A registered plugin.
pub struct PluginEntry {
    /// See [`Plugin::NAME`].
    pub name: &'static str,
    /// See [`Plugin::SUMMARY`].
    pub summary: &'static str,
    /// Where `register_plugin!` stands.
    pub location: &'static Location<'static>,
    /// See [`Plugin::listens`]; nothing for a section that is none.
    pub listens: fn(&Value) -> Vec<(&'static str, SocketAddr)>,
    /// See [`Plugin::MIGRATIONS`].
    pub migrations: &'static [&'static str],
    /// See [`Plugin::subcommand`].
    pub subcommand: fn() -> Option<clap::Command>,
    /// See [`Plugin::run_subcommand`].
    pub run_subcommand: RunSubcommand,
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
            location: Location::caller(),
            listens: |section| {
                parse_config::<P>(section).map_or_else(|_| Vec::new(), |config| P::listens(&config))
            },
            migrations: P::MIGRATIONS,
            subcommand: P::subcommand,
            run_subcommand: |arguments, server| Box::pin(P::run_subcommand(arguments, server)),
            make: make::<P>,
        }
    }
}

/// The words of `P`, with the caller's place in the source.
#[doc(hidden)]
#[track_caller]
pub const fn words_of<P: Plugin>() -> PluginWords {
    let (plugin, permissions, actions) = (P::NAME, P::PERMISSIONS, P::ACTIONS);
    PluginWords { plugin, permissions, actions, location: Location::caller() }
}

/// The section of `P` in the configuration, with the caller's place in the source.
#[doc(hidden)]
#[track_caller]
pub const fn section_of<P: Plugin>() -> PluginSection {
    PluginSection::of::<P::Config>(P::NAME, P::LIVE, P::KEYS, |section| {
        section::parse::<P::Config>(P::NAME, section).map(drop)
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

/// Serves `routes`, and nothing else, at an address of the plugin's own until `shutdown` is told, with the limits and
/// the envelope of the host. Answers the address, whose port differs from `bind`'s if that is 0.
///
/// # Errors
/// The address is taken or not this machine's, or two routes have one path and method.
pub fn serve_routes(
    host: &Arc<Host>,
    bind: SocketAddr,
    routes: Vec<Route>,
    shutdown: Shutdown,
) -> Result<SocketAddr, PluginError> {
    let router = Router::new(routes).map_err(|e| PluginError(e.to_string()))?;
    let listening = server::bind(bind).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listening.map_err(|e| PluginError(format!("cannot listen on {bind}: {e}")))?;
    tokio::spawn(listen::serve_beside(listener, host.clone(), Arc::new(router), shutdown));
    Ok(address)
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
#[macro_export]
macro_rules! register_plugin {
    ($plugin:ty) => {
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
