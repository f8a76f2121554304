//! The start-up sequence, readable as a list, and the stop that undoes it.
//!
//! configuration → logging → database → first admin → sessions and tokens → command registry → agents → plugins → listening.
//! Each step is one log line with its duration; any failure is one [`StartError`] naming the thing and the remedy.
//! Configuration and logging come first and are the command line's business; everything after them is here.
//! [`open`] ends before the plugins: it is all that a command needs that works on the database of a stopped server.

mod first_link;
mod routes;
mod running;
mod services;
#[cfg(test)]
mod simulation;
mod step;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::address_file;
use crate::api;
use crate::auth::first_admin;
use crate::auth::password::Passwords;
use crate::clock::{Clock, Millis};
use crate::config::{Config, ConfigError};
use crate::domain::operation;
use crate::domain::{audit_retention, device_presence, live, power_until, server_side, wake_until, watching};
use crate::events::Events;
use crate::files;
use crate::host::Host;
use crate::http::{Method, server};
use crate::local_socket;
use crate::lock::DataLock;
use crate::logging::{self, LogLevel};
use crate::plugin::{self, Plugins};
use crate::registry::Registry;
use crate::reload::reload;
use crate::rest::listen;
use crate::rest::router::Router;
use crate::store::{self, Store, server_state, users};
use crate::vault::Given;
use crate::watch::{self, Socket, Watch};

use step::Step;

pub use routes::{document, router, routes};
pub use running::Running;
pub use step::{StartError, log_step};

/// A host on its open database, and the lock that keeps other processes away from it.
pub struct Opened {
    /// The host.
    pub host: Arc<Host>,
    lock: Arc<DataLock>,
    /// Whether there was no user before.
    first: bool,
}

impl Opened {
    /// Writes everything to disk and gives the data directory back.
    pub async fn close(self) {
        self.host.audit.finish().await;
        self.host.sessions.flush().await;
        self.host.tokens.flush().await;
        watch::note_lived(&self.host).await;
        self.host.store.close().await;
    }
}

/// Opens the data directory that `lock` is of: database, first admin, sessions, tokens, command registry, agents.
///
/// # Errors
/// The first step that fails, with its remedy.
pub async fn open(lock: DataLock, config: Config, log_level: LogLevel) -> Result<Opened, StartError> {
    // Before anything is made: a command that is wrong is so in every start.
    let registry = Registry::build().map_err(StartError::new)?;

    let step = Step::begin("database");
    let clock = Clock::default();
    let events = Arc::new(Events::new(clock.clone()));
    let directory = config.data_directory.clone();
    refuse_bereft(&directory, &config)?;
    let master_key = Given::from_environment().map_err(StartError::new)?;
    let store = Store::open(&directory, master_key).await.map_err(StartError::new)?;
    // A new database knows of no time, but logs may be older than a clock that is wrong.
    let stored = store.read(server_state::lived).await.map_err(StartError::new)?;
    if let Some(lived) = stored.or_else(|| logging::last_written(&config.log)) {
        clock.resume(lived);
    }
    say_what_is_lacking(&directory);
    step.done(format_args!("{} is open", directory.join("db.sqlite").display()));

    let step = Step::begin("first admin");
    let passwords = Passwords::new()
        .map_err(|e| StartError::new(format!("cannot start the threads that hash passwords: {e}")))?;
    let credentials = make_first_admin(&store, &passwords, &directory, clock.now()).await?;
    let first = credentials.is_some();
    match credentials {
        Some(path) => {
            step.done("created");
            warn!(
                "log in as {} with the password in {}, and change it",
                first_admin::USERNAME,
                path.display()
            );
        }
        None => step.done("there are users already"),
    }

    let host = services::host(config, log_level, registry, events, clock, store, passwords).await?;
    Ok(Opened { host, lock: Arc::new(lock), first })
}

/// An empty or missing database beside its key is one that was lost: a new one in its place would hide that.
pub(crate) fn refuse_bereft(directory: &Path, config: &Config) -> Result<(), StartError> {
    if config.new_database || !store::is_bereft(directory).is_ok_and(|bereft| bereft) {
        return Ok(());
    }
    let directory = directory.display();
    Err(StartError::new(format!(
        "there is no database in {directory}, or an empty one, but the secret.key of one: put the db.sqlite back from a \
         backup, or mount what should be there; only if a new server is what you want, start it once with `netignite \
         serve --new`"
    )))
}

