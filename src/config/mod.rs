//! The configuration: what can be set, from where, and what it is in the end.
//!
//! Layers, each over the one before: the built-in defaults, the file, the original server's variables (`NITRO_HOST`,
//! `NITRO_PORT`, `NODE_ENV`), the `NETIGNITE_…` variables, the command line's flags. figment merges them and remembers
//! of each value which layer it came from, so that an error and `config show` can name the place to look at.
//!
//! `settings` holds the typed result and all that is said of each key, `keys` reads that by name, `reference` lists it, `layer` one source of values, `file` and
//! `env` make layers, `check` turns the merged layers into settings or one clear error, `live` says which settings change
//! while running. Error texts never hold the value of a secret. Deliberately absent: any global.

mod check;
mod env;
mod error;
mod file;
mod keys;
mod layer;
mod live;
mod reference;
pub mod section;
mod settings;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use error::ConfigError;
pub use layer::Origin;
pub use live::Reloaded;
pub use reference::{Reference, reference};
use section::PluginSection;

pub use settings::{
    AuditConfig, AuthConfig, Config, Level, Limits, LogConfig, LogFormat, RoleWord, SecureCookies,
    ServerConfig,
};

use layer::Layer;

/// Where the configuration file lies if nothing names another.
const DEFAULT_FILE: &str = "./config/config.json";

/// What the command line sets over every other source, as it was typed.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`: the configuration file.
    pub file: Option<PathBuf>,
    /// `--host`.
    pub host: Option<String>,
    /// `--port`.
    pub port: Option<String>,
    /// `--data-dir`.
    pub data_directory: Option<PathBuf>,
    /// `--log-level`.
    pub log_level: Option<String>,
    /// `--new`.
    pub new_database: bool,
}

impl Overrides {
    fn layers(&self) -> Vec<Layer> {
        let port = self.port.as_deref().map(env::number);
        let directory = self.data_directory.as_ref().map(|path| json!(path));
        [
            ("server.host", "--host", self.host.clone().map(Value::from)),
            ("server.port", "--port", port),
            ("dataDirectory", "--data-dir", directory),
            ("logLevel", "--log-level", self.log_level.clone().map(Value::from)),
        ]
        .into_iter()
        .filter_map(|(key, flag, value)| Some(Layer::one(Origin::Flag(flag), key, value?)))
        .collect()
    }
}

/// One effective setting.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The key, nested by dots.
    pub key: String,
    /// The value as it may be shown: a secret's is replaced.
    pub value: Value,
    /// Where the value came from.
    pub origin: Origin,
}

/// The configuration and where each of its values came from.
#[derive(Debug)]
pub struct Loaded {
    /// The effective configuration.
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Every effective setting, sorted by key, fit to be shown.
    pub settings: Vec<Setting>,
    /// What is strange and no error, a line each.
    pub warnings: Vec<String>,
}

impl Config {
    /// Merges all sources into the effective configuration: this process's environment and the file it, or
    /// `overrides`, names.
    ///
    /// # Errors
    /// A file that was named does not exist, a source cannot be read, holds a key nobody knows or a value that is
    /// none for its key. The error is one line that names the source, the key and what was expected.
    pub fn load(overrides: &Overrides) -> Result<Loaded, ConfigError> {
        let plugins = section::registered()?;
        load(overrides, std::env::vars_os().collect(), &plugins)
    }
}

fn load(
    overrides: &Overrides,
    environment: Vec<(OsString, OsString)>,
    plugins: &[&PluginSection],
) -> Result<Loaded, ConfigError> {
    let defaults = defaults(plugins);
    let variables = env::Variables::read(environment)?;
    let file = find_file(overrides, &variables);

    let mut layers = vec![Layer { origin: Origin::Default, value: defaults.clone() }];
    let read = file::read(&file.path, &defaults, file.named_by)?;
    let found = read.is_some().then(|| file.path.clone());
    layers.extend(read);
    layers.extend(variables.layers(&defaults)?);
    layers.extend(overrides.layers());

    let (mut config, settings) = check::merge(layers, plugins)?;
    config.new_database = overrides.new_database;
    Ok(Loaded { config, file: found, settings, warnings: variables.warnings() })
}

/// The defaults as JSON, each plugin's section included: the shape every source is held against.
fn defaults(plugins: &[&PluginSection]) -> Value {
    let sections = plugins.iter().map(|p| (p.name.to_owned(), (p.default_config)())).collect();
    let config = Config { plugins: sections, ..Config::default() };
    serde_json::to_value(config).unwrap_or_default()
}

/// The configuration file to read.
struct File {
    path: PathBuf,
    /// What named it; none for the default, which need not exist.
    named_by: Option<&'static str>,
}

fn find_file(overrides: &Overrides, variables: &env::Variables) -> File {
    if let Some(path) = &overrides.file {
        File { path: path.clone(), named_by: Some("--config") }
    } else if let Some(path) = variables.get(env::CONFIG_FILE_PATH) {
        File { path: PathBuf::from(path), named_by: Some(env::CONFIG_FILE_PATH) }
    } else {
        File { path: Path::new(DEFAULT_FILE).to_owned(), named_by: None }
    }
}

#[cfg(test)]
mod tests;
