//! Whether a request is meant for this server, and was made by a page of our own: the guard against other names for its
//! address (DNS rebinding), against cross-site writes and sockets.
//!
//! A browser attaches the session cookie to whatever page asks, so a write must come from the server's own pages, from
//! a listed origin, or from a program that is no browser and says nothing of where it comes from.

use std::net::{IpAddr, Ipv6Addr};

use hyper::Version;
use hyper::header::HOST;
use hyper::http::request::Parts;

use super::path::without_slash;
use super::peer::Peer;
use super::{HeaderMap, HeaderValue};
use crate::error::{Error, Kind};

/// The paths that answer whatever host is asked for: whoever looks after the server, such as a container's health check,
/// comes by its address, and learns nothing there.
const ANY_HOST: [&str; 2] = ["/livez", "/readyz"];
/// The longest name of a host.
const MAX_HOST: usize = 255;

/// A host and port, as `Host` and `Origin` name them, borrowed from the header.
#[derive(Debug, Clone, Copy)]
struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

/// Refuses a request that does not say in one way which host it is for, or that is for none of `allowed`; any is good
/// where that is empty.
///
/// # Errors
/// 400 for no host, two or one that is malformed; 403 for another than the allowed ones.
pub(crate) fn check_host(parts: &Parts, peer: &Peer, allowed: &[String]) -> Result<(), Error> {
    let invalid = |message| Err(Error::new(Kind::Invalid, "invalid_host", message));
    let mut hosts = parts.headers.get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        // Before HTTP/1.1 there was no such header.
        (None, _) if parts.version < Version::HTTP_11 => None,
        (None, _) => return invalid("The request has no Host header: it must name the server"),
        (Some(_), Some(_)) => return invalid("The request has two Host headers: it must have one"),
        (Some(host), None) => match host.to_str().ok().filter(|host| is_host(host)) {
            Some(host) => Some(host),
            None => return invalid("The Host header is not a host with an optional port"),
        },
    };
    if allowed.is_empty() || ANY_HOST.contains(&without_slash(parts.uri.path())) {
        return Ok(());
    }
    let asked = peer.forwarded_host(&parts.headers);
    let asked = asked.or_else(|| parts.uri.authority().map(|authority| authority.as_str())).or(named);
    match asked.and_then(split_authority) {
        Some(asked) if allowed.iter().any(|allowed| is_same_host(allowed, asked.host)) => Ok(()),
        _ => Err(Error::new(
            Kind::Forbidden,
            "host_not_allowed",
            "The server does not answer under this host. Ask it by one of its own names; if this is one, add it to \
             allowedHosts in the configuration.",
        )),
    }
}

/// Whether a `Host` is well formed.
fn is_host(text: &str) -> bool {
    let bracketed = text.starts_with('[');
    text.len() <= MAX_HOST
        && split_authority(text).is_some_and(|named| !bracketed || named.host.parse::<Ipv6Addr>().is_ok())
}

/// Whether two hosts are one: names in any case, with or without the dot at their end, addresses however they are
/// written.
fn is_same_host(allowed: &str, asked: &str) -> bool {
    let allowed = allowed.trim_matches(['[', ']']);
    let dotless = |host: &str| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match (allowed.parse::<IpAddr>(), asked.parse::<IpAddr>()) {
        (Ok(allowed), Ok(asked)) => allowed == asked,
        _ => dotless(allowed) == dotless(asked),
    }
}

/// Refuses a write that a browser makes for another site's page.
///
/// # Errors
/// 403 whose message names what helps whoever is refused.
pub fn check_write(headers: &HeaderMap, peer: &Peer, allowed: &[String]) -> Result<(), Error> {
    let refused = |message| Err(Error::new(Kind::Forbidden, "cross_site", message));
    match (headers.get("sec-fetch-site"), headers.get("origin")) {
        // The browser's own word, which a listed origin does not outweigh: there is no CORS, so another site's page has
        // nothing to write here.
        (Some(site), _) if site == "same-origin" || site == "none" => Ok(()),
        (Some(_), _) => refused(
            "Cross-site request refused. Your browser says that another site’s page sent it, which allowedOrigins does \
             not change: open a page of the server itself and try again there.",
        ),
        (None, None) => Ok(()),
        (None, Some(origin)) if is_own(origin, headers, peer) || is_made_up(origin, headers, peer) => Ok(()),
        (None, Some(origin)) if is_listed(origin, allowed) => Ok(()),
        (None, Some(origin)) if is_pages(origin) => refused(
            "Cross-site request refused. If this is the server’s own page behind a proxy that rewrites Host, add the \
             page’s origin to allowedOrigins in the configuration, or the proxy to trustedProxies. A program writes \
             without an Origin header, or with an API token.",
        ),
        (None, Some(_)) => refused(
            "Cross-site request refused: its Origin is no site’s, so that allowedOrigins cannot list it. A program \
             writes without an Origin header, or with an API token.",
        ),
    }
}

