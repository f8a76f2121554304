//! What is known of configuration keys by their names: what each expects, which hold secrets, and which key somebody
//! meant who mistyped one.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{Config, section};
use crate::json::secrets;

/// What the types say of one key of the server itself. Plugins check their own sections.
#[derive(Debug)]
pub(super) struct Key {
    /// The key, nested by dots.
    pub name: String,
    /// What it is for.
    pub meaning: String,
    /// What it expects, in words.
    pub expected: String,
    /// Whether a reload changes it; otherwise it waits for a restart.
    pub live: bool,
    /// The bounds of a number.
    range: Option<RangeInclusive<u64>>,
    /// Whether 0 is good, whatever the bounds.
    zero: bool,
}

impl Key {
    fn of(name: &str, schema: &Value) -> Self {
        let word = |name: &str| schema.get(name).and_then(Value::as_str);
        let number = |name: &str| schema.get(name).and_then(Value::as_u64);
        let range = number("minimum").zip(number("maximum")).map(|(from, to)| from..=to);
        Self {
            name: name.to_owned(),
            meaning: word("description").unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "),
            expected: word("expected").map_or_else(|| in_words(schema, range.as_ref()), str::to_owned),
            live: schema["live"] == true,
            zero: word("zero").is_some(),
            range,
        }
    }

    /// Whether `value`, which has the key's type, is within its bounds.
    pub(super) fn admits(&self, value: &Value) -> bool {
        match (value.as_u64(), &self.range) {
            (Some(0), Some(_)) if self.zero => true,
            (Some(number), Some(range)) => range.contains(&number),
            _ => true,
        }
    }
}

/// What a schema admits.
fn in_words(schema: &Value, range: Option<&RangeInclusive<u64>>) -> String {
    let words = choices(schema);
    match (words.split_last(), range) {
        (Some((last, [])), _) => last.clone(),
        (Some((last, others)), _) => format!("one of {} and {last}", others.join(", ")),
        (None, Some(range)) => {
            let unit = schema["unit"].as_str().map(|unit| format!(" of {unit}")).unwrap_or_default();
            let zero = schema["zero"].as_str().map(|zero| format!(", or 0 {zero}")).unwrap_or_default();
            format!("a whole number{unit} from {} to {}{zero}", range.start(), range.end())
        }
        (None, None) if schema["type"] == "boolean" => "true or false".to_owned(),
        (None, None) => SECTION.to_owned(),
    }
}

/// The words that an enumeration of them has, in quotes.
fn choices(schema: &Value) -> Vec<String> {
    let list = |key: &str| schema[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |schema: &Value| schema["const"].as_str().map(|word| format!("\"{word}\""));
    let named = list("enum").iter().filter_map(Value::as_str).map(|word| format!("\"{word}\""));
    named.chain(list("oneOf").iter().filter_map(one)).collect()
}

/// All keys of the server itself, sorted by name.
pub(super) fn all() -> &'static [Key] {
    static ALL: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
        let mut found = Vec::new();
        collect("", &schema, &mut found);
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    });
    &ALL
}

fn collect(name: &str, schema: &Value, found: &mut Vec<Key>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            properties.iter().for_each(|(inner, schema)| collect(&join(name, inner), schema, found));
        }
        None => found.push(Key::of(name, schema)),
    }
}

/// Whether `key` holds a secret: by its name, or because the type of a plugin's section says so.
pub(super) fn is_secret(key: &str) -> bool {
    is_secret_in(&BTreeMap::new(), key)
}

fn is_secret_in(sections: &BTreeMap<String, Value>, key: &str) -> bool {
    secrets::is_secret(key) || section::is_hidden(sections, key)
}

/// `value`, which lies at `key`, with every secret in it replaced; `sections` are the plugins' as far as they are at hand.
pub(super) fn redacted(sections: &BTreeMap<String, Value>, key: &str, value: &Value) -> Value {
    secrets::redacted_where(key, value, &|key| is_secret_in(sections, key))
}

/// What a key expects that holds further keys.
pub(super) const SECTION: &str = "an object";

/// What `key`, or the closest of the keys it lies in, expects. An object if the key is a section.
pub(super) fn expected(key: &str) -> &'static str {
    let mut key = key;
    loop {
        if let Some(found) = all().iter().find(|known| known.name == key) {
            return &found.expected;
        }
        match key.rsplit_once('.') {
            Some((parent, _)) if all().iter().any(|known| known.name == parent) => key = parent,
            _ => return SECTION,
        }
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

    #[test]
    fn every_key_says_what_it_is_for_and_what_it_expects() {
        let tree = serde_json::to_value(Config::default()).unwrap();
        let mut keys: Vec<String> = leaves(&tree).into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        assert_eq!(all().iter().map(|key| key.name.clone()).collect::<Vec<_>>(), keys);
        for key in all() {
            assert!(key.meaning.ends_with('.'), "{} has no meaning", key.name);
            assert!(key.name == "plugins" || key.expected != SECTION, "{} expects nothing", key.name);
        }
    }

    #[test]
    fn what_a_key_expects_follows_from_its_type() {
        for (key, words) in [
            ("logLevel", "one of \"debug\", \"info\", \"warn\", \"error\" and \"critical\""),
            ("secureCookies", "one of \"auto\", \"always\" and \"never\""),
            ("production", "true or false"),
            ("limits.bodyBytes", "a whole number of bytes from 1024 to 16777216"),
            ("limits.answers", "a whole number from 1 to 1000000, or 0 for no bound"),
            ("server.port", "a whole number from 0 to 65535"),
            ("limits", SECTION),
        ] {
            assert_eq!(expected(key), words, "{key}");
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
