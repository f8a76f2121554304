//! What can be configured: each key with its meaning, what it takes and its default.
//!
//! What stands at a field is all that is written of its key, in code: `keys` reads meaning, bounds and the rest out of the
//! types' schema. `range` bounds a number, and beside it `zero` says what 0 means where it lies outside; `expected` says in
//! words what other values there are; `live` marks the keys that are looked up whenever they are needed, so that a reload
//! changes them. All others are used once, at the start: what was made with them would have to be made anew.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::keys::redacted;

/// The whole configuration.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// How much is logged.
    #[schemars(extend("live" = true))]
    pub log_level: Level,
    /// Where the database, the first admin's credentials and the local socket lie.
    #[schemars(extend("expected" = "the path of a directory"))]
    pub data_directory: PathBuf,
    /// Origins besides the server's own whose pages may write, such as `https://home.example`.
    #[schemars(extend("expected" = "a list of origins such as \"https://home.example\", without a path", "live" = true))]
    pub allowed_origins: Vec<String>,
    /// The hosts under which the server answers; any if empty. It keeps out pages that give their own name this server's
    /// address (DNS rebinding). `/livez` and `/readyz` answer under any.
    #[schemars(extend("expected" = "a list of host names such as \"home.example\" and of addresses, without a port", "live" = true))]
    pub allowed_hosts: Vec<String>,
    /// Networks of the proxies whose `X-Forwarded-*` headers are believed.
    #[serde(deserialize_with = "networks")]
    #[schemars(with = "Vec<String>", extend("expected" = "a list of networks such as \"10.0.0.0/8\" or single addresses such as \"192.0.2.1\"", "live" = true))]
    pub trusted_proxies: Vec<IpNet>,
    /// When cookies carry `Secure`. `auto`: in production, and where a trusted proxy says that the client speaks https.
    #[schemars(extend("live" = true))]
    pub secure_cookies: SecureCookies,
    /// Whether this is production (`NODE_ENV=production`): cookies carry `Secure` unless `secureCookies` says never.
    #[schemars(extend("live" = true))]
    pub production: bool,
    /// What is asked of whoever logs in.
    pub auth: AuthConfig,
    /// Where the server listens.
    pub server: ServerConfig,
    /// How log lines look and where they go.
    pub log: LogConfig,
    /// How much of the audit log is kept.
    pub audit: AuditConfig,
    /// How long operations are kept.
    pub operations: OperationsConfig,
    /// Bounds on what clients may use.
    pub limits: Limits,
    /// One section a plugin, checked by the plugin itself.
    pub plugins: BTreeMap<String, Value>,
    /// Whether a new database may be made beside the key of another (`--new`). No source but the command line says so.
    #[serde(skip)]
    pub new_database: bool,
}

/// How much is logged: messages of this weight and heavier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What helps to find a fault.
    Debug,
    /// What an operator wants to have read.
    Info,
    /// What may need attention.
    Warn,
    /// What failed.
    Error,
    /// What ends the server or loses data.
    Critical,
}

/// When cookies carry `Secure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecureCookies {
    /// In production, and when a trusted proxy says that the client speaks https.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What is asked of whoever logs in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AuthConfig {
    /// The roles whose users must have a second factor.
    #[schemars(extend("expected" = "a list of the roles \"user\" and \"admin\"", "live" = true))]
    pub require_totp: Vec<RoleWord>,
}

/// A role in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoleWord {
    /// Users who are no admins.
    User,
    /// Admins and superadmins.
    Admin,
}

/// Where the server listens.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerConfig {
    /// The address to bind. `localhost` is taken for 127.0.0.1; other names are not looked up, since what they mean
    /// may change while the server runs.
    #[serde(deserialize_with = "host")]
    #[schemars(extend("expected" = "an IP address such as \"0.0.0.0\", \"127.0.0.1\" or \"::\", or \"localhost\""))]
    pub host: IpAddr,
    /// The port to bind; 0 lets the system choose one.
    pub port: u16,
}

/// How log lines look and where they go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LogConfig {
    /// How lines on standard error look: `auto` is pretty on a terminal, else JSON. In a file they are always JSON.
    pub format: LogFormat,
    /// A file to log to besides standard error; none if absent. Each day has its own, the date written into the
    /// name: `./logs/netignite.log` makes `./logs/netignite.2030-01-31.log`.
    #[schemars(extend("expected" = "the path of a file, or null for none"))]
    pub file: Option<PathBuf>,
    /// How many days' files are kept.
    #[schemars(range(min = 1, max = 3650), extend("unit" = "days"))]
    pub keep_days: usize,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// How much of the audit log is kept.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AuditConfig {
    /// Days an entry is kept.
    #[schemars(range(min = 1, max = 36_500), extend("unit" = "days", "zero" = "for ever", "live" = true))]
    pub retention_days: u32,
    /// Entries that are kept at most. Beyond it goes what one actor has most of.
    #[schemars(range(min = 1000, max = 100_000_000), extend("zero" = "for no bound", "live" = true))]
    pub max_entries: u32,
}