/// Warns of what the file system does not have and the server goes without.
fn say_what_is_lacking(directory: &Path) {
    let synced = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
    if let Err(e) = synced {
        warn!(
            "the file system of {} cannot sync directories ({e}): a power cut may undo that a file was made or renamed, \
             such as at a change of the master key; put the data directory on another file system if that matters",
            directory.display()
        );
    }
}

/// Makes the first admin where there is no user. Answers where the credentials were written.
async fn make_first_admin(
    store: &Store,
    passwords: &Passwords,
    directory: &Path,
    now: Millis,
) -> Result<Option<PathBuf>, StartError> {
    if store.read(users::count).await.map_err(StartError::new)? > 0 {
        return Ok(None);
    }
    let password = first_admin::random_password().map_err(StartError::new)?;
    let path = first_admin::write_credentials(directory, &password).map_err(|e| {
        let path = first_admin::credentials_path(directory);
        StartError::new(format!("cannot write {}: {e}; {}", path.display(), files::remedy(&e)))
    })?;
    let hash = passwords.hash(password).await.map_err(StartError::new)?;
    store.write(move |db| users::insert_first_admin(db, &hash, now)).await.map_err(StartError::new)?;
    Ok(Some(path))
}

/// Starts the server: [`open`], then plugins, then listening.
///
/// # Errors
/// The first step that fails, with its remedy.
pub async fn start(config: Config, log_level: LogLevel) -> Result<Running, StartError> {
    let lock = DataLock::acquire(&config.data_directory).map_err(StartError::new)?;
    let opened = open(lock, config, log_level).await?;
    let (store, lock) = (opened.host.store.clone(), opened.lock.clone());
    let running = begin(opened).await;
    if running.is_err() {
        // Before anybody else gets the data directory.
        store.close().await;
    }
    drop(lock);
    running
}

/// What [`start`] does once the data directory is open.
async fn begin(opened: Opened) -> Result<Running, StartError> {
    let host = &opened.host;
    let config = host.config.load_full();

    server_side::migrate(host).await.map_err(StartError::new)?;
    let step = Step::begin("plugins");
    plugin::check_names(&[]).map_err(StartError::new)?;
    let plugins = Plugins::start(host, &config).await.map_err(StartError::new)?;
    let names: Vec<_> = plugins.names().collect();
    step.done(if names.is_empty() { "none".to_owned() } else { names.join(", ") });

    let step = Step::begin("listening");
    let router = Arc::new(router(plugins.named_routes().map_err(StartError::new)?)?);
    let wanted = SocketAddr::new(config.server.host, config.server.port);
    let listener = server::bind(wanted).map_err(|e| cannot_listen(wanted, &e))?;
    let address = listener.local_addr().map_err(StartError::new)?;
    if let Err(e) = address_file::write(&config.data_directory, address) {
        warn!("`netignite healthcheck` will look for this server where its configuration says only: {e}");
    }
    let socket = config.data_directory.join(local_socket::NAME);
    let local = bind_local(&socket);
    device_presence::start(host).await.map_err(StartError::new)?;
    wake_until::resume(host).await.map_err(StartError::new)?;
    power_until::resume(host).await.map_err(StartError::new)?;
    host.control.start(host.shutdown.clone());
    let mut doors = doors(host, &router, listener, local);
    doors.extend(keep_audit_log(host));
    doors.push(pass_events_on(host));
    doors.push(tokio::spawn(operation::run(host.clone(), host.shutdown.clone())));
    doors.push(tokio::spawn(watching::run(host.clone(), host.shutdown.clone())));
    let socket_identity = Arc::new(parking_lot::Mutex::new(local_socket::identity(&socket)));
    doors.push(watch_over(&opened, &router, &socket, &socket_identity));
    step.done(format_args!("http://{address}"));
    let page = router.find(&Method::GET, "/").is_ok().then(|| page(address));
    if let Some(page) = &page {
        info!("open {page} in a browser");
    }
    Ok(Running { opened, plugins, address, page, doors, socket, socket_identity })
}

