//! What a configuration that was read again changes: the keys that `settings` marks as live, and those of its section that a
//! plugin names itself. All others wait for a restart.

use std::collections::BTreeMap;

use serde_json::Value;

use super::keys::{self, leaves};
use super::section::{PluginSection, registered};
use super::settings::Config;

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
        let mut config = self.with_live(fresh).unwrap_or_else(|_| self.clone());
        config.plugins = self.plugins_with(&fresh.plugins, registered().as_deref().unwrap_or_default());
        Reloaded { changed: differing(self, &config), waiting: differing(&config, fresh), config }
    }

    /// This configuration with the values that `fresh` has for the live keys.
    fn with_live(&self, fresh: &Self) -> serde_json::Result<Self> {
        let [mut tree, fresh] = [serde_json::to_value(self)?, serde_json::to_value(fresh)?];
        for key in keys::all().iter().filter(|key| key.live) {
            let pointer = format!("/{}", key.name.replace('.', "/"));
            if let (Some(value), Some(fresh)) = (tree.pointer_mut(&pointer), fresh.pointer(&pointer)) {
                *value = fresh.clone();
            }
        }
        Ok(Self { new_database: self.new_database, ..serde_json::from_value(tree)? })
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

        // What waits is logged again, what is in force is not.
        let again = config.reloaded(&fresh);
        assert!(again.changed.is_empty());
        assert_eq!(again.waiting, waiting);
        assert!(config.reloaded(&config).waiting.is_empty());
    }
}