/// How many of the operations that have ended are kept.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OperationsConfig {
    /// Days one is kept.
    #[schemars(range(min = 1, max = 36_500), extend("unit" = "days", "zero" = "for ever", "live" = true))]
    pub retention_days: u32,
    /// Operations that are kept at most. Beyond it go the oldest of whoever has most.
    #[schemars(range(min = 1000, max = 100_000_000), extend("zero" = "for no bound", "live" = true))]
    pub max_entries: u32,
}

/// Bounds on what clients may use.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Connections at once. One address (IPv6: one /64 network) may have half of them, a trusted proxy all.
    #[schemars(range(min = 1, max = 1_000_000), extend("zero" = "to choose from the process's file limit"))]
    pub connections: usize,
    /// Agents that one user may have. Beyond it 409, code `quota_reached`.
    #[schemars(range(min = 1, max = 1_000_000), extend("zero" = "for no bound", "live" = true))]
    pub agents_per_user: u32,
    /// Devices that one user may have. Beyond it 409, code `quota_reached`.
    #[schemars(range(min = 1, max = 1_000_000), extend("zero" = "for no bound", "live" = true))]
    pub devices_per_user: u32,
    /// Answers that are under way to all users at once, until their last byte was written. Beyond it 503 with `Retry-After`.
    #[schemars(range(min = 1, max = 1_000_000), extend("zero" = "for no bound", "live" = true))]
    pub answers: usize,
    /// Answers that are under way to one user at once.
    #[schemars(range(min = 1, max = 1_000_000), extend("zero" = "for no bound", "live" = true))]
    pub answers_per_user: usize,
    /// The largest request body.
    #[schemars(range(min = 1024, max = 16_777_216), extend("unit" = "bytes", "live" = true))]
    pub body_bytes: usize,
    /// Seconds until a request's headers must be there.
    #[schemars(range(min = 1, max = 3600), extend("unit" = "seconds"))]
    pub header_seconds: u64,
    /// Seconds until a request's body must be there.
    #[schemars(range(min = 1, max = 3600), extend("unit" = "seconds", "live" = true))]
    pub body_seconds: u64,
    /// Seconds a connection may idle between requests: longer than proxies let theirs, or they would send a request into
    /// one that is being closed.
    #[schemars(range(min = 1, max = 86_400), extend("unit" = "seconds"))]
    pub idle_seconds: u64,
    /// Seconds agents' closing is spread over when the server stops.
    #[schemars(range(min = 0, max = 60), extend("unit" = "seconds", "live" = true))]
    pub stop_seconds: u64,
}

// Written by hand so that a plugin's secrets do not show.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tree = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        write!(f, "Config {}", redacted(&self.plugins, "", &tree))
    }
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| D::Error::custom("not an IP address"))
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let network = |text: &String| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    texts.iter().map(network).collect::<Result<_, _>>().map_err(|_| D::Error::custom("not a network"))
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log_level: Level::Info,
            data_directory: PathBuf::from("./data"),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            secure_cookies: SecureCookies::Auto,
            production: false,
            auth: AuthConfig::default(),
            server: ServerConfig::default(),
            log: LogConfig::default(),
            audit: AuditConfig::default(),
            operations: OperationsConfig::default(),
            limits: Limits::default(),
            plugins: BTreeMap::new(),
            new_database: false,
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
        Self { format: LogFormat::Auto, file: None, keep_days: 14 }
    }
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { retention_days: 365, max_entries: 1_000_000 }
    }
}

impl Default for OperationsConfig {
    fn default() -> Self {
        Self { retention_days: 90, max_entries: 1_000_000 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 0,
            agents_per_user: 10_000,
            devices_per_user: 10_000,
            answers: 1024,
            answers_per_user: 128,
            body_bytes: 64 * 1024,
            header_seconds: 10,
            body_seconds: 30,
            idle_seconds: 75,
            stop_seconds: 3,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text))
            .map_err(|_| format!("expected {}", super::keys::expected("logLevel")))
    }
}
