//! Where a request came from: the address behind trusted proxies, and whether the outer leg was TLS.
//!
//! `X-Forwarded-*` headers are believed only from a socket whose other end is a trusted proxy; anyone else could write
//! them at will.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use parking_lot::Mutex;

use super::{HeaderMap, HeaderName};

/// Entries of `X-Forwarded-For` that are looked at, from the right; more proxies in a row do not exist.
const MAX_HOPS: usize = 32;

/// The other end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address: the socket's, or behind trusted proxies the right-most untrusted one of
    /// `X-Forwarded-For`. None for the local operator's Unix socket.
    pub address: Option<IpAddr>,
    /// Whether a trusted proxy said that the client speaks https.
    pub secure: bool,
    /// Whether the socket's other end is a trusted proxy.
    pub proxied: bool,
}

impl Peer {
    /// The local operator.
    pub const LOCAL: Self = Self { address: None, secure: false, proxied: false };

    /// The peer of a request that arrived from `socket`.
    pub fn of(socket: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let socket = socket.to_canonical();
        if !trusts(trusted, socket) {
            return Self { address: Some(socket), secure: false, proxied: false };
        }
        let secure =
            first_word(headers, "x-forwarded-proto").is_some_and(|p| p.eq_ignore_ascii_case("https"));
        Self { address: Some(client(socket, headers, trusted)), secure, proxied: true }
    }

    /// The host a trusted proxy says the client asked for.
    pub fn forwarded_host<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        if self.proxied { first_word(headers, "x-forwarded-host") } else { None }
    }
}

/// Whether `address` is one of the trusted proxies.
pub(crate) fn trusts(trusted: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// A header in which a proxy says who its client is, as it is mostly written.
fn forwarded(header: &HeaderName) -> Option<&'static str> {
    match header.as_str() {
        "x-forwarded-for" => Some("X-Forwarded-For"),
        "x-forwarded-proto" => Some("X-Forwarded-Proto"),
        "x-forwarded-host" => Some("X-Forwarded-Host"),
        "forwarded" => Some("Forwarded"),
        _ => None,
    }
}

/// How often one address is named in the log, and how many addresses are in that time.
const HINT_EVERY: Duration = Duration::from_secs(60 * 60);
const HINTS: usize = 32;

/// The hint in the log that a proxy is not believed: a forgotten `trustedProxies` shows nowhere else, and has all
/// clients counted as one.
#[derive(Default)]
pub(crate) struct Hints(Mutex<HashMap<IpAddr, Instant>>);

impl Hints {
    /// Gives the hint if a request from `address`, which is no trusted proxy, says what only a proxy can.
    pub(crate) fn look(&self, headers: &HeaderMap, address: Option<IpAddr>) {
        // A request has a few headers, and each search for one of these would hash its name.
        let Some(name) = headers.keys().find_map(forwarded) else { return };
        let Some(address) = address else { return };
        let now = Instant::now();
        {
            let mut given = self.0.lock();
            if given.len() >= HINTS {
                given.retain(|_, at| now.duration_since(*at) < HINT_EVERY);
            }
            if given.get(&address).is_some_and(|at| now.duration_since(*at) < HINT_EVERY)
                || given.len() >= HINTS
            {
                return;
            }
            given.insert(address, now);
        }
        tracing::warn!(
            "{address} sent {name}, which is ignored; if it is a proxy of yours, add its address to trustedProxies"
        );
    }
}

/// The first of a header's comma-separated words: the one the outermost proxy wrote.
fn first_word<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    let word = value.split(',').next()?.trim();
    (!word.is_empty()).then_some(word)
}

/// Walks `X-Forwarded-For` from the right, past trusted proxies, to the first address that is none. What stands left
/// of that is hearsay. An entry that is no address ends the walk at the last proxy known.
fn client(socket: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut nearest = socket;
    let values = headers.get_all("x-forwarded-for").iter().rev();
    let entries = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for entry in entries.take(MAX_HOPS) {
        let Some(address) = parse(entry.trim()) else { break };
        nearest = address;
        if !trusts(trusted, address) {
            break;
        }
    }
    nearest
}

/// An address as proxies write it: plain, in brackets, and some with a port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().or_else(|_| entry.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::http::HeaderValue;

    fn peer(socket: &str, headers: &[(&'static str, &'static str)]) -> Peer {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Peer::of(socket.parse().unwrap(), &map, &trusted)
    }

    fn address(socket: &str, forwarded_for: &'static str) -> String {
        peer(socket, &[("x-forwarded-for", forwarded_for)]).address.unwrap().to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let headers =
            [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil")];
        let stranger = peer("203.0.113.9", &headers);
        assert_eq!(stranger, Peer { address: Some([203, 0, 113, 9].into()), secure: false, proxied: false });
        let mut map = HeaderMap::new();
        map.insert("x-forwarded-host", HeaderValue::from_static("evil"));
        assert_eq!(stranger.forwarded_host(&map), None);
    }

    #[test]
    fn the_right_most_untrusted_address_is_the_clients() {
        assert_eq!(address("10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "6.6.6.6, 203.0.113.9"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.2.3"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "10.5.5.5, 10.1.2.3"), "10.5.5.5");
        assert_eq!(address("fd00::1", "2001:db8::7"), "2001:db8::7");
        assert_eq!(address("::ffff:10.0.0.1", "::ffff:203.0.113.9"), "203.0.113.9");
    }

    #[test]
    fn several_headers_are_one_list() {
        let two = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9, 10.1.2.3")];
        assert_eq!(peer("10.0.0.1", &two).address.unwrap().to_string(), "203.0.113.9");
    }

    #[test]
    fn ports_and_brackets_are_understood() {
        assert_eq!(address("10.0.0.1", "203.0.113.9:4711"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "[2001:db8::7]"), "2001:db8::7");
        assert_eq!(address("10.0.0.1", "[2001:db8::7]:4711"), "2001:db8::7");
    }

    #[test]
    fn junk_ends_the_walk() {
        assert_eq!(address("10.0.0.1", "203.0.113.9, unknown"), "10.0.0.1");
        assert_eq!(address("10.0.0.1", "203.0.113.9, junk, 10.1.2.3"), "10.1.2.3");
        assert_eq!(address("10.0.0.1", ""), "10.0.0.1");
        let long = format!("203.0.113.9{}", ", 10.1.2.3".repeat(1000));
        assert_eq!(address("10.0.0.1", Box::leak(long.into_boxed_str())), "10.1.2.3");
    }

    #[test]
    fn a_trusted_proxy_names_protocol_and_host() {
        let mut map = HeaderMap::new();
        map.insert("x-forwarded-host", HeaderValue::from_static("home.example:8443, inner"));
        let proxied = peer("10.0.0.1", &[("x-forwarded-proto", "HTTPS, http")]);
        assert!(proxied.secure && proxied.proxied);
        assert_eq!(proxied.forwarded_host(&map), Some("home.example:8443"));
        assert!(!peer("10.0.0.1", &[("x-forwarded-proto", "http")]).secure);
        assert!(!peer("10.0.0.1", &[]).secure);
    }
}
