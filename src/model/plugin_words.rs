//! Words that plugins add to those of the server: permissions, and what the audit log says was done.
//!
//! They are constants of the plugins, collected at link time, so that they are read back wherever the server's own are:
//! from tokens, filters and the command line. Whether they may stand beside each other is checked before anything starts.

use std::panic::Location;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::audit::Action;
use super::permission::{Permission, Role};

/// The words of one plugin.
pub struct PluginWords {
    /// The plugin's name, with which each of them begins.
    pub plugin: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// Its permissions.
    pub permissions: &'static [Permission],
    /// What it does.
    pub actions: &'static [Action],
    /// Where it is registered.
    pub location: &'static Location<'static>,
}

inventory::collect!(PluginWords);

impl PluginWords {
    /// Those of all plugins, by the plugins' names.
    pub fn all() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().collect();
        all.sort_by_key(|words| words.plugin);
        all
    }
}

/// A permission that a plugin brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginPermission {
    /// Its name: the plugin's, a colon and a word.
    pub name: &'static str,
    /// From which role on it is had.
    pub role: Role,
    /// What it allows, as a sentence.
    pub about: &'static str,
}

/// Something that a plugin does, as the audit log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PluginAction {
    /// Its name: the plugin's, a dot and a verb.
    pub name: &'static str,
    /// What happened, as a sentence.
    pub about: &'static str,
}

impl Serialize for PluginPermission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl Serialize for PluginAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for PluginPermission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match Permission::from_name(&name) {
            Some(Permission::Plugin(permission)) => Ok(permission),
            _ => Err(serde::de::Error::custom("expected the name of a permission")),
        }
    }
}

impl<'de> Deserialize<'de> for PluginAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let all = PluginWords::all().into_iter().flat_map(|words| words.actions);
        let mut plugins = all.filter_map(|action| match action {
            Action::Plugin(action) => Some(*action),
            _ => None,
        });
        let found = plugins.find(|action| action.name == name);
        found.ok_or_else(|| serde::de::Error::custom("expected the name of an action"))
    }
}

/// Adds words to the schema of those that there are.
pub(super) fn add<'a>(schema: &mut schemars::Schema, words: impl Iterator<Item = (&'a str, &'a str)>) {
    // No two of the words are equal, which the derived schema does not know.
    if let Some(known) = schema.remove("anyOf") {
        schema.insert("oneOf".to_owned(), known);
    }
    let Some(known) = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut) else { return };
    known.extend(
        words.map(
            |(name, about)| serde_json::json!({ "description": about, "type": "string", "const": name }),
        ),
    );
}

/// The words of a schema, each with what it means.
pub(super) fn described(schema: &schemars::Schema) -> Vec<(String, String)> {
    let variants = schema.get("oneOf").and_then(serde_json::Value::as_array).into_iter().flatten();
    let text = |value: &serde_json::Value| Some(value.as_str()?.replace('\n', " "));
    variants.filter_map(|variant| Some((text(&variant["const"])?, text(&variant["description"])?))).collect()
}
