//! Judges arbitrary header lines as a handshake: nothing panics, and nobody gets in without an ID and a secret.
#![no_main]

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Version};
use libfuzzer_sys::fuzz_target;
use netignite::control::handshake::judge;

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|&b| b == b'\n').take(100) {
        let mut parts = line.splitn(2, |&b| b == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    if let Ok((response, claim)) = judge(&Method::GET, Version::HTTP_11, &headers, false) {
        assert_eq!(response.status(), 101);
        assert!(response.headers().contains_key("sec-websocket-accept"));
        assert!(claim.id > 0);
        assert!(headers.contains_key("authorization"));
    }
});
