//! Which settings change while the server runs: those that are looked up whenever they are needed.
//!
//! A plugin names those of its section itself. All others are used once, at the start: what was bound, opened or started with them would have to be made anew,
//! and every connection with it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::keys::leaves;
use super::section::{PluginSection, registered};
use super::settings::{Config, Limits};

/// What a configuration that was read again changes.
#[derive(Debug)]
pub struct Reloaded {
    /// The configuration in force from now on.
    pub config: Config,
    /// The keys whose new values are in it, sorted.
    pub changed: Vec<String>,
    /// The keys whose new values count from the next start on, sorted.
    pub waiting: Vec<String>,
}

impl Config {
    /// This configuration, which is in force, with what `fresh` says of all that can change while running.
    pub fn reloaded(&self, fresh: &Self) -> Reloaded {
        let Self {
            allowed_hosts,
            allowed_origins,
            trusted_proxies,
            secure_cookies,
            production,
            auth,
            audit,
            operations,
            limits,
            ..
        } = fresh.clone();
        let config = Self {
            log_level: fresh.log_level,
            allowed_hosts,
            allowed_origins,
            trusted_proxies,
            secure_cookies,
            production,
            auth,
            audit,
            operations,
            limits: Limits {
                agents_per_user: limits.agents_per_user,
                devices_per_user: limits.devices_per_user,
                answers: limits.answers,
                answers_per_user: limits.answers_per_user,
                body_bytes: limits.body_bytes,
                body_seconds: limits.body_seconds,
                stop_seconds: limits.stop_seconds,
                ..self.limits
            },
            plugins: self.plugins_with(&fresh.plugins, registered().as_deref().unwrap_or_default()),
            ..self.clone()
        };
        Reloaded { changed: differing(self, &config), waiting: differing(&config, fresh), config }
    }
}

impl Config {
    /// The plugins' sections in force, with what `fresh` says of the keys that plugins look up when they need them. A
    /// section that would not be good so stays as it is.
    fn plugins_with(
        &self,
        fresh: &BTreeMap<String, Value>,
        plugins: &[&PluginSection],
    ) -> BTreeMap<String, Value> {
        let mut sections = self.plugins.clone();
        for plugin in plugins {
            let (Some(section), Some(fresh)) = (sections.get_mut(plugin.name), fresh.get(plugin.name)) else {
                continue;
            };
            let mut changed = section.clone();
            for key in plugin.live {
                match fresh.get(key) {
                    Some(value) => changed[*key] = value.clone(),
                    None => drop(changed.as_object_mut().and_then(|section| section.remove(*key))),
                }
            }
            if (plugin.check_config)(&changed).is_ok() {
                *section = changed;
            }
        }
        sections
    }
}

/// The keys that do not have the same value in both, secrets too.
fn differing(one: &Config, other: &Config) -> Vec<String> {
    let [one, other] = [one, other].map(|config| serde_json::to_value(config).unwrap_or_default());
    let [one, other] =
        [&one, &other].map(|tree| leaves(tree).into_iter().collect::<BTreeMap<String, &Value>>());
    let mut keys: Vec<_> = one.keys().chain(other.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().filter(|key| one.get(*key) != other.get(*key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Level, RoleWord, SecureCookies};

    #[test]
    fn what_changes_and_what_waits_is_named_by_key() {
        let mut now = Config::default();
        now.plugins.insert("metrics".into(), json!({"token": "a token of old", "enabled": true}));
        let mut fresh = now.clone();
        fresh.log_level = Level::Debug;
        fresh.secure_cookies = SecureCookies::Always;
        fresh.auth.require_totp = vec![RoleWord::Admin];
        fresh.limits.body_bytes = 2048;
        fresh.limits.idle_seconds = 5;
        fresh.server.port = 1;
        fresh.plugins.insert("metrics".into(), json!({"token": "a token of today", "enabled": true}));

        let Reloaded { config, changed, waiting } = now.reloaded(&fresh);
        let live =
            ["auth.requireTotp", "limits.bodyBytes", "logLevel", "plugins.metrics.token", "secureCookies"];
        assert_eq!(changed, live);
        assert_eq!(waiting, ["limits.idleSeconds", "server.port"]);
        assert_eq!((config.limits.body_bytes, config.limits.idle_seconds), (2048, now.limits.idle_seconds));
        assert_eq!(config.server.port, now.server.port);

        // What waits is told again, what is in force is not.
        let again = config.reloaded(&fresh);
        assert!(again.changed.is_empty());
        assert_eq!(again.waiting, waiting);
        assert!(config.reloaded(&config).waiting.is_empty());
    }
}
