//! The routes of this program: put together for a server, and read without one.

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use serde_json::Value;
use tracing::warn;

use super::{StartError, open};
use crate::api;
use crate::config::Config;
use crate::host::Host;
use crate::lock::DataLock;
use crate::logging::LogLevel;
use crate::plugin::{self, Plugins};
use crate::rest::Route;
use crate::rest::router::Router;

/// The router of the host's routes and those of plugins, each with its plugin's name.
///
/// # Errors
/// Two routes that cannot be distinguished; both sides are named.
pub fn router(plugins: Vec<(&'static str, Route)>) -> Result<Router, StartError> {
    let mut routes = api::table();
    plugin::check_routes(&routes, &plugins).map_err(StartError::new)?;
    routes.extend(plugins.into_iter().map(|(_, route)| route));
    Router::new(routes).map_err(StartError::new)
}

/// The API's document of this program, as a server on the defaults serves it.
///
/// # Errors
/// There is no place for the host that plugins need, or the routes cannot be served together.
pub async fn document() -> Result<Value, StartError> {
    on_the_side(Config::default(), |host, plugins| {
        router(plugins).map(|router| router.document(&host.registry))
    })
    .await
}

/// Every route that a server with this configuration would serve, with the plugin whose it is.
///
/// # Errors
/// The configuration does not fit a plugin, or two routes cannot be distinguished.
pub async fn routes(config: Config) -> Result<Vec<(Option<&'static str>, Route)>, StartError> {
    on_the_side(config, |_, plugins| {
        let own = api::table();
        plugin::check_routes(&own, &plugins).map_err(StartError::new)?;
        let own = own.into_iter().map(|route| (None, route));
        Ok(own.chain(plugins.into_iter().map(|(name, route)| (Some(name), route))).collect())
    })
    .await
}

/// What `read` makes of the routes of plugins with this configuration. They get a host that listens nowhere; its database
/// is made in a directory that is gone afterwards.
async fn on_the_side<T>(
    config: Config,
    read: impl FnOnce(&Arc<Host>, Vec<(&'static str, Route)>) -> Result<T, StartError>,
) -> Result<T, StartError> {
    let directory = std::env::temp_dir().join(format!("netignite-routes-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&directory).map_err(|e| {
        let path = directory.display();
        StartError::new(format!("cannot make the directory {path}: {e}; name another place for it in TMPDIR"))
    })?;
    let config = Config { data_directory: directory.clone(), ..config };
    let reading = async {
        let lock = DataLock::acquire(&config.data_directory).map_err(StartError::new)?;
        let log_level = LogLevel::detached(config.log_level);
        let opened = open(lock, config, log_level).await?;
        let host = &opened.host;
        let made = Plugins::make(host, &host.config.load()).and_then(|plugins| plugins.named_routes());
        let done = made.map_err(StartError::new).and_then(|routes| read(host, routes));
        opened.close().await;
        done
    };
    let done = reading.await;
    if let Err(e) = std::fs::remove_dir_all(&directory) {
        warn!("cannot remove {}: {e}", directory.display());
    }
    done
}
