//! Secrets in settings: known by their keys' names, and not shown.

use secrecy::SecretString;
use serde::Serializer;
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

/// `value` with every secret in it replaced; `key` is the key it lies at.
pub(crate) fn redacted(key: &str, value: &Value) -> Value {
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
        Some(_) => serializer.serialize_str(REDACTED),
        None => serializer.serialize_none(),
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
