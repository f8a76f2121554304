//! `X-Request-ID`, in which a request's ID goes with its answer.
//!
//! A trusted proxy may bring an ID of its own; anyone else could write what they like.

use super::peer::Peer;
use super::{HeaderMap, HeaderName};
use crate::model::request_id::{RequestId, RequestIds};

/// The header an ID comes and goes with.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest ID that is taken over from a proxy.
const MAX_GIVEN: usize = 128;

/// The ID of a request: the one that a trusted proxy gave it, else a fresh one.
pub(crate) fn of(ids: &RequestIds, headers: &HeaderMap, peer: &Peer) -> RequestId {
    given(headers, peer).unwrap_or_else(|| ids.fresh())
}

/// The ID that a trusted proxy sent, if it is one: visible ASCII that means nothing where it may be shown.
fn given(headers: &HeaderMap, peer: &Peer) -> Option<RequestId> {
    if !peer.proxied {
        return None;
    }
    let mut sent = headers.get_all(HEADER).iter();
    let (first, None) = (sent.next()?, sent.next()) else { return None };
    let good = |b: &u8| b.is_ascii_graphic() && !b"\"'`<>&".contains(b);
    let id = first.as_bytes();
    ((1..=MAX_GIVEN).contains(&id.len()) && id.iter().all(good))
        .then(|| RequestId::from_header(first.clone()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::http::HeaderValue;

    #[test]
    fn a_proxys_id_is_taken_over_if_it_is_harmless() {
        let proxy = Peer { address: None, secure: false, proxied: true };
        let stranger = Peer { proxied: false, ..proxy };
        let given = |peer: &Peer, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            super::given(&headers, peer).map(|id| id.to_string())
        };
        let long = "x".repeat(128);
        for good in ["a", "7f3c-01/edge:9;x=1", &long] {
            assert_eq!(given(&proxy, &[good]).as_deref(), Some(good));
            assert_eq!(given(&stranger, &[good]), None);
            assert_eq!(given(&proxy, &[good, good]), None);
        }
        for bad in ["", "a b", "a\"b", "a'b", "<b>", "a&b", "a`b", "é", "a\tb", &"x".repeat(129)] {
            assert_eq!(given(&proxy, &[bad]), None, "{bad}");
        }
        assert_eq!(given(&proxy, &[]), None);
    }
}
