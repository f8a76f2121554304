//! SIGHUP: reads the configuration again, and changes what can change while running.
//!
//! The log says by key what has changed and what waits for a restart. A configuration that is not valid changes
//! nothing. The environment and the flags are those of the start, since no process gets new ones; files are read
//! anew, also those that variables name.

use crate::config::{Config, ConfigError};
use crate::host::Host;

/// Reads the configuration with `read` and applies it to `host`.
pub async fn reload<F>(host: &Host, read: F)
where
    F: FnOnce() -> Result<Config, ConfigError> + Send + 'static,
{
    let fresh = match tokio::task::spawn_blocking(read).await {
        Ok(Ok(fresh)) => fresh,
        Ok(Err(e)) => {
            tracing::error!(
                "SIGHUP: the configuration is not valid, so nothing was changed: {e}; correct it and send SIGHUP again"
            );
            return;
        }
        Err(e) => {
            tracing::error!("SIGHUP: the configuration could not be read, so nothing was changed: {e}");
            return;
        }
    };
    let reloaded = host.config.load().reloaded(&fresh);
    host.config.store(reloaded.config.into());
    host.log_level.set(fresh.log_level, |before| {
        let mut changed = reloaded.changed;
        // Another than the configuration's was set meanwhile.
        if before != fresh.log_level && !changed.iter().any(|key| key == "logLevel") {
            changed.push("logLevel".to_owned());
        }
        match changed.is_empty() {
            true => tracing::info!("SIGHUP: the configuration was read again; nothing changes while running"),
            false => {
                tracing::info!("SIGHUP: the configuration was read again; changed: {}", changed.join(", "))
            }
        }
        if !reloaded.waiting.is_empty() {
            tracing::warn!("SIGHUP: changed once the server is restarted: {}", reloaded.waiting.join(", "));
        }
    });
}
