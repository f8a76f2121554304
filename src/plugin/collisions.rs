//! What cannot stand beside each other, found before anything is served, with both sides named.

use super::declared::{LONGEST_ABOUT, LONGEST_WORD, is_about, is_name, is_word};
use super::{PluginError, registered};
use crate::config::section::{self, PluginSection};
use crate::model::audit::Action;
use crate::model::permission::Permission;
use crate::model::plugin_words::PluginWords;
use crate::rest::router::is_path;
use crate::rest::{Access, Method, Route};
use crate::store::Unit;

/// Whose a route is, in words.
fn whose(plugin: Option<&str>) -> String {
    plugin.map_or_else(|| "the server itself".to_owned(), |name| format!("the plugin {name}"))
}

/// A path with its placeholders' names left out: two that are equal so cannot be distinguished.
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

/// What is wrong with a route by itself: a path that no request has, or a page that nobody can open. `is_page` says whether a
/// path can be got.
fn fault(route: &Route, is_page: impl Fn(&str) -> bool) -> Option<String> {
    let path = &*route.path;
    if !is_path(path) {
        return Some("a path begins with a slash, and does not end with one".to_owned());
    }
    if let Some(c) = path.chars().find(|c| "?#%\\".contains(*c) || c.is_whitespace() || c.is_control()) {
        return Some(format!(
            "a path holds no {c:?}; what follows a question mark is read with call.query(…)"
        ));
    }
    for part in path.split('/') {
        let name = part.trim_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != '-' && c != '.');
        let is_whole = part.matches('{').count() == part.matches('}').count()
            && part.find('{').is_none_or(|at| part[at..].find('}').is_some_and(|end| end > 1));
        if part.starts_with([':', '<', '*']) || !is_whole {
            return Some(format!("a placeholder is written {{{name}}}, and not {part}"));
        }
    }
    let is_for_people = route.or_login || route.navigation.is_some();
    if is_for_people && route.access == Access::Operator {
        return Some(
            "nobody can open this page: unless a row says for whom it is, it is for the local operator alone; add \
             .signed_in(), .needs(…) or .public()"
                .to_owned(),
        );
    }
    if route.or_login && route.method != Method::GET && !is_page(path) {
        return Some(format!(
            "whoever is sent to the login comes back with GET, and there is no GET {path}; add one, or leave .or_login() out"
        ));
    }
    None
}

