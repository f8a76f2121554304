//! What a start would refuse of a configuration, found without starting: `netignite config check`.
//!
//! In the order of a start: the log's file, the data directory, the master key, the database's file, the addresses. What
//! is tried is undone. Where a server runs in the data directory, its addresses are taken by itself, and its database is
//! its own business: both are left alone.

use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::bootstrap::{self, StartError};
use crate::config::Config;
use crate::http::server;
use crate::lock::{self, LockError};
use crate::logging::{self, LoggingError};
use crate::plugin;
use crate::registry::Registry;
use crate::rest::router::Router;
use crate::store;
use crate::vault::Given;

/// Tries what a start does with `config`. Needs a runtime, and blocks.
///
/// # Errors
/// What the start would say.
pub fn check(config: &Config) -> Result<(), StartError> {
    check_log(config)?;
    let given = Given::from_environment().map_err(StartError::new)?;
    given.check().map_err(StartError::new)?;
    Registry::build().map_err(StartError::new)?;
    Router::new(crate::api::table()).map_err(StartError::new)?;
    if is_in_use(&config.data_directory).map_err(StartError::new)? {
        return Ok(());
    }
    bootstrap::refuse_bereft(&config.data_directory, config)?;
    store::look_at(&config.data_directory, &given).map_err(StartError::new)?;
    check_addresses(config)
}

/// Whether the log's file of the day can be written.
fn check_log(config: &Config) -> Result<(), StartError> {
    let Some(path) = &config.log.file else { return Ok(()) };
    logging::refuse_directory(path).map_err(StartError::new)?;
    let refuse = |e: io::Error| StartError::new(LoggingError::File { path: path.clone(), error: e });
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    check_writable(directory).map_err(refuse)
}

/// Whether another process has the data directory; if none has, whether it can be taken.
fn is_in_use(directory: &Path) -> Result<bool, LockError> {
    let refuse = |error| LockError::Io { directory: directory.to_owned(), error };
    let path = directory.join(lock::NAME);
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(true),
            Err(TryLockError::Error(_)) => {}
        },
        // Whether the directory can be made is tried below.
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
        Err(e) => return Err(refuse(e)),
    }
    check_writable(directory).map_err(refuse)?;
    Ok(false)
}

/// Whether files can be made in a directory, which is made itself if it is not there: tried in the nearest one that is.
fn check_writable(directory: &Path) -> io::Result<()> {
    let whole = std::path::absolute(directory)?;
    if whole.exists() && !whole.is_dir() {
        // As making it would say.
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::EXIST.raw_os_error()));
    }
    let nearest = whole.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(&whole);
    let probe: PathBuf = nearest.join(format!(".netignite-check-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(&probe)
}

/// Whether every address can be listened at, all at once.
fn check_addresses(config: &Config) -> Result<(), StartError> {
    let mut listening = Vec::new();
    for entry in plugin::registered().map_err(StartError::new)? {
        let section = config.plugins.get(entry.name).cloned().unwrap_or_default();
        for (key, address) in (entry.listens)(&section) {
            let listener = server::bind(address).map_err(|e| {
                let what = format!("plugins.{}.{key}: cannot listen on {address}: {e}", entry.name);
                StartError::new(format!("the plugin {} cannot start: {what}", entry.name))
            })?;
            listening.push(listener);
        }
    }
    let wanted = (config.server.host, config.server.port).into();
    listening.push(server::bind(wanted).map_err(|e| bootstrap::cannot_listen(wanted, &e))?);
    Ok(())
}
