//! What cannot stand beside each other, found before anything is served, with both sides named.

use super::{PluginError, registered};
use crate::rest::Route;

/// Whose a route is, in words.
fn whose(plugin: Option<&str>) -> String {
    plugin.map_or_else(|| "the server itself".to_owned(), |name| format!("the plugin {name}"))
}

/// A path with its placeholders' names left out: two that are equal so cannot be told apart.
fn shape(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        shape.push_str(before);
        shape.push_str(if after.starts_with('*') { "{*}" } else { "{}" });
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    shape + rest
}

/// Refuses routes that cannot be told apart.
///
/// # Errors
/// Both sides, and what to do.
pub fn check_routes(own: &[Route], plugins: &[(&'static str, Route)]) -> Result<(), PluginError> {
    let mut all: Vec<(Option<&str>, &Route, String)> = Vec::with_capacity(own.len() + plugins.len());
    let sides = own.iter().map(|route| (None, route));
    for (plugin, route) in sides.chain(plugins.iter().map(|(name, route)| (Some(*name), route))) {
        let shape = shape(&route.path);
        let clash = all.iter().find(|(_, other, known)| {
            *known == shape && (other.method == route.method || other.path != route.path)
        });
        if let Some((first, other, _)) = clash {
            return Err(PluginError(format!(
                "two routes cannot be told apart: {} {} ({:?}) of {} and {} {} ({:?}) of {}; give one of them another path",
                other.method,
                other.path,
                other.summary,
                whose(*first),
                route.method,
                route.path,
                route.summary,
                whose(plugin),
            )));
        }
        all.push((plugin, route, shape));
    }
    Ok(())
}

/// Refuses names that cannot be a section, a prefix of tables and a word on the command line, and tables and subcommands
/// that two plugins, or a plugin and the program, have.
///
/// # Errors
/// Both sides, and what to do.
pub fn check_names(words: &[&str]) -> Result<(), PluginError> {
    let mut prefixes: Vec<(String, &'static str, _)> = Vec::new();
    for entry in registered()? {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let begins = entry.name.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || !entry.name.chars().all(fits) || entry.name.len() > 40 {
            return Err(PluginError(format!(
                "the plugin {:?}, registered at {}, must have a NAME of at most 40 lower-case letters, digits, - and _ that \
                 begins with a letter",
                entry.name, entry.location
            )));
        }
        let prefix = crate::store::plugin_tables::prefix(entry.name);
        // One prefix may not begin another: the one would reach the other's tables.
        let shared = |other: &str| other.starts_with(prefix.as_str()) || prefix.starts_with(other);
        let clash = prefixes.iter().find(|(other, ..)| !entry.migrations.is_empty() && shared(other));
        if let Some((_, other, location)) = clash {
            return Err(PluginError(format!(
                "the plugins {other}, registered at {location}, and {}, registered at {}, would share the names of their \
                 tables ({prefix}…); rename one of them",
                entry.name, entry.location
            )));
        }
        if words.contains(&entry.name) && (entry.subcommand)().is_some() {
            return Err(PluginError(format!(
                "the plugin {}, registered at {}, has a subcommand of the name that the program's own subcommand {} has; \
                 rename the plugin",
                entry.name, entry.location, entry.name
            )));
        }
        if !entry.migrations.is_empty() {
            prefixes.push((prefix, entry.name, entry.location));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn placeholders_are_one_whatever_their_names() {
        assert_eq!(shape("/a/{id}/b/{*rest}"), "/a/{}/b/{*}");
        assert_eq!(shape("/a"), "/a");
        assert_ne!(shape("/a/{id}"), shape("/a/{*id}"));
    }
}
