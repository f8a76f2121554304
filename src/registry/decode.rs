//! JSON from outside as a value of a type, and what is wrong with it in people's words.

use serde::de::DeserializeOwned;

use crate::error::FieldError;
use crate::{json, text};

/// Decodes JSON and, where that fails, names the field it failed at. A byte order mark before it is passed over.
///
/// # Errors
/// The JSON is malformed, can be read in more than one way or is not of the type; the error names the field by its
/// path.
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, FieldError> {
    fitting(looked_through(json)?)
}

/// Decodes JSON that was looked through, as [`decode`] does.
pub(super) fn fitting<T: DeserializeOwned>(json: &[u8]) -> Result<T, FieldError> {
    // Keeping track of the path costs more than the rest, and only what fails needs it.
    if let Ok(value) = serde_json::from_slice(json) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().to_string();
        let message = e.inner().to_string();
        // serde names a missing or unknown field in its text only; a program wants it as the field.
        let named = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let field = match (path.as_str(), named) {
            (".", Some(name)) => name.to_owned(),
            (".", None) => String::new(),
            (path, Some(name)) => format!("{path}.{name}"),
            (path, None) => path.to_owned(),
        };
        FieldError::new(field, expectation(message.split(" at line ").next().unwrap_or_default()))
    })?;
    Ok(value)
}

/// The text of JSON that can be read in one way.
pub(super) fn looked_through(json: &[u8]) -> Result<&[u8], FieldError> {
    let json = text::decode(json).map_err(|e| FieldError::new("", format!("expected JSON: {e}")))?;
    json::check(json.as_bytes()).map_err(|e| FieldError::new("", e.to_string()))?;
    Ok(json.as_bytes())
}

/// What serde says of a value that does not fit, as what was expected of it: without the value.
fn expectation(said: &str) -> String {
    let echoes = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `"];
    match said.rfind(", expected ") {
        Some(at) if echoes.iter().any(|echo| said.starts_with(echo)) => {
            let expected = &said[at + ", expected ".len()..];
            format!("expected {}", json::expected_in_words(expected).replace('`', ""))
        }
        _ if said.starts_with("missing field `") => "this is missing".to_owned(),
        _ => said.to_owned(),
    }
}

/// Decodes a JSON object as [`decode`] does; nothing but blanks stands for the empty one. Serde would also read a struct
/// from an array of its fields' values.
///
/// # Errors
/// As [`decode`], or the JSON is no object.
pub fn decode_object<T: DeserializeOwned>(json: &[u8]) -> Result<T, FieldError> {
    let begin = json.strip_prefix("\u{feff}".as_bytes()).unwrap_or(json);
    match begin.iter().find(|b| !b.is_ascii_whitespace()) {
        // What is no text says so itself.
        Some(b'{' | 0 | 0x80..) => decode(json),
        Some(_) => Err(FieldError::new("", "expected a JSON object")),
        None => decode(b"{}"),
    }
}
