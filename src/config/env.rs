//! The environment: the original server's variables, and a `NETIGNITE_…` variable for every key.
//!
//! A key's variable is its parts in upper case with underscores, joined by two: `logLevel` is `NETIGNITE_LOG_LEVEL`,
//! `server.port` is `NETIGNITE_SERVER__PORT`. A secret's variable also comes as `…_FILE`, naming a file that holds
//! it. An empty variable counts as not set, as container files write it for "unless given".

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::Value;

use super::error::ConfigError;
use super::keys::{is_secret, leaves, nearest};
use super::layer::{Layer, Origin};
use crate::text::{bare, read_file, unmarked};

/// The variable that names the configuration file.
pub(super) const CONFIG_FILE_PATH: &str = "CONFIG_FILE_PATH";

const PREFIX: &str = "NETIGNITE_";

/// Variables of this prefix that are read elsewhere: they are no part of the configuration.
const NOT_CONFIGURATION: &[&str] = &[
    "NETIGNITE_AGENT_SECRET",
    "NETIGNITE_AGENT_SECRET_FILE",
    "NETIGNITE_SECRET_KEY",
    "NETIGNITE_SECRET_KEY_FILE",
    "NETIGNITE_NEW_SECRET_KEY",
    "NETIGNITE_NEW_SECRET_KEY_FILE",
    "NETIGNITE_ENROLMENT_CODE",
    "NETIGNITE_ENROLMENT_CODE_FILE",
    // What scripts call the API with.
    "NETIGNITE_TOKEN",
    "NETIGNITE_TOKEN_FILE",
    "NETIGNITE_USERNAME",
    "NETIGNITE_PASSWORD",
    "NETIGNITE_PASSWORD_FILE",
];

/// What `NODE_ENV` usually says besides `production`.
const OTHER_ENVIRONMENTS: &[&str] = &["development", "test"];