/// Refuses routes that cannot be distinguished, and those that ask for a permission that no plugin brings.
///
/// # Errors
/// Both sides, and what to do.
pub fn check_routes(own: &[Route], plugins: &[(&'static str, Route)]) -> Result<(), PluginError> {
    let mut all: Vec<(Option<&str>, &Route, String)> = Vec::with_capacity(own.len() + plugins.len());
    let sides = || {
        own.iter().map(|route| (None, route)).chain(plugins.iter().map(|(name, route)| (Some(*name), route)))
    };
    let is_page = |path: &str| sides().any(|(_, route)| route.method == Method::GET && route.path == path);
    for (plugin, route) in sides() {
        if let Some(fault) = fault(route, is_page) {
            let (method, path) = (&route.method, &route.path);
            return Err(PluginError(format!("{method} {path} of {}: {fault}", whose(plugin))));
        }
        let shape = shape(&route.path);
        let clash = all.iter().find(|(_, other, known)| {
            *known == shape && (other.method == route.method || other.path != route.path)
        });
        if let Some((first, other, _)) = clash {
            return Err(PluginError(format!(
                "two routes cannot be distinguished: {} {} ({:?}) of {} and {} {} ({:?}) of {}; give one of them another path",
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
        for permission in route.access.permissions() {
            if Permission::from_name(permission.name()) != Some(*permission) {
                return Err(PluginError(format!(
                    "{} {} of {} asks for the permission {}, which no plugin brings as it stands there; list it in the \
                     PERMISSIONS of the plugin",
                    route.method,
                    route.path,
                    whose(plugin),
                    permission.name()
                )));
            }
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
        if !is_name(entry.name) {
            return Err(PluginError(format!(
                "the plugin {:?}, registered at {}, must have a NAME of at most 40 lower-case letters, digits, - and _ that \
                 begins with a letter",
                entry.name, entry.location
            )));
        }
        let prefix = Unit::Plugin(entry.name).prefix();
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
    check_keys(&section::registered().map_err(|e| PluginError(e.to_string()))?)?;
    check_words()
}

/// Refuses what is said of keys that a plugin's section does not have.
///
/// # Errors
/// The key and the plugin, and the keys that there are.
fn check_keys(sections: &[&PluginSection]) -> Result<(), PluginError> {
    for section in sections {
        let whole = (section.default_config)();
        let has = |key: &str| key.split('.').try_fold(&whole, |at, part| at.get(part)).is_some();
        let meanings = section.meanings.iter().map(|(key, _)| ("KEYS", *key));
        let mut said = meanings.chain(section.live.iter().map(|key| ("LIVE", *key)));
        if let Some((constant, key)) = said.find(|(_, key)| !has(key)) {
            let keys: Vec<_> = whole.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            let there_are = match keys.join(", ") {
                none if none.is_empty() => "it has none".to_owned(),
                keys => format!("it has {keys}"),
            };
            return Err(PluginError(format!(
                "the plugin {}, registered at {}, names in {constant} the key {key:?}, which its Config does not have: \
                 {there_are}",
                section.name, section.location
            )));
        }
    }
    Ok(())
}

/// Refuses permissions and actions of plugins that do not bear their plugin's name, that the server has, or that come
/// twice.
///
/// # Errors
/// Both sides, and what to do.
fn check_words() -> Result<(), PluginError> {
    check_words_of(&PluginWords::all())
}

fn check_words_of(all: &[&PluginWords]) -> Result<(), PluginError> {
    let actions = Action::described();
    let servers = server_words(&actions);
    for words in all {
        let whose = format!("the plugin {}, registered at {}", words.plugin, words.location);
        let permissions = words.permissions.iter().map(|permission| match permission {
            Permission::Plugin(of) => ("permission", ':', of.name, Some(of.about)),
            own => ("permission", ':', own.name(), None),
        });
        let actions = words.actions.iter().map(|action| match action {
            Action::Plugin(of) => ("action", '.', of.name, Some(of.about)),
            _ => ("action", '.', "of the server", None),
        });
        let mut seen = Vec::new();
        for (what, mark, name, about) in permissions.chain(actions) {
            let refuse = |why: String| Err(PluginError(format!("the {what} {name} of {whose}, {why}")));
            let Some(about) = about else {
                return refuse(format!(
                    "is the server’s own; make one with of_plugin, named {}{mark}…",
                    words.plugin
                ));
            };
            if !is_word(name, words.plugin, mark) {
                return refuse(format!(
                    "must be named {}{mark} and a word of lower-case letters, digits, - and _, {LONGEST_WORD} characters \
                     in all",
                    words.plugin
                ));
            }
            if !is_about(about) {
                return refuse(format!("must say on one line of 1 to {LONGEST_ABOUT} characters what it is"));
            }
            if servers.contains(&name) {
                return refuse(format!("has the name of the server’s own {what} {name}; rename the plugin"));
            }
            if seen.contains(&name) {
                return refuse("is listed twice; remove one".to_owned());
            }
            seen.push(name);
        }
    }
    Ok(())
}

/// The names of the server's own permissions and, of those of all actions, of its own actions.
fn server_words(actions: &[(String, String)]) -> Vec<&str> {
    let mut words: Vec<_> = actions.iter().map(|(name, _)| name.as_str()).collect();
    for action in PluginWords::all().into_iter().flat_map(|words| words.actions) {
        // What plugins bring stands behind the server's own.
        if let Action::Plugin(of) = action
            && let Some(at) = words.iter().rposition(|name| *name == of.name)
        {
            words.remove(at);
        }
    }
    words.extend(Permission::ALL.iter().map(|own| own.name()));
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::panic::Location;

    use super::{check_keys, check_words_of, shape};
    use crate::config::section::PluginSection;
    use crate::model::audit::Action;
    use crate::model::permission::{Permission, Role};
    use crate::model::plugin_words::PluginWords;

    fn refused(
        plugin: &'static str,
        permissions: &'static [Permission],
        actions: &'static [Action],
    ) -> String {
        let words = PluginWords { plugin, summary: "", permissions, actions, location: Location::caller() };
        check_words_of(&[&words]).unwrap_err().to_string()
    }

    #[test]
    fn what_is_said_of_a_key_that_the_section_lacks_is_refused() {
        #[derive(Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        struct Config {
            title: String,
            mail: Option<String>,
        }
        let section = |live, meanings| PluginSection::of::<Config>("notes", live, meanings, |_| Ok(()));
        let good = section(&["mail"], &[("title", "What it is called."), ("mail", "Whom to write.")]);
        assert!(check_keys(&[&good]).is_ok());
        for (wrong, constant) in
            [(section(&["titel"], &[]), "LIVE"), (section(&[], &[("titel", "What it is called.")]), "KEYS")]
        {
            let said = check_keys(&[&wrong]).unwrap_err().to_string();
            assert!(said.starts_with("the plugin notes, registered at src/plugin/collisions.rs:"), "{said}");
            let end = format!(
                "names in {constant} the key \"titel\", which its Config does not have: it has mail, title"
            );
            assert!(said.ends_with(&end), "{said}");
        }
    }

    #[test]
    fn words_that_cannot_stand_beside_others_are_refused_with_both_sides_named() {
        const fn permission(name: &'static str) -> Permission {
            Permission::of_plugin(name, Role::User, "Do it.")
        }
        const fn action(name: &'static str) -> Action {
            Action::of_plugin(name, "It was done.")
        }
        for (said, words) in [
            (refused("notes", const { &[permission("other:read")] }, &[]), "must be named notes:"),
            (refused("notes", const { &[permission("notes:")] }, &[]), "must be named notes:"),
            (refused("notes", const { &[permission("notes:Read")] }, &[]), "must be named notes:"),
            (refused("notes", const { &[permission("notes.read")] }, &[]), "must be named notes:"),
            (refused("notes", &[Permission::DevicesRead], &[]), "the server’s own"),
            (
                refused("notes", const { &[permission("notes:read"), permission("notes:read")] }, &[]),
                "listed twice",
            ),
            (
                refused("devices", const { &[permission("devices:read")] }, &[]),
                "the server’s own permission devices:read",
            ),
            (
                refused("agent", &[], const { &[action("agent.create")] }),
                "the server’s own action agent.create",
            ),
            (refused("notes", &[], const { &[action("notes:add")] }), "must be named notes."),
            (refused("notes", &[], &[Action::AgentCreate]), "the server’s own"),
            (refused("notes", &[], const { &[Action::of_plugin("notes.add", "")] }), "what it is"),
        ] {
            assert!(said.contains(words) && said.contains("collisions.rs:"), "{said}");
        }
        let (permissions, actions) =
            (const { &[permission("notes:read")] }, const { &[action("notes.read")] });
        let words =
            PluginWords { plugin: "notes", summary: "", permissions, actions, location: Location::caller() };
        check_words_of(&[&words]).unwrap();
    }

    #[test]
    fn placeholders_are_one_whatever_their_names() {
        assert_eq!(shape("/a/{id}/b/{*rest}"), "/a/{}/b/{*}");
        assert_eq!(shape("/a"), "/a");
        assert_ne!(shape("/a/{id}"), shape("/a/{*id}"));
    }
}
