//! The sections of plugins, as far as the configuration has to know of them: each plugin registers its own.

use std::collections::BTreeMap;
use std::panic::Location;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ConfigError;
use crate::json::secrets;

/// The section `plugins.<name>` of a plugin.
pub struct PluginSection {
    /// The plugin's name.
    pub name: &'static str,
    /// Where the plugin is registered.
    pub location: &'static Location<'static>,
    /// Its defaults.
    pub default_config: fn() -> Value,
    /// Checks a section; the error names key and expectation.
    pub check_config: fn(&Value) -> Result<(), String>,
    /// Keys that the plugin looks up when it needs them.
    pub live: &'static [&'static str],
    /// What its keys are for.
    pub meanings: &'static [(&'static str, &'static str)],
    /// Whether its type keeps what lies at a path in a section from being shown.
    pub hides: fn(&Value, &str) -> bool,
}

impl PluginSection {
    /// The section of the plugin `name` whose type is `C`, with the caller's place in the source.
    #[track_caller]
    pub const fn of<C: Serialize + DeserializeOwned + Default>(
        name: &'static str,
        live: &'static [&'static str],
        meanings: &'static [(&'static str, &'static str)],
        check_config: fn(&Value) -> Result<(), String>,
    ) -> Self {
        let default_config = || serde_json::to_value(C::default()).unwrap_or_default();
        Self {
            name,
            location: Location::caller(),
            default_config,
            check_config,
            live,
            meanings,
            hides: hides::<C>,
        }
    }
}

/// In the defaults, or in the section as it is, where there may be more.
fn hides<C: Serialize + DeserializeOwned + Default>(section: &Value, path: &str) -> bool {
    secrets::hides(&C::default(), path)
        || C::deserialize(section).is_ok_and(|section| secrets::hides(&section, path))
}

/// Whether the type of a plugin's section keeps what lies at `key` from being shown. Of sections that are at hand its inner
/// values are known, too.
pub(super) fn is_hidden(sections: &BTreeMap<String, Value>, key: &str) -> bool {
    inventory::iter::<PluginSection>.into_iter().any(|plugin| {
        let inner = key.strip_prefix("plugins.").and_then(|key| key.strip_prefix(plugin.name));
        let path = inner.and_then(|path| path.strip_prefix('.'));
        path.is_some_and(|path| (plugin.hides)(sections.get(plugin.name).unwrap_or(&Value::Null), path))
    })
}

/// Reads the section of the plugin `name`.
///
/// # Errors
/// The key that is wrong, and what was expected.
pub fn parse<C: DeserializeOwned>(name: &str, section: &Value) -> Result<C, String> {
    serde_path_to_error::deserialize(section).map_err(|e| wrong(name, &e))
}

fn wrong(name: &str, e: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = e.path().to_string();
    let key = if path == "." { String::new() } else { format!(".{path}") };
    format!("plugins.{name}{key}: {}", e.inner())
}

/// Checks the section of the plugin `name`. A key that its type makes nothing of is refused even where the type itself passes
/// over it, since it does not deny unknown fields.
///
/// # Errors
/// As for [`parse`].
pub fn check<C: DeserializeOwned>(name: &str, section: &Value) -> Result<(), String> {
    let mut passed_over = None;
    let mut keep = |path: serde_ignored::Path<'_>| {
        passed_over.get_or_insert_with(|| path.to_string());
    };
    let section = serde_ignored::Deserializer::new(section, &mut keep);
    serde_path_to_error::deserialize::<_, C>(section).map_err(|e| wrong(name, &e))?;
    let Some(path) = passed_over else { return Ok(()) };
    // What is optional is named by a step of its own.
    let path = path.replace(".?", "");
    let key = path.rsplit_once('.').map_or(path.as_str(), |(_, key)| key);
    Err(format!("plugins.{name}.{path}: unknown field `{key}`"))
}

/// All sections, sorted by name.
///
/// # Errors
/// Two plugins carry one name; both places in the source are named.
pub fn registered() -> Result<Vec<&'static PluginSection>, ConfigError> {
    let sections = inventory::iter::<PluginSection>.into_iter().collect();
    unique(sections, |section| (section.name, section.location)).map_err(ConfigError::new)
}

/// What plugins registered, sorted by name.
pub(crate) fn unique<T>(
    mut all: Vec<&'static T>,
    of: fn(&T) -> (&'static str, &'static Location<'static>),
) -> Result<Vec<&'static T>, String> {
    all.sort_by_key(|one| {
        let (name, location) = of(one);
        (name, location.file(), location.line())
    });
    for pair in all.windows(2) {
        let [(name, one), (other_name, other)] = [of(pair[0]), of(pair[1])];
        if name == other_name {
            return Err(format!(
                "two plugins are called {name}: one registered at {one}, one at {other}; rename one of them"
            ));
        }
    }
    Ok(all)
}

inventory::collect!(PluginSection);