/// The URL of the page at `/`, for a browser on this machine.
fn page(address: SocketAddr) -> String {
    let port = address.port();
    if address.ip().is_unspecified() {
        format!("http://localhost:{port}/")
    } else {
        format!("http://{address}/")
    }
}

pub(crate) fn cannot_listen(address: SocketAddr, error: &io::Error) -> StartError {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; stop it, or set another server.port or --port"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are the system's; set another server.port or --port"
        }
        _ => "set a server.host that is an address of this machine",
    };
    StartError::new(format!("cannot listen on {address}: {error}; {remedy}"))
}

/// The local operator's socket. Without it the server still serves everyone else.
fn bind_local(path: &Path) -> Option<UnixListener> {
    local_socket::bind(path)
        .inspect_err(|e| {
            warn!(
                "no local socket at {}: {e}; `netignite user` and its like will not work while the server runs",
                path.display()
            );
        })
        .ok()
}

fn doors(
    host: &Arc<Host>,
    router: &Arc<Router>,
    listener: TcpListener,
    local: Option<UnixListener>,
) -> Vec<JoinHandle<()>> {
    let stop = || host.shutdown.clone();
    let mut doors = vec![tokio::spawn(listen::serve(listener, host.clone(), router.clone(), stop()))];
    doors.extend(
        local.map(|local| tokio::spawn(listen::serve_unix(local, host.clone(), router.clone(), stop()))),
    );
    doors
}

/// The task that looks whether what the server stands on is there.
fn watch_over(
    opened: &Opened,
    router: &Arc<Router>,
    socket: &Path,
    identity: &Arc<parking_lot::Mutex<Option<(u64, u64)>>>,
) -> JoinHandle<()> {
    let (host, router) = (opened.host.clone(), router.clone());
    let stop = host.shutdown.clone();
    let serving = host.clone();
    let serve = move |listener| {
        let stop = serving.shutdown.clone();
        tokio::spawn(listen::serve_unix(listener, serving.clone(), router.clone(), stop));
    };
    let socket = Socket { path: socket.to_owned(), identity: identity.clone(), serve: Box::new(serve) };
    let watch = Watch { host, lock: opened.lock.clone(), socket };
    tokio::spawn(async move { watch.run(stop).await })
}

/// The tasks that write the audit log and keep it within its bounds.
fn keep_audit_log(host: &Arc<Host>) -> [JoinHandle<()>; 2] {
    let (recording, retaining) = (host.clone(), host.clone());
    [
        tokio::spawn(async move { recording.audit.run(recording.shutdown.clone()).await }),
        tokio::spawn(async move { audit_retention::run(&retaining, retaining.shutdown.clone()).await }),
    ]
}

/// The task that passes events on to whoever listens over a stream.
fn pass_events_on(host: &Arc<Host>) -> JoinHandle<()> {
    let passing = live::run(host.clone(), api::show_event, host.shutdown.clone());
    tokio::spawn(passing)
}

/// Starts the server and serves until a signal says stop; a second signal exits at once. SIGHUP has the configuration
/// read again with `read`.
///
/// # Errors
/// The server cannot start.
pub async fn serve<F>(config: Config, log_level: LogLevel, read: F) -> Result<(), StartError>
where
    F: Fn() -> Result<Config, ConfigError> + Clone + Send + 'static,
{
    let mut hangup = signal(SignalKind::hangup()).map_err(StartError::new)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::new)?;
    // A limit on the size of files is an error of a write, not the end of the program.
    let _too_large =
        signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map_err(StartError::new)?;
    let running = start(config, log_level).await?;
    if let Some(page) = running.page.as_deref().filter(|_| running.opened.first) {
        first_link::hand_over(running.host(), page).await;
    }
    let reloads = async {
        while hangup.recv().await.is_some() {
            reload(running.host(), read.clone()).await;
            running.plugins.reload(&running.host().config.load_full()).await;
        }
    };
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = reloads => "no more signals",
    };
    info!("{name}: stopping; a second signal exits at once");
    let step = Step::begin("stopped");
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => std::process::exit(1),
        _ = interrupt.recv() => std::process::exit(1),
    }
    step.done("everything is on disk");
    Ok(())
}
