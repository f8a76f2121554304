//! Every key that there is with all that is known of it, for people who look for one. Plugins' keys say what their plugin
//! wrote of them.

use serde::Serialize;
use serde_json::Value;

use super::env::variable_of;
use super::section::{PluginSection, registered};
use super::{ConfigError, defaults, keys};

/// A configuration key.
#[derive(Debug, Serialize)]
pub struct Reference {
    /// Its name, nested by dots.
    pub key: String,
    /// The environment variable that sets it.
    pub variable: String,
    /// Its value where nothing sets it.
    pub default: Value,
    /// What it expects, in words; none of a plugin's, which checks its section itself.
    pub expected: Option<&'static str>,
    /// What it is for; none where a plugin does not say.
    pub meaning: Option<&'static str>,
    /// Whether SIGHUP changes it while the server runs.
    pub live: bool,
}

/// All keys, sorted by name.
///
/// # Errors
/// Two plugins carry one name.
pub fn reference() -> Result<Vec<Reference>, ConfigError> {
    let plugins = registered()?;
    let tree = defaults(&plugins);
    let mut found: Vec<_> =
        keys::leaves(&tree).into_iter().map(|(key, default)| one(key, default, &plugins)).collect();
    // A plugin without keys is no key.
    found.retain(|one| one.default != Value::Object(serde_json::Map::new()));
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

fn one(key: String, default: &Value, plugins: &[&PluginSection]) -> Reference {
    let variable = variable_of(&key);
    let default = default.clone();
    if let Some(known) = keys::all().iter().find(|known| known.name == key) {
        let (expected, meaning) = (Some(known.expected.as_str()), Some(known.meaning.as_str()));
        return Reference { key, variable, default, expected, meaning, live: known.live };
    }
    let inner = key.strip_prefix("plugins.").and_then(|rest| rest.split_once('.'));
    let section = inner.and_then(|(name, inner)| Some((plugins.iter().find(|p| p.name == name)?, inner)));
    let meaning = section.and_then(|(section, inner)| {
        section.meanings.iter().find(|(key, _)| *key == inner).map(|(_, meaning)| *meaning)
    });
    let live = section.is_some_and(|(section, inner)| section.live.contains(&inner));
    Reference { key, variable, default, expected: None, meaning, live }
}