/// The largest file a `…_FILE` variable may name, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The variables that may bear on the configuration, without the empty ones.
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Picks them from the environment.
    pub(super) fn read(environment: Vec<(OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut found = BTreeMap::new();
        for (name, value) in environment {
            let Some(name) = name.to_str() else { continue };
            let ours = matches!(name, CONFIG_FILE_PATH | "NITRO_HOST" | "NITRO_PORT" | "NODE_ENV")
                || name.starts_with(PREFIX) && !NOT_CONFIGURATION.contains(&name);
            if !ours || value.is_empty() {
                continue;
            }
            let Some(value) = value.to_str() else {
                return Err(ConfigError::new(format!("{name}: expected text in UTF-8")));
            };
            // What came along with the value; inside a secret, blanks may be a part of it.
            let value = unmarked(value).trim_end_matches(['\r', '\n']);
            if !is_service_link(name, value) {
                found.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(Self(found))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What is strange in the variables and no error, a line each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let word = self.get("NODE_ENV").map(bare).unwrap_or_default();
        let known = |name: &&str| word.eq_ignore_ascii_case(name);
        if word.is_empty() || is_production(word) || OTHER_ENVIRONMENTS.iter().any(known) {
            return Vec::new();
        }
        vec![format!(
            "NODE_ENV is {word:?}, which is neither production nor development nor test: the server does not take this \
             for production; set it to production if it is"
        )]
    }

    /// One layer a variable, the original's first: ours lie over them.
    pub(super) fn layers(&self, defaults: &Value) -> Result<Vec<Layer>, ConfigError> {
        let known: Vec<Known<'_>> = leaves(defaults).into_iter().map(Known::new).collect();
        let mut layers = self.originals();
        for (name, value) in self.0.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            layers.push(self.layer(name, value, &known)?);
        }
        Ok(layers)
    }

    /// The variables of the original server. `NITRO_ENV` is absent: it chose how the original was built and run, and
    /// there is one way here. It must not make cookies `Secure`, since containers set it and may speak plain HTTP.
    fn originals(&self) -> Vec<Layer> {
        let read = |name: &str, key, value: fn(&str) -> Value| {
            Some(Layer::one(Origin::Variable(name.to_owned()), key, value(self.get(name)?)))
        };
        [
            read("NITRO_HOST", "server.host", |v| Value::from(bare(v))),
            read("NITRO_PORT", "server.port", number),
            read("NODE_ENV", "production", |v| Value::from(is_production(v))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn layer(&self, name: &str, value: &str, known: &[Known<'_>]) -> Result<Layer, ConfigError> {
        if let Some(key) = known.iter().find(|k| k.variable == name) {
            return Ok(Layer::one(Origin::Variable(name.to_owned()), &key.key, key.parse(value)));
        }
        let direct = name.strip_suffix("_FILE").unwrap_or_default();
        if let Some(key) = known.iter().find(|k| k.variable == direct && is_secret(&k.key)) {
            if self.get(direct).is_some() {
                let message = format!("{direct} and {name} are both set; unset one of them");
                return Err(ConfigError::new(message));
            }
            let path = PathBuf::from(value);
            let origin = Origin::NamedFile { variable: name.to_owned(), path: path.clone() };
            let secret = read_file(&path, MAX_SECRET_BYTES)
                .map_err(|e| ConfigError::at(&origin, format!("cannot read the file it names: {e}")))?;
            let secret = Value::from(secret.trim_end_matches(['\r', '\n']));
            return Ok(Layer::one(origin, &key.key, secret));
        }
        let variables = known.iter().map(|k| k.variable.as_str()).chain([CONFIG_FILE_PATH]);
        let hint = nearest(name, variables)
            .map(|n| format!("; the nearest known variable is {n}"))
            .unwrap_or_default();
        Err(ConfigError::new(format!("{name}: unknown variable{hint}")))
    }
}

/// A known key with its variable.
struct Known<'a> {
    key: String,
    variable: String,
    default: &'a Value,
}

impl<'a> Known<'a> {
    fn new((key, default): (String, &'a Value)) -> Self {
        let variable = variable_of(&key);
        Self { key, variable, default }
    }

    /// The text of the variable as the kind of value the key holds. Text that is none stays text, for the check to
    /// refuse with what was expected.
    fn parse(&self, text: &str) -> Value {
        let text = if is_secret(&self.key) { text } else { bare(text) };
        match self.default {
            Value::String(_) => Value::from(text),
            Value::Number(_) => number(text),
            Value::Bool(_) => match text.trim() {
                "true" | "1" => Value::from(true),
                "false" | "0" => Value::from(false),
                _ => Value::from(text),
            },
            Value::Array(_) if !text.trim_start().starts_with('[') => {
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
            }
            Value::Array(_) | Value::Object(_) => json_or_text(text),
            // An option without a default: only a plugin's may be anything but text.
            Value::Null if is_secret(&self.key) || !self.key.starts_with("plugins.") => Value::from(text),
            Value::Null => json_or_text(text),
        }
    }
}

/// Whether `NODE_ENV` says that this is production.
fn is_production(word: &str) -> bool {
    bare(word).eq_ignore_ascii_case("production")
}

/// The number a text holds, else the text.
pub(super) fn number(text: &str) -> Value {
    text.trim().parse::<serde_json::Number>().map_or_else(|_| Value::from(text), Value::Number)
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// The variable of a key: `plugins.metrics.bindAddress` is `NETIGNITE_PLUGINS__METRICS__BIND_ADDRESS`.
pub(super) fn variable_of(key: &str) -> String {
    let mut name = PREFIX.to_owned();
    for c in key.chars() {
        match c {
            '.' => name.push_str("__"),
            '-' => name.push('_'),
            c if c.is_ascii_uppercase() => name.extend(['_', c]),
            c => name.push(c.to_ascii_uppercase()),
        }
    }
    name
}

/// Whether a container platform set the variable for a service called netignite: Kubernetes and linked containers
/// announce services as `NETIGNITE_SERVICE_HOST`, `NETIGNITE_PORT=tcp://…`, `NETIGNITE_PORT_18232_TCP_ADDR` and such.
fn is_service_link(name: &str, value: &str) -> bool {
    let port = || {
        let (_, rest) = name.rsplit_once("_PORT_")?;
        let (digits, protocol) = rest.split_once('_')?;
        let numeric = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        Some(numeric && (protocol.starts_with("TCP") || protocol.starts_with("UDP")))
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT") && (value.starts_with("tcp://") || value.starts_with("udp://"))
        || port().unwrap_or(false)
}
