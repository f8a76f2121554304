//! What a server plugin is, and what it may do.
//!
//! A plugin is one type that implements [`Plugin`], registered with `register_plugin!`. It gets its own section
//! `plugins.<name>` of the configuration, typed and with unknown keys refused, and the host. Its hooks do nothing
//! unless written: it is made, started, called and stopped. As with commands, two of one name stop the start. What a
//! plugin does with an event runs on a thread of its own ([`Events`](crate::events::Events)): it may be slow, and its panics are logged under its name.

mod background;
mod collisions;
mod command_line;
mod declared;
mod door;
mod entry;
mod life;
mod panics;
mod tables;
mod web;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::events;
use crate::host::Host;
use crate::http::server;
use crate::model::audit::Action;
use crate::model::permission::Permission;
use crate::rest::router::Router;
use crate::rest::{Route, listen};

pub use collisions::{check_names, check_routes};
pub use command_line::{Ask, CommandLine, Subcommand};
pub use declared::declared;
pub use door::Server;
pub use entry::{ErasedPlugin, PluginEntry, registered, section_of, words_of};
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
///
/// One that uses each of its hooks:
///
/// ```standalone_crate
/// use std::net::SocketAddr;
///
/// use netignite::prelude::*;
///
/// /// The section `plugins.bell`.
/// #[derive(Clone, Serialize, Deserialize)]
/// #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
/// struct Config {
///     enabled: bool,
///     bind: SocketAddr,
///     sound: String,
/// }
///
/// impl Default for Config {
///     fn default() -> Self {
///         Self { enabled: true, bind: ([127, 0, 0, 1], 9123).into(), sound: "ding".to_owned() }
///     }
/// }
///
/// const RING: Permission = Permission::of_plugin("bell:ring", Role::User, "Ring the bell.");
/// const RUNG: Action = Action::of_plugin("bell.ring", "The bell was rung.");
///
/// struct Bell {
///     bind: SocketAddr,
///     host: Arc<Host>,
/// }
///
/// impl Plugin for Bell {
///     const NAME: &'static str = "bell";
///     const SUMMARY: &'static str = "Ring a bell when an agent goes";
///     const KEYS: &'static [(&'static str, &'static str)] = &[
///         ("enabled", "Whether there is a bell."),
///         ("bind", "Where its own address is."),
///         ("sound", "What is heard; read again by SIGHUP."),
///     ];
///     const LIVE: &'static [&'static str] = &["sound"];
///     const PERMISSIONS: &'static [Permission] = &[RING];
///     const ACTIONS: &'static [Action] = &[RUNG];
///     const MIGRATIONS: &'static [&'static str] =
///         &["CREATE TABLE plugin_bell_rung (agent INTEGER NOT NULL, sound TEXT NOT NULL) STRICT"];
///     type Config = Config;
///
///     fn listens(config: &Config) -> Vec<(&'static str, SocketAddr)> {
///         vec![("bind", config.bind)]
///     }
///
///     fn new(config: Config, host: &Arc<Host>) -> std::result::Result<Option<Self>, PluginError> {
///         Ok(config.enabled.then(|| Self { bind: config.bind, host: host.clone() }))
///     }
///
///     fn routes(self: &Arc<Self>) -> Vec<Route> {
///         vec![Route::post("/api/bell", "Ring the bell").needs(&[RING]).handler(method!(self.ring(call, body)))]
///     }
///
///     async fn start(self: &Arc<Self>, host: &Arc<Host>, stop: Shutdown) -> std::result::Result<(), PluginError> {
///         serve_routes(host, self.bind, self.routes(), stop)?;
///         let bell = self.clone();
///         host.background::<Self, _, _>(|stop| async move {
///             stop.cancelled().await;
///             bell.host.warn::<Self>("the bell rings no more");
///         });
///         host.every::<Self, _, _>(Duration::from_secs(3600), method!(self.strike()));
///         Ok(())
///     }
///
///     fn on_event(&self, event: &Event) {
///         if let Event::AgentOffline { agent, .. } = event {
///             let sql = "INSERT INTO plugin_bell_rung (agent, sound) VALUES (?1, 'dong')";
///             let _ = self.host.tables::<Self>().execute_blocking(sql, [(*agent).into()]);
///         }
///     }
///
///     async fn health(self: &Arc<Self>) -> std::result::Result<(), PluginError> {
///         Ok(())
///     }
///
///     async fn reload(self: &Arc<Self>, config: Config) {
///         self.host.warn::<Self>(format_args!("the bell sounds {}", config.sound));
///     }
///
///     fn subcommand() -> Option<Subcommand> {
///         let bell = clap::Command::new("bell").about("Ring the bell");
///         Some(Subcommand::new(bell, async |_, server| {
///             let rung: JsonValue = server.request(Method::POST, "/api/bell", None).await?;
///             Ok(rung.to_string())
///         }))
///     }
///
///     async fn stop(self: &Arc<Self>) {
///         self.strike().await;
///     }
/// }
///
/// impl Bell {
///     async fn ring(&self, call: Call, _: NoBody) -> Result<Answer<usize>> {
///         call.host.note::<Self>(&call.by, "ring", None);
///         let reached = self.host.agents(&call.by).await?.len();
///         Ok(Answer::ok("Rung", reached))
///     }
///
///     async fn strike(&self) {}
/// }
///
/// register_plugin!(Bell);
/// ```
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
    /// begins.
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
    /// What is wrong, for the log: `/readyz` and `/api/health` name the plugin alone.
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
    fn subcommand() -> Option<Subcommand> {
        None
    }

    /// Ends what the plugin does and writes what it still holds. The stopping server waits for it, for five seconds at
    /// most: after the last request was answered and the last event was passed on, and before the database is closed.
    fn stop(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Called with everything that happens, in that order and on a thread of the plugin's own. It may take its time;
    /// what comes after its queue of some ten thousand events is full is missed. A panic is logged, and the next event
    /// comes all the same. A plugin that does not write it has no such thread.
    fn on_event(&self, event: &Event) {
        let _ = event;
        events::leave();
    }
}

