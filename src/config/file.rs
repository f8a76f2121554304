//! The configuration file: JSON, every key of it known.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::ConfigError;
use super::keys::{is_secret, join, leaves, nearest};
use super::layer::{Layer, Origin};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads the file at `path`. One that nothing named need not exist.
pub(super) fn read(
    path: &Path,
    defaults: &Value,
    named_by: Option<&'static str>,
) -> Result<Option<Layer>, ConfigError> {
    let origin = Origin::File(path.to_owned());
    let text = match read_text(path, MAX_BYTES) {
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
    // Editors on Windows write a byte order mark, which JSON does not know.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let Unique(mut value) = serde_json::from_str(text).map_err(|e| malformed(&origin, &e))?;
    if !value.is_object() {
        return Err(ConfigError::at(&origin, "expected a JSON object such as {} at the top"));
    }
    check_keys(&origin, "", &value, defaults, defaults)?;
    write_out_secrets(&origin, "", &mut value)?;
    Ok(Some(Layer { origin, value }))
}

/// The text of a file of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(std::io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(text)
}

fn malformed(origin: &Origin, e: &serde_json::Error) -> ConfigError {
    let text = e.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let (line, column) = (e.line(), e.column());
    ConfigError::at(origin, format!("malformed JSON at line {line}, column {column}: {what}"))
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
                let hint = nearest(name, known.keys().map(String::as_str))
                    .map(|n| format!("; the nearest known plugin is \"{n}\""))
                    .unwrap_or_default();
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

/// JSON that names no key of an object twice: the second would silently win.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("the key \"{name}\" stands here a second time")));
            }
            let Unique(value) = access.next_value()?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}
