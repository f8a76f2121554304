//! The headers by which a client says how it wants an operation: `Prefer` (RFC 7240) and `Idempotency-Key`.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::rest::{HeaderMap, HeaderName, HeaderValue};

pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that the request came before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The longest that is waited.
const LONGEST: u64 = 300;
/// The longest key.
const LONGEST_KEY: usize = 255;

/// What a client prefers, as far as it is known here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prefer {
    /// To be answered once the operation has ended, or after so long.
    pub(super) wait: Option<Duration>,
    /// To be answered as soon as the operation is accepted.
    pub(super) respond_async: bool,
}

impl Prefer {
    /// What these headers say. Of a preference that comes twice the first counts; unknown ones are passed over.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let values = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split(',')) {
            // Parameters of a preference come behind a semicolon.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => prefer.respond_async = true,
                "wait" if prefer.wait.is_none() => {
                    prefer.wait =
                        value.parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST)));
                }
                _ => {}
            }
        }
        prefer
    }

    /// Which of them were followed.
    pub(super) fn applied(&self) -> Option<HeaderValue> {
        let applied = match (self.wait, self.respond_async) {
            (Some(wait), true) => format!("respond-async, wait={}", wait.as_secs()),
            (Some(wait), false) => format!("wait={}", wait.as_secs()),
            (None, true) => "respond-async".to_owned(),
            (None, false) => return None,
        };
        HeaderValue::from_str(&applied).ok()
    }
}

/// The request's `Idempotency-Key`, a quoted string or a bare token; none if it has none.
///
/// # Errors
/// 400 for one that is no key, or more than one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let key = match quoted {
        Some(inside) => unescaped(inside),
        None => (!text.contains('"')).then(|| text.to_owned()),
    };
    let good =
        |key: &String| (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    match key.filter(good) {
        Some(key) if values.next().is_none() => Ok(Some(key)),
        _ => Err(Error::invalid(
            "Idempotency-Key: expected one key of 1 to 255 visible characters, bare or in double quotes",
        )),
    }
}

/// The inside of a quoted string.
fn unescaped(inside: &str) -> Option<String> {
    let mut key = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => key.push(chars.next().filter(|c| matches!(c, '\\' | '"'))?),
            '"' => return None,
            c => key.push(c),
        }
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn preferences_are_read_and_unknown_ones_passed_over() {
        let prefer = |values: &[&'static str]| Prefer::of(&headers("prefer", values));
        let wait = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(prefer(&["wait=5"]), Prefer { wait: wait(5), respond_async: false });
        assert_eq!(
            prefer(&["Respond-Async , WAIT = \"7\";x=y"]),
            Prefer { wait: wait(7), respond_async: true }
        );
        assert_eq!(prefer(&["handling=lenient", "wait=1000"]).wait, wait(300));
        for none in ["wait", "wait=", "wait=x", "wait=-1", "return=minimal"] {
            assert_eq!(prefer(&[none]), Prefer::default(), "{none}");
        }
    }

    #[test]
    fn a_key_is_bare_or_quoted() {
        let key = |values: &[&'static str]| idempotency_key(&headers("idempotency-key", values));
        assert_eq!(key(&[]).unwrap(), None);
        for same in ["abc", "\"abc\"", " abc "] {
            assert_eq!(key(&[same]).unwrap().as_deref(), Some("abc"));
        }
        assert_eq!(key(&[r#""a\"b\\""#]).unwrap().as_deref(), Some(r#"a"b\"#));
        for bad in ["", "\"\"", "a b", "\"a", "a\"", r#""a"b""#, "☃"] {
            let mut map = HeaderMap::new();
            map.append("idempotency-key", HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert!(idempotency_key(&map).is_err(), "{bad}");
        }
        assert!(key(&["a", "a"]).is_err());
    }
}
