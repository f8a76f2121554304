//! What is known of configuration keys by their names: what each expects, which hold secrets, and which key somebody
//! meant who mistyped one.

use serde_json::Value;

/// What each key of the server itself expects, in words. Plugins check their own sections.
const EXPECTED: &[(&str, &str)] = &[
    ("allowedHosts", "a list of host names such as \"home.example\" and of addresses, without a port"),
    ("allowedOrigins", "a list of origins such as \"https://home.example\", without a path"),
    ("audit.maxEntries", "a whole number from 1000 to 100000000, or 0 for no bound"),
    ("audit.retentionDays", "a whole number of days from 1 to 36500, or 0 for ever"),
    ("auth.requireTotp", "a list of the roles \"user\" and \"admin\""),
    ("dataDirectory", "the path of a directory"),
    ("limits.agentsPerUser", "a whole number from 1 to 1000000, or 0 for no bound"),
    ("limits.answers", "a whole number from 1 to 1000000, or 0 for no bound"),
    ("limits.answersPerUser", "a whole number from 1 to 1000000, or 0 for no bound"),
    ("limits.bodyBytes", "a whole number of bytes from 1024 to 16777216"),
    ("limits.bodySeconds", "a whole number of seconds from 1 to 3600"),
    ("limits.connections", "a whole number from 1 to 1000000, or 0 to choose from the process's file limit"),
    ("limits.devicesPerUser", "a whole number from 1 to 1000000, or 0 for no bound"),
    ("limits.headerSeconds", "a whole number of seconds from 1 to 3600"),
    ("limits.idleSeconds", "a whole number of seconds from 1 to 86400"),
    ("limits.stopSeconds", "a whole number of seconds from 0 to 60"),
    ("log.file", "the path of a file, or null for none"),
    ("log.format", "one of \"auto\", \"pretty\" and \"json\""),
    ("log.keepDays", "a whole number of days from 1 to 3650"),
    ("logLevel", "one of \"debug\", \"info\", \"warn\", \"error\" and \"critical\""),
    ("operations.maxEntries", "a whole number from 1000 to 100000000, or 0 for no bound"),
    ("operations.retentionDays", "a whole number of days from 1 to 36500, or 0 for ever"),
    ("plugins", SECTION),
    ("production", "true or false"),
    ("secureCookies", "one of \"auto\", \"always\" and \"never\""),
    ("server.host", "an IP address such as \"0.0.0.0\", \"127.0.0.1\" or \"::\", or \"localhost\""),
    ("server.port", "a whole number from 0 to 65535"),
    ("trustedProxies", "a list of networks such as \"10.0.0.0/8\" or single addresses such as \"192.0.2.1\""),
];

/// A key whose last part holds one of these words, in any case, holds a secret.
const SECRET_WORDS: &[&str] =
    &["token", "secret", "password", "passphrase", "credential", "privatekey", "apikey"];

/// What a key expects that holds further keys.
pub(super) const SECTION: &str = "an object";

/// What stands in the place of a secret's value.
pub(super) const REDACTED: &str = "[redacted]";

/// What `key`, or the closest of the keys it lies in, expects. An object if the key is a section.
pub(super) fn expected(key: &str) -> &'static str {
    let mut key = key;
    loop {
        if let Ok(i) = EXPECTED.binary_search_by_key(&key, |(k, _)| k) {
            return EXPECTED[i].1;
        }
        match key.rsplit_once('.') {
            Some((parent, _)) if EXPECTED.iter().any(|(k, _)| *k == parent) => key = parent,
            _ => return SECTION,
        }
    }
}

/// Whether `key` holds a secret, by its name.
pub(super) fn is_secret(key: &str) -> bool {
    let name: String = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    let name = name.replace(['_', '-'], "");
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// `value` with every secret in it replaced; `key` is the key it lies at.
pub(super) fn redacted(key: &str, value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        _ if is_secret(key) => Value::from(REDACTED),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, v)| (name.clone(), redacted(name, v))).collect())
        }
        Value::Array(items) => items.iter().map(|v| redacted("", v)).collect(),
        other => other.clone(),
    }
}

/// The keys of a tree of values that are no sections themselves, nested by dots, with their values.
pub(super) fn leaves(tree: &Value) -> Vec<(String, &Value)> {
    fn walk<'a>(at: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (name, inner) in map {
                    walk(&join(at, name), inner, found);
                }
            }
            leaf => found.push((at.to_owned(), leaf)),
        }
    }
    let mut found = Vec::new();
    walk("", tree, &mut found);
    found
}

/// `key` below `parent`.
pub(super) fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// The candidate most like `wrong`. One that ends in the same name counts as nearly the same: `port` means
/// `server.port`.
pub(super) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let likeness = |candidate: &str| {
        let whole = strsim::jaro_winkler(&wrong.to_ascii_lowercase(), &candidate.to_ascii_lowercase());
        let same_name = if last(wrong) == last(candidate) { 1.0 } else { 0.0 };
        whole + same_name
    };
    candidates.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Config;

    #[test]
    fn every_key_says_what_it_expects() {
        let tree = serde_json::to_value(Config::default()).unwrap();
        let keys: Vec<String> = leaves(&tree).into_iter().map(|(key, _)| key).collect();
        let described: Vec<&str> = EXPECTED.iter().map(|(key, _)| *key).collect();
        assert!(described.is_sorted(), "looked up by binary search");
        let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(described, keys);
    }

    #[test]
    fn secrets_are_known_by_name() {
        for key in ["plugins.metrics.token", "a.apiKey", "a.API_KEY", "a.clientSecret", "dbPassword"] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["logLevel", "server.port", "token.count", "plugins.metrics.bind"] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn the_nearest_key_is_the_one_meant() {
        let known = ["logLevel", "log.format", "log.file", "server.port", "server.host", "trustedProxies"];
        for (wrong, meant) in [
            ("loglevel", "logLevel"),
            ("port", "server.port"),
            ("log.fromat", "log.format"),
            ("server.prot", "server.port"),
            ("trustedProxy", "trustedProxies"),
        ] {
            assert_eq!(nearest(wrong, known), Some(meant), "{wrong}");
        }
    }
}
