//! From merged layers to settings: the types, the bounds, the plugins' sections. One clear error if they do not fit.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use figment::Figment;
use serde_json::Value;

use super::error::ConfigError;
use super::file::unknown_key;
use super::keys::{self, SECTION, expected, is_secret, join, leaves, redacted};
use super::layer::{Layer, Origin};
use super::section::PluginSection;
use super::{Config, Setting};
use crate::json::expected_in_words;

/// The longest value an error shows, in characters.
const SHOWN: usize = 60;

/// Merges the layers, the later over the earlier, and checks the result.
pub(super) fn merge(
    layers: Vec<Layer>,
    plugins: &[&PluginSection],
) -> Result<(Config, Vec<Setting>), ConfigError> {
    let figment = layers.iter().fold(Figment::new(), Figment::merge);
    let merged = Merged { figment, layers };
    let config: Config = merged.figment.extract().map_err(|e| merged.refuse(&e.path.join(".")))?;
    if let Some(key) = out_of_bounds(&config) {
        return Err(merged.refuse(key));
    }
    for plugin in plugins {
        let section = config.plugins.get(plugin.name).cloned().unwrap_or_default();
        (plugin.check_config)(&section).map_err(|e| merged.refuse_plugin(plugin.name, &section, &e))?;
    }
    let settings = merged.settings(&config);
    Ok((config, settings))
}

struct Merged {
    figment: Figment,
    layers: Vec<Layer>,
}

impl Merged {
    /// Where the value of `key` came from, or else the section it lies in.
    fn origin(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(metadata) = self.figment.find_metadata(key) {
                let found = self.layers.iter().map(|l| &l.origin).find(|o| o.to_string() == metadata.name);
                return found.cloned().unwrap_or(Origin::Default);
            }
            match key.rsplit_once('.') {
                Some((parent, _)) => key = parent,
                None => return Origin::Default,
            }
        }
    }

    fn value(&self, key: &str) -> Option<Value> {
        self.figment.extract_inner(key).ok()
    }

    /// The error about the value of one of the server's own keys, or an element of it.
    fn refuse(&self, path: &str) -> ConfigError {
        // An element of a list is named by its list: that is the key somebody wrote.
        let key = path.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit());
        let expected = expected(key);
        // What stands where a section belongs may be anything, a secret too.
        let found = match self.value(key) {
            Some(value) if expected != SECTION => found(key, &value),
            _ => String::new(),
        };
        ConfigError::at(&self.origin(key), format!("{key}: expected {expected}{found}"))
    }

    /// The error about a plugin's section, without what serde tells of the value in it.
    fn refuse_plugin(&self, plugin: &str, section: &Value, error: &str) -> ConfigError {
        let root = join("plugins", plugin);
        let (path, message) = error.split_once(": ").unwrap_or((&root, error));
        let defaults = &self.layers[0].value;
        if let Some(name) = quoted_after(message, "unknown field `") {
            let parent = path.strip_suffix(name).map_or(path, |p| p.trim_end_matches('.'));
            let key = join(parent, name);
            return unknown_key(&self.origin(&key), &key, defaults);
        }
        let at = path.strip_prefix(&root).unwrap_or_default().split('.').filter(|s| !s.is_empty());
        let value = at.clone().try_fold(section, |v, segment| v.get(segment));
        let given = value.filter(|_| path != root).map(|v| found(path, v)).unwrap_or_default();
        let echoes = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `"];
        let text = match message.rfind(", expected ") {
            Some(i) if echoes.iter().any(|prefix| message.starts_with(prefix)) => {
                format!("expected {}{given}", expected_in_words(&message[i + ", expected ".len()..]))
            }
            _ if mentions_secret(message, path, &root, section) => "the value is not valid here".to_owned(),
            _ => format!("{message}{given}"),
        };
        // A plugin that looks at several keys together names the wrong one itself.
        match text.starts_with(&format!("{path}.")) {
            true => ConfigError::at(&self.origin(path), text),
            false => ConfigError::at(&self.origin(path), format!("{path}: {text}")),
        }
    }

    fn settings(&self, config: &Config) -> Vec<Setting> {
        let tree = serde_json::to_value(config).unwrap_or_default();
        let mut settings: Vec<_> = leaves(&tree)
            .into_iter()
            .map(|(key, value)| Setting {
                value: redacted(&config.plugins, &key, value),
                origin: self.origin(&key),
                key,
            })
            .collect();
        settings.sort_by(|a, b| a.key.cmp(&b.key));
        settings
    }
}

/// What was found at `key`, for the end of an error; nothing of a secret.
fn found(key: &str, value: &Value) -> String {
    let text = redacted(&BTreeMap::new(), key, value).to_string();
    // An address with an @ may carry a password before it.
    if is_secret(key) || text.contains('@') {
        return String::new();
    }
    let short: String = text.chars().take(SHOWN).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!(", found {short}{more}")
}

fn quoted_after<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.split('`').next()
}

/// Whether a plugin's own words hold a secret of its section.
fn mentions_secret(message: &str, path: &str, root: &str, section: &Value) -> bool {
    leaves(section).iter().any(|(key, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (is_secret(&join(root, key)) || is_secret(path)) && !text.is_empty() && message.contains(&text)
    })
}

/// The first key whose value has the right type and is yet none.
fn out_of_bounds(config: &Config) -> Option<&'static str> {
    let no_name = config.log.file.as_ref().is_some_and(|file| file.file_name().is_none());
    let bad = [
        ("allowedHosts", !config.allowed_hosts.iter().all(|host| is_host(host))),
        ("allowedOrigins", !config.allowed_origins.iter().all(|o| is_origin(o))),
        ("dataDirectory", config.data_directory.as_os_str().is_empty()),
        ("log.file", no_name),
    ];
    let bad = bad.into_iter().find(|(_, bad)| *bad).map(|(key, _)| key);
    let tree = serde_json::to_value(config).unwrap_or_default();
    let value = |key: &str| key.split('.').try_fold(&tree, |value, name| value.get(name));
    let numbers = || keys::all().iter().find(|key| value(&key.name).is_some_and(|value| !key.admits(value)));
    bad.or_else(|| numbers().map(|key| key.name.as_str()))
}

/// Whether `text` is a host without a port.
fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let name = |host: &str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    bare.parse::<Ipv6Addr>().is_ok() || name(text)
}

/// Whether `text` is an origin as browsers send it: scheme, host and perhaps port. A slash behind it comes along with
/// what is copied from a browser. Names beyond ASCII are sent in another form (`xn--…`), and would never match.
fn is_origin(text: &str) -> bool {
    let host = match text.split_once("://") {
        Some((scheme, host)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            Some(host.strip_suffix('/').unwrap_or(host))
        }
        _ => None,
    };
    host.is_some_and(|host| {
        !host.is_empty()
            && host.is_ascii()
            && !host.contains(|c: char| "/?#@*\\".contains(c) || c.is_whitespace() || c.is_control())
    })
}
