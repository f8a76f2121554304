//! Refusing whoever asks for a WebSocket: without a body.
//!
//! Firmware in the field reads a refusal's body in a loop that never ends if the connection's end arrives at the wrong
//! moment, and then hangs until somebody cuts its power. So the reason is in a header.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};

use super::{Body, Response};

/// The header that holds the error's code.
pub(crate) const REASON: HeaderName = HeaderName::from_static("netignite-error");

/// Whether a request asks for a WebSocket, whatever else may be wrong with it.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    headers.get_all(UPGRADE).iter().any(|value| lists_websocket(value.as_bytes()))
}

/// [`is_asked`], of a head as it came over the wire.
pub(crate) fn is_asked_by(head: &[u8]) -> bool {
    head.split(|&b| b == b'\n').skip(1).any(|line| {
        let mut parts = line.splitn(2, |&b| b == b':');
        let name = parts.next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"upgrade") && lists_websocket(parts.next().unwrap_or_default())
    })
}

/// Whether an answer is a page or something of one.
pub(crate) fn is_page(answer: &Response) -> bool {
    let of_page = |kind: &[u8]| !kind.starts_with(b"application/json") && !kind.starts_with(b"text/plain");
    answer.status().is_success()
        && answer.headers().get(CONTENT_TYPE).is_some_and(|kind| of_page(kind.as_bytes()))
}

fn lists_websocket(value: &[u8]) -> bool {
    value.split(|&b| b == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// The log of refusals: anyone can be refused as often as they like, so one a second is shown and the others are for
/// whoever debugs.
pub(crate) struct RefusalLog {
    born: Instant,
    /// The second of the newest line, from 1.
    newest: AtomicU64,
}

impl Default for RefusalLog {
    fn default() -> Self {
        Self { born: Instant::now(), newest: AtomicU64::new(0) }
    }
}

impl RefusalLog {
    /// Logs one refusal.
    pub(crate) fn add(&self, address: Option<IpAddr>, code: &str) {
        let address = address.map(tracing::field::display);
        let second = self.born.elapsed().as_secs() + 1;
        if self.newest.swap(second, Relaxed) == second {
            tracing::debug!(address, code, "a WebSocket was refused");
        } else {
            tracing::info!(address, code, "a WebSocket was refused");
        }
    }
}

/// Takes the body of a refusal away and puts its code into a header.
pub(crate) fn without_body(mut response: Response, code: &'static str) -> Response {
    *response.body_mut() = Body::default();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(REASON, HeaderValue::from_static(code));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_seen_however_it_is_written() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", true),
            ("GET / HTTP/1.1\nupgrade:WebSocket\n\n", true),
            ("GET / HTTP/1.1\r\nUPGRADE: h2c, websocket\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nUpgrade: h2c\r\nUpgrade: websocket", true),
            ("GET / HTTP/1.1\r\nX-Upgrade: websocket\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nUpgrade: websockets\r\n\r\n", false),
            ("Upgrade: websocket", false),
            ("", false),
        ] {
            assert_eq!(is_asked_by(head.as_bytes()), expected, "{head:?}");
        }
    }
}
