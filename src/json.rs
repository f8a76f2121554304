//! JSON from outside, looked through before anything is made of it.
//!
//! serde reads what it needs and passes over the rest: of a key that comes twice the last one wins, and what lies in an
//! unknown field is hardly looked at. [`check`] reads all of a text once and refuses what programs read in different
//! ways, or what would cost much to read. It makes nothing of it, so that it allocates little more than the names of keys.
//!
//! `serde_json`'s feature `raw_value` stays off: with it, an object whose first key is one of the library's own is read as
//! the text that it holds.

pub mod secrets;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// How deep arrays and objects may lie in each other.
pub const MAX_DEPTH: usize = 64;
/// The longest key that an error repeats.
const SHOWN: usize = 40;

/// The end of a text, as much of it as takes at most so many bytes as JSON: for a reply that must not be too large.
///
/// ```
/// use netignite::prelude::*;
///
/// assert_eq!(end_within("one\ntwo\n", 100), "one\ntwo\n");
/// // The end of a line takes two bytes.
/// assert_eq!(end_within("one\ntwo\n", 7), "\ntwo\n");
/// ```
pub fn end_within(text: &str, bytes: usize) -> &str {
    let mut left = bytes;
    for (at, c) in text.char_indices().rev() {
        let takes = match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            c => c.len_utf8(),
        };
        match left.checked_sub(takes) {
            Some(rest) => left = rest,
            None => return &text[at + c.len_utf8()..],
        }
    }
    text
}

/// What is wrong with a text that should be JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    what: String,
    line: usize,
    column: usize,
}

impl JsonError {
    fn new(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        let what = match what {
            "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
                "half of a surrogate pair stands alone in a text"
            }
            "number out of range" => "a number is too large",
            other => other,
        };
        Self { what: what.to_owned(), line: error.line(), column: error.column() }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, line, column } = self;
        write!(f, "malformed JSON at line {line}, column {column}: {what}")
    }
}

impl std::error::Error for JsonError {}

/// Whether all of `json` is JSON that can be read in one way: no key of an object comes twice, no number is too large,
/// every text is one, and nothing lies deeper than [`MAX_DEPTH`].
///
/// # Errors
/// It is not; the first place that is wrong is named.
pub fn check(json: &[u8]) -> Result<(), JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    Look { depth: 0 }.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|e| JsonError::new(&e))
}

/// What serde expects, in people's words.
pub fn expected_in_words(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

/// Looks through a value.
struct Look {
    /// How many arrays and objects it lies in.
    depth: usize,
}

impl Look {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!(
                "arrays and objects lie too deep in each other; at most {MAX_DEPTH} may"
            )));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Look {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let depth = self.deeper::<A::Error>()?.depth;
        while items.next_element_seed(Look { depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let depth = self.deeper::<A::Error>()?.depth;
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            if let Some(key) = keys.replace(key) {
                // A word is repeated where it can be a field's name, and not where it can be anything.
                let is_name = key.len() <= SHOWN && key.bytes().all(|b| b.is_ascii_alphanumeric());
                let named = if is_name { format!("the key \"{key}\"") } else { "a key".to_owned() };
                return Err(A::Error::custom(format_args!("{named} stands here a second time")));
            }
            entries.next_value_seed(Look { depth })?;
        }
        Ok(())
    }
}

/// A key as it is meant, whatever escapes it was written with.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn what_can_be_read_in_one_way_is_good() {
        for good in ["null", " {\"a\":[1,-2.5e3,\"\\ud83d\\ude00\"],\"A\":{\"a\":true}} ", "{}", "1e300"] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        assert_eq!(check(nested(MAX_DEPTH).as_bytes()), Ok(()));
    }

    #[test]
    fn what_cannot_is_named_with_its_place() {
        for (bad, words) in [
            ("", "line 1"),
            ("{} {}", "trailing"),
            ("{\"a\":1,\n\"\\u0061\":2}", "line 2, column 8: the key \"a\" stands here a second time"),
            ("[1e999]", "a number is too large"),
            ("[\"\\ud800\"]", "surrogate"),
            ("[\"\\ud800x\"]", "surrogate"),
            ("[\"\\udc00\"]", "surrogate"),
            ("{\"\\ud800\":1}", "surrogate"),
            ("[\"\u{0}\"]", "control character"),
            ("[01]", "invalid number"),
        ] {
            let error = check(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{bad}: {error}");
        }
        for depth in [MAX_DEPTH + 1, 100_000] {
            let error = check(nested(depth).as_bytes()).unwrap_err().to_string();
            assert!(error.contains("too deep"), "{error}");
        }
    }

    #[test]
    fn a_librarys_own_key_means_nothing() {
        for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
            let text = format!(r#"{{"{key}":"1"}}"#);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value[key], "1");
        }
    }
}
