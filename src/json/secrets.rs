//! Secrets in settings: known by their keys' names, or by how a section's type writes them, and not shown.

use std::cell::Cell;

use secrecy::SecretString;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A key whose last part holds one of these words, in any case, holds a secret.
const SECRET_WORDS: &[&str] =
    &["token", "secret", "password", "passphrase", "credential", "privatekey", "apikey"];

/// What stands in the place of a secret's value.
const REDACTED: &str = "[redacted]";

/// Whether `key` holds a secret, by its name.
pub(crate) fn is_secret(key: &str) -> bool {
    let name: String = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    let name = name.replace(['_', '-'], "");
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// `value` with every secret in it replaced that its key's name tells; `key` is the key it lies at.
pub(crate) fn redacted(key: &str, value: &Value) -> Value {
    redacted_where(key, value, &is_secret)
}

/// `value` with everything in it replaced whose key is a secret's; `key` is the key it lies at.
pub(crate) fn redacted_where(key: &str, value: &Value, is_secret: &dyn Fn(&str) -> bool) -> Value {
    let inner = |name: &str, value| match key {
        "" => redacted_where(name, value, is_secret),
        key => redacted_where(&format!("{key}.{name}"), value, is_secret),
    };
    match value {
        Value::Null => Value::Null,
        _ if is_secret(key) => Value::from(REDACTED),
        Value::Object(map) => map.iter().map(|(name, v)| (name.clone(), inner(name, v))).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, v)| inner(&at.to_string(), v)).collect(),
        other => other.clone(),
    }
}

/// Whether a section's type writes what lies at `path` in it with [`as_redacted`].
pub(crate) fn hides<T: Serialize>(section: &T, path: &str) -> bool {
    let before = MARKING.replace(true);
    let written = serde_json::to_value(section);
    MARKING.set(before);
    let Ok(whole) = written else { return false };
    let mut at = Some(&whole);
    for part in path.split('.') {
        at = at.and_then(|value| part.parse::<usize>().map_or(value.get(part), |index| value.get(index)));
    }
    at.is_some_and(|value| value == REDACTED)
}

thread_local! {
    /// Whether secrets that are not set are written as those that are.
    static MARKING: Cell<bool> = const { Cell::new(false) };
}

/// Writes a secret of a section as `[redacted]`, whatever its key is called, and `null` where there is none:
/// a [`SecretString`] keeps itself out of `Debug` and cannot be written without.
///
/// ```
/// use netignite::prelude::*;
///
/// #[derive(Debug, Clone, Default, Serialize, Deserialize)]
/// #[serde(default, deny_unknown_fields)]
/// struct Config {
///     #[serde(serialize_with = "as_redacted")]
///     key: Option<SecretString>,
/// }
///
/// let config: Config = serde_json::from_value(json!({"key": "swordfish"})).unwrap();
/// assert_eq!(json!(config), json!({"key": "[redacted]"}));
/// assert_eq!(json!(Config::default()), json!({"key": null}));
/// assert!(!format!("{config:?}").contains("swordfish"));
/// assert_eq!(config.key.unwrap().expose_secret(), "swordfish");
/// ```
///
/// # Errors
/// The serializer's.
pub fn as_redacted<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        None if !MARKING.get() => serializer.serialize_none(),
        _ => serializer.serialize_str(REDACTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name() {
        for key in ["plugins.metrics.token", "a.apiKey", "a.API_KEY", "a.clientSecret", "dbPassword"] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["logLevel", "server.port", "token.count", "plugins.metrics.bind"] {
            assert!(!is_secret(key), "{key}");
        }
    }
}
