//! The API token of a request: `Authorization: Bearer nig_…`.

use hyper::header::AUTHORIZATION;

use super::HeaderMap;
use crate::text::bare;

/// What a request sends as its token. Empty, and so no token, if that is not text or stands beside another
/// `Authorization`: then it is not clear who calls. None if there is no bearer at all; other schemes are a proxy's
/// business. What a file has around a token is no part of it.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get_all(AUTHORIZATION);
    let token = sent.iter().find_map(|value| of_bearer(value.as_bytes()))?;
    let alone = sent.iter().nth(1).is_none();
    Some(std::str::from_utf8(token).ok().filter(|_| alone).map(bare).unwrap_or_default())
}

/// What follows the scheme, if it is `Bearer`.
fn of_bearer(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|&b| b == b' ' || b == b'\t').unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::super::HeaderValue;
    use super::*;

    fn sent(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn a_bearer_is_a_token_and_nothing_else_is() {
        assert_eq!(sent(&[]), None);
        assert_eq!(sent(&["Basic YTpi"]), None);
        assert_eq!(sent(&["Bearerabc"]), None);
        for value in ["Bearer abc", "bearer abc", "BEARER  abc ", "Bearer\tabc"] {
            assert_eq!(sent(&[value]).as_deref(), Some("abc"), "{value}");
        }
    }

    #[test]
    fn what_is_unclear_is_no_token() {
        assert_eq!(sent(&["Bearer "]).as_deref(), Some(""));
        assert_eq!(sent(&["Bearer"]).as_deref(), Some(""));
        assert_eq!(sent(&["Bearer abc", "Bearer abc"]).as_deref(), Some(""));
        assert_eq!(sent(&["Basic YTpi", "Bearer abc"]).as_deref(), Some(""));
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_bytes(b"Bearer \xff").unwrap_or(HeaderValue::from_static("")),
        );
        assert_eq!(token(&headers), Some(""));
    }
}