/// Whether an agent's handshake without usable credentials may come from here. Agents send no `Origin` or one that is no
/// web page's; a page must be our own or listed.
pub fn may_connect(headers: &HeaderMap, peer: &Peer, allowed: &[String]) -> bool {
    let mut origins = headers.get_all("origin").iter();
    origins.all(|origin| {
        origin.as_bytes().eq_ignore_ascii_case(b"file://")
            || is_websocket(origin)
            || is_own(origin, headers, peer)
            || is_listed(origin, allowed)
    })
}

/// Whether `origin` is one that a WebSocket library made of the URL it dials. Pages have none such.
fn is_websocket(origin: &HeaderValue) -> bool {
    let origin = origin.as_bytes();
    let begins = |scheme: &[u8]| origin.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme));
    begins(b"ws://") || begins(b"wss://")
}

/// Whether `origin` is the host the client asked for, in either of http and https: behind a proxy the server does not
/// know which of them the page was loaded with.
fn is_own(origin: &HeaderValue, headers: &HeaderMap, peer: &Peer) -> bool {
    let Some((scheme, own)) = origin.to_str().ok().and_then(split_origin) else { return false };
    asked_host(headers, peer).and_then(split_authority).is_some_and(|asked| same(own, asked, scheme))
}

/// The host that the client asked for.
fn asked_host<'a>(headers: &'a HeaderMap, peer: &Peer) -> Option<&'a str> {
    let mut hosts = headers.get_all("host").iter();
    match (peer.forwarded_host(headers), hosts.next(), hosts.next()) {
        (Some(forwarded), ..) => Some(forwarded),
        (None, Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// Whether `origin` names the host the client asked for in a way that no page's does: with a WebSocket's scheme or none.
/// Client libraries make such origins up, and leave the port out at will.
fn is_made_up(origin: &HeaderValue, headers: &HeaderMap, peer: &Peer) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let authority = match origin.split_once("://") {
        Some((scheme, authority)) if is_socket(scheme) => authority,
        Some(_) => return false,
        None => origin,
    };
    let (own, asked) = (split_authority(authority), asked_host(headers, peer).and_then(split_authority));
    let (Some(own), Some(asked)) = (own, asked) else { return false };
    is_same_host(own.host, asked.host)
        && own.port.is_none_or(|port| asked.port.is_none_or(|asked| asked == port))
}

/// Whether `origin` can be listed as one.
fn is_pages(origin: &HeaderValue) -> bool {
    origin.to_str().ok().and_then(split_origin).is_some()
}

/// Whether `origin` is one of `allowed`, which are origins such as `https://home.example` or bare hosts.
fn is_listed(origin: &HeaderValue, allowed: &[String]) -> bool {
    let Some((scheme, own)) = origin.to_str().ok().and_then(split_origin) else { return false };
    allowed.iter().any(|entry| {
        let entry = entry.trim().trim_end_matches('/');
        match entry.split_once("://") {
            Some(_) => split_origin(entry).is_some_and(|(listed_scheme, listed)| {
                is_secure(listed_scheme) == is_secure(scheme) && same(own, listed, scheme)
            }),
            None => split_authority(entry).is_some_and(|listed| same(own, listed, scheme)),
        }
    })
}

fn same(a: Authority<'_>, b: Authority<'_>, scheme: &str) -> bool {
    let default = if is_secure(scheme) { 443 } else { 80 };
    is_same_host(a.host, b.host) && a.port.unwrap_or(default) == b.port.unwrap_or(default)
}

fn is_socket(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss")
}

fn is_secure(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

/// The scheme and authority of the origin of a web page, or of a socket that a library opens. `null` is none, and
/// neither is any other scheme.
fn split_origin(origin: &str) -> Option<(&str, Authority<'_>)> {
    let (scheme, authority) = origin.split_once("://")?;
    let web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) || is_socket(scheme);
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    web.then(|| split_authority(authority)).flatten().map(|authority| (scheme, authority))
}

fn split_authority(text: &str) -> Option<Authority<'_>> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("")),
        },
    };
    let port = match port? {
        "" => None,
        digits => Some(digits.parse().ok()?),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    (!host.is_empty() && host.bytes().all(plain)).then_some(Authority { host, port })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const DIRECT: Peer = Peer { address: None, secure: false, proxied: false };
    const PROXIED: Peer = Peer { proxied: true, ..DIRECT };

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn writes(peer: &Peer, pairs: &[(&'static str, &'static str)], allowed: &[&str]) -> bool {
        let allowed: Vec<String> = allowed.iter().map(|&o| o.to_owned()).collect();
        match check_write(&headers(pairs), peer, &allowed) {
            Ok(()) => true,
            Err(e) => {
                assert_eq!(e.kind(), Kind::Forbidden);
                assert!(e.message().contains("allowedOrigins"), "{}", e.message());
                false
            }
        }
    }

    fn from(host: &'static str, origin: &'static str) -> bool {
        writes(&DIRECT, &[("host", host), ("origin", origin)], &[])
    }

    #[test]
    fn a_program_without_origin_may_write() {
        assert!(writes(&DIRECT, &[("host", "home.example")], &[]));
        assert!(writes(&DIRECT, &[], &[]));
    }

    #[test]
    fn the_browsers_own_word_comes_first() {
        for (site, good) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)]
        {
            let pairs =
                [("host", "home.example"), ("origin", "http://home.example"), ("sec-fetch-site", site)];
            assert_eq!(writes(&DIRECT, &pairs, &[]), good, "{site}");
        }
        let rewritten =
            [("host", "inner:1"), ("origin", "https://home.example"), ("sec-fetch-site", "same-origin")];
        assert!(writes(&DIRECT, &rewritten, &[]));
        assert!(!writes(&DIRECT, &[("sec-fetch-site", "cross-site")], &[]));
        assert!(!writes(&DIRECT, &[("sec-fetch-site", "Same-Origin, none")], &[]));
    }

    #[test]
    fn a_listed_origin_does_not_outweigh_the_browsers_word() {
        let pairs =
            [("host", "api.example"), ("origin", "https://home.example"), ("sec-fetch-site", "cross-site")];
        assert!(!writes(&DIRECT, &pairs, &["https://home.example"]));
        assert!(writes(&DIRECT, &pairs[..2], &["https://home.example"]));
    }

    #[test]
    fn the_origin_must_be_the_host() {
        assert!(from("home.example", "http://home.example"));
        assert!(from("home.example", "https://home.example"));
        assert!(from("HOME.example", "https://home.EXAMPLE"));
        assert!(from("home.example:8080", "http://home.example:8080"));
        assert!(from("home.example:443", "https://home.example"));
        assert!(from("home.example", "http://home.example:80"));
        assert!(from("[::1]:18232", "http://[::1]:18232"));
        assert!(from("127.0.0.1:18232", "http://127.0.0.1:18232"));
        // No browser leaves the scheme out.
        assert!(from("home.example", "home.example"));

        assert!(!from("home.example", "https://evil.example"));
        assert!(!from("home.example:8080", "http://home.example:9090"));
        assert!(!from("home.example:8080", "http://home.example"));
        assert!(!from("[::1]:18232", "http://[::2]:18232"));
        assert!(!from("home.example", "https://home.example.evil.example"));
        assert!(!from("home.example", "https://evilhome.example"));
    }

    #[test]
    fn null_and_junk_are_refused() {
        for origin in ["null", "", "file://", "ftp://home.example", "http://home.example:x", "http://[::1"] {
            assert!(!from("home.example", origin), "{origin}");
        }
        assert!(!from("", "http://"));
        let two_hosts = [("host", "home.example"), ("host", "evil"), ("origin", "http://home.example")];
        assert!(!writes(&DIRECT, &two_hosts, &[]));
    }

    #[test]
    fn listed_origins_count_with_scheme_and_port() {
        let pairs = [("host", "inner:1"), ("origin", "https://home.example:8443")];
        assert!(writes(&DIRECT, &pairs, &["https://home.example:8443"]));
        assert!(writes(&DIRECT, &pairs, &["https://Home.example:8443/"]));
        assert!(writes(&DIRECT, &pairs, &["home.example:8443"]));
        assert!(!writes(&DIRECT, &pairs, &["http://home.example:8443"]));
        assert!(!writes(&DIRECT, &pairs, &["https://home.example"]));
        assert!(!writes(&DIRECT, &[("origin", "null")], &["null", "*"]));
    }

    #[test]
    fn only_a_trusted_proxy_names_the_host() {
        let pairs =
            [("host", "inner:1"), ("x-forwarded-host", "home.example"), ("origin", "https://home.example")];
        assert!(writes(&PROXIED, &pairs, &[]));
        assert!(!writes(&DIRECT, &pairs, &[]));
    }

    #[test]
    fn agents_connect_and_foreign_pages_do_not() {
        let connects = |origin: Option<&'static str>| {
            let mut pairs = vec![("host", "home.example:18232")];
            pairs.extend(origin.map(|origin| ("origin", origin)));
            may_connect(&headers(&pairs), &DIRECT, &["https://listed.example".to_owned()])
        };
        assert!(connects(None));
        assert!(connects(Some("file://")));
        assert!(connects(Some("http://home.example:18232")));
        assert!(connects(Some("https://listed.example")));
        assert!(!connects(Some("http://home.example")));
        assert!(!connects(Some("https://evil.example")));
        assert!(!connects(Some("null")));
    }
}
