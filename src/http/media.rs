//! The media type of a request's body: JSON, in UTF-8, as it is.
//!
//! A page of another site can send a few media types without being asked first, and JSON is none of them.

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::HeaderMap;
use crate::error::{Error, Kind, Result};

/// Refuses a body that is not announced as JSON in UTF-8, or that is compressed.
///
/// # Errors
/// 415, saying what to send.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<()> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = matches!(kind.as_str(), "application/json" | "text/json")
        || kind.starts_with("application/") && kind.ends_with("+json");
    if !is_json {
        return Err(refused("The body must be JSON: send it with Content-Type: application/json"));
    }
    let charset = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, charset)| charset.trim().trim_matches('"').to_ascii_lowercase());
    if !matches!(charset.as_deref(), None | Some("utf-8" | "utf8" | "us-ascii" | "ascii")) {
        return Err(refused("The body must be JSON in UTF-8: leave charset out, or send charset=utf-8"));
    }
    if is_encoded(headers) {
        return Err(refused(
            "The body must be JSON as it is, not compressed: send it without Content-Encoding",
        ));
    }
    Ok(())
}

/// Whether a body is announced as compressed, or as encoded otherwise.
fn is_encoded(headers: &HeaderMap) -> bool {
    let is_plain = |coding: &str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| !value.to_str().is_ok_and(|codings| codings.split(',').map(str::trim).all(is_plain)))
}

/// Refuses a body that is not announced as a form.
///
/// # Errors
/// 415, saying what to send.
pub(crate) fn check_form(headers: &HeaderMap) -> Result<()> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    Err(refused("The body must be a form: send it with Content-Type: application/x-www-form-urlencoded"))
}

/// Whether a body holds nothing but blanks, which stands for none.
pub(crate) fn is_blank(body: &[u8]) -> bool {
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    text.iter().all(u8::is_ascii_whitespace)
}

fn refused(message: &'static str) -> Error {
    Error::new(Kind::Unreadable, "unsupported_media_type", message)
}
