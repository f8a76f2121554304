//! What holds for any header lines as a handshake: nothing panics, and nobody gets in without an ID and a secret.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Version};
use netignite::control::handshake::judge;

/// Panics unless it holds; says whether it is a good handshake.
pub(crate) fn holds(bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|&b| b == b'\n').take(100) {
        let mut parts = line.splitn(2, |&b| b == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let header = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()));
        if let (Ok(name), Ok(value)) = header {
            headers.append(name, value);
        }
    }
    let Ok((response, claim)) = judge(&Method::GET, Version::HTTP_11, &headers, false) else { return false };
    assert_eq!(response.status(), 101);
    assert!(response.headers().contains_key("sec-websocket-accept"));
    assert!(!response.headers().contains_key("sec-websocket-extensions"));
    assert!(claim.id > 0);
    assert!(headers.contains_key("authorization"));
    true
}
