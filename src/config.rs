//! What can be configured, and its defaults.
//!
//! (The layers, their errors and `config show` are being written.)
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// How much is logged.
    pub log_level: Level,
    /// Where the database, the first admin's credentials and the local socket lie.
    pub data_directory: PathBuf,
    /// Origins besides the server's own whose pages may write, such as `https://home.example`.
    pub allowed_origins: Vec<String>,
    /// Networks of the proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// When cookies carry `Secure`.
    pub secure_cookies: SecureCookies,
    /// Whether this is production (`NODE_ENV=production`, `NITRO_ENV=production`): cookies carry `Secure`.
    pub production: bool,
    /// Where the server listens.
    pub server: ServerConfig,
    /// How log lines look and where they go.
    pub log: LogConfig,
    /// Bounds on what clients may use.
    pub limits: Limits,
    /// One section a plugin, checked by the plugin itself.
    pub plugins: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecureCookies {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerConfig {
    pub host: IpAddr,
    pub port: u16,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LogConfig {
    pub format: LogFormat,
    /// A file to log to besides standard error; none if absent.
    pub file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    Pretty,
    Json,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Connections at once; 0 chooses from the process's file limit.
    pub connections: usize,
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Seconds until a request's headers must be there.
    pub header_seconds: u64,
    /// Seconds until a request's body must be there.
    pub body_seconds: u64,
    /// Seconds a connection may idle between requests.
    pub idle_seconds: u64,
    /// Seconds agents' closing is spread over when the server stops.
    pub stop_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log_level: Level::Info,
            data_directory: PathBuf::from("./data"),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            secure_cookies: SecureCookies::Auto,
            production: false,
            server: ServerConfig::default(),
            log: LogConfig::default(),
            limits: Limits::default(),
            plugins: BTreeMap::new(),
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { host: IpAddr::from([0, 0, 0, 0]), port: 18232 }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, file: None }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 0,
            body_bytes: 64 * 1024,
            header_seconds: 10,
            body_seconds: 30,
            idle_seconds: 60,
            stop_seconds: 3,
        }
    }
}