/// A method of a plugin as a handler of a [`Route`](crate::rest::Route), or as what
/// [`every`](crate::plugin::Server::every) does: `method!(self.page(call))`, where `self` is an `&Arc<Self>` and the method takes
/// `&self`.
///
/// ```
/// use netignite::prelude::*;
///
/// struct Notes {
///     title: String,
/// }
///
/// impl Notes {
///     fn routes(self: &Arc<Self>) -> Vec<Route> {
///         vec![
///             Route::get("/notes", "The page of notes").signed_in().page(method!(self.page(call))),
///             Route::put("/api/notes", "Check a title").signed_in().handler(method!(self.check(call, body))),
///         ]
///     }
///
///     async fn page(&self, _: Call) -> Result<Raw> {
///         Ok(Raw::html(escaped(&self.title)))
///     }
///
///     async fn check(&self, _: Call, Json(title): Json<String>) -> Result<Answer<bool>> {
///         Ok(Answer::ok("Checked", title == self.title))
///     }
/// }
///
/// assert_eq!(Arc::new(Notes { title: "Notes".to_owned() }).routes().len(), 2);
/// ```
#[macro_export]
macro_rules! method {
    ($plugin:ident.$method:ident($($argument:ident),*)) => {{
        let plugin = ::std::sync::Arc::clone($plugin);
        move |$($argument),*| {
            let plugin = ::std::sync::Arc::clone(&plugin);
            async move { plugin.$method($($argument),*).await }
        }
    }};
}

/// Serves `routes`, and nothing else, at an address of the plugin's own until `shutdown` begins, with the limits and
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
    let watched = routes.into_iter().map(|route| route.watched(format_args!("at {bind}"))).collect();
    let router = Router::new(watched).map_err(|e| PluginError(e.to_string()))?;
    let listening = server::bind(bind).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listening.map_err(|e| PluginError(format!("cannot listen on {bind}: {e}")))?;
    tokio::spawn(listen::serve_beside(listener, host.clone(), Arc::new(router), shutdown));
    Ok(address)
}
