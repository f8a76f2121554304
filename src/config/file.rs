//! The configuration file: JSON, every key of it known.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::error::ConfigError;
use super::keys::{is_secret, join, leaves, nearest};
use super::layer::{Layer, Origin};
use crate::json;
use crate::text::{self, read_file};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads the file at `path`. One that nothing named need not exist.
pub(super) fn read(
    path: &Path,
    defaults: &Value,
    named_by: Option<&'static str>,
) -> Result<Option<Layer>, ConfigError> {
    let origin = Origin::File(path.to_owned());
    let text = match read_file(path, MAX_BYTES) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => match named_by {
            None => return Ok(None),
            Some(named_by) => {
                let message = format!(
                    "the configuration file {} named by {named_by} does not exist; create it, or correct {named_by}",
                    path.display()
                );
                return Err(ConfigError::new(message));
            }
        },
        Err(e) => {
            return Err(ConfigError::at(&origin, format!("cannot read the configuration file: {e}")));
        }
    };
    json::check(text.as_bytes()).map_err(|e| ConfigError::at(&origin, e))?;
    let mut value: Value = serde_json::from_str(&text).map_err(|e| ConfigError::at(&origin, e))?;
    if !value.is_object() {
        return Err(ConfigError::at(&origin, "expected a JSON object such as {} at the top"));
    }
    check_keys(&origin, "", &value, defaults, defaults)?;
    write_out_secrets(&origin, "", &mut value)?;
    Ok(Some(Layer { origin, value }))
}

/// Refuses keys that are not among the defaults. What lies inside a plugin's section is the plugin's to check.
fn check_keys(
    origin: &Origin,
    at: &str,
    value: &Value,
    known: &Value,
    defaults: &Value,
) -> Result<(), ConfigError> {
    let (Value::Object(map), Value::Object(known)) = (value, known) else { return Ok(()) };
    for (name, inner) in map {
        let key = join(at, name);
        match known.get(name) {
            None if at == "plugins" => {
                let names: Vec<_> = known.keys().map(String::as_str).collect();
                let hint = match text::nearest(name, names.iter().copied()) {
                    Some(near) => format!("; the nearest known plugin is \"{near}\""),
                    None if names.is_empty() => "; this program has no plugins".to_owned(),
                    None => format!("; the plugins of this program are {}", names.join(", ")),
                };
                return Err(ConfigError::at(origin, format!("{key}: unknown plugin \"{name}\"{hint}")));
            }
            None => return Err(unknown_key(origin, &key, defaults)),
            Some(_) if at == "plugins" => {}
            Some(deeper) => check_keys(origin, &key, inner, deeper, defaults)?,
        }
    }
    Ok(())
}

/// The error about a key that no part of the program knows.
pub(super) fn unknown_key(origin: &Origin, key: &str, defaults: &Value) -> ConfigError {
    let known = leaves(defaults);
    let hint = match nearest(key, known.iter().map(|(k, _)| k.as_str())) {
        // Written as one key with a dot in it, which JSON takes literally.
        Some(n) if n == key => "; write each part of a key as an object of its own".to_owned(),
        Some(n) => format!("; the nearest known key is \"{n}\""),
        None => String::new(),
    };
    ConfigError::at(origin, format!("unknown key \"{key}\"{hint}"))
}

/// Makes text of secrets that were written as numbers, as far as a number keeps every digit.
fn write_out_secrets(origin: &Origin, at: &str, value: &mut Value) -> Result<(), ConfigError> {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                write_out_secrets(origin, &join(at, name), inner)?;
            }
        }
        Value::Number(number) if is_secret(at) => {
            if number.is_f64() {
                let message = format!("{at}: expected text: put the value in quotes");
                return Err(ConfigError::at(origin, message));
            }
            *value = Value::from(number.to_string());
        }
        _ => {}
    }
    Ok(())
}
