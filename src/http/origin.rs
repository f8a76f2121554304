//! Whether a request was made by a page of our own: the guard against cross-site writes and sockets.
//!
//! A browser attaches the session cookie to whatever page asks, so a write must come from the server's own pages, from
//! a listed origin, or from a program that is no browser and says nothing of where it comes from.

use super::peer::Peer;
use super::{HeaderMap, HeaderValue};
use crate::error::{Error, Kind};

/// A host and port, as `Host` and `Origin` name them, borrowed from the header.
#[derive(Debug, Clone, Copy)]
struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

/// Refuses a write that a browser makes for another site's page.
///
/// # Errors
/// 403 whose message names the setting a proxy that rewrites `Host` needs.
pub fn check_write(headers: &HeaderMap, peer: &Peer, allowed: &[String]) -> Result<(), Error> {
    let origin = headers.get("origin");
    let good = match headers.get("sec-fetch-site") {
        // The browser's own word, which a listed origin does not outweigh: there is no CORS, so another site's page has
        // nothing to write here.
        Some(site) => site == "same-origin" || site == "none",
        None => origin.is_none_or(|origin| is_own(origin, headers, peer) || is_listed(origin, allowed)),
    };
    if good {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "cross_site",
        "Cross-site request refused. If this is the server's own page behind a proxy that rewrites Host, add the \
         page's origin to allowedOrigins in the configuration, or the proxy to trustedProxies.",
    ))
}

/// Whether an agent's handshake may come from here. Agents send no `Origin` or one that is no web page's; a page must
/// be our own or listed.
pub fn may_connect(headers: &HeaderMap, peer: &Peer, allowed: &[String]) -> bool {
    let mut origins = headers.get_all("origin").iter();
    origins.all(|origin| {
        origin.as_bytes().eq_ignore_ascii_case(b"file://")
            || is_own(origin, headers, peer)
            || is_listed(origin, allowed)
    })
}

/// Whether `origin` is the host the client asked for, in either of http and https: behind a proxy the server does not
/// know which of them the page was loaded with.
fn is_own(origin: &HeaderValue, headers: &HeaderMap, peer: &Peer) -> bool {
    let Some((scheme, own)) = origin.to_str().ok().and_then(split_origin) else { return false };
    let mut hosts = headers.get_all("host").iter();
    let host = match (peer.forwarded_host(headers), hosts.next(), hosts.next()) {
        (Some(forwarded), ..) => Some(forwarded),
        (None, Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    host.and_then(split_authority).is_some_and(|asked| same(own, asked, scheme))
}

/// Whether `origin` is one of `allowed`, which are origins such as `https://home.example` or bare hosts.
fn is_listed(origin: &HeaderValue, allowed: &[String]) -> bool {
    let Some((scheme, own)) = origin.to_str().ok().and_then(split_origin) else { return false };
    allowed.iter().any(|entry| {
        let entry = entry.trim().trim_end_matches('/');
        match entry.split_once("://") {
            Some(_) => split_origin(entry).is_some_and(|(listed_scheme, listed)| {
                listed_scheme.eq_ignore_ascii_case(scheme) && same(own, listed, scheme)
            }),
            None => split_authority(entry).is_some_and(|listed| same(own, listed, scheme)),
        }
    })
}

fn same(a: Authority<'_>, b: Authority<'_>, scheme: &str) -> bool {
    let default = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    a.host.eq_ignore_ascii_case(b.host) && a.port.unwrap_or(default) == b.port.unwrap_or(default)
}

/// The scheme and authority of a web page's origin. `null` is none, and neither is any other scheme.
fn split_origin(origin: &str) -> Option<(&str, Authority<'_>)> {
    let (scheme, authority) = origin.split_once("://")?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
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
                assert!(e.message().contains("allowedOrigins"));
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

        assert!(!from("home.example", "https://evil.example"));
        assert!(!from("home.example:8080", "http://home.example:9090"));
        assert!(!from("home.example:8080", "http://home.example"));
        assert!(!from("[::1]:18232", "http://[::2]:18232"));
        assert!(!from("home.example", "https://home.example.evil.example"));
        assert!(!from("home.example", "https://evilhome.example"));
    }

    #[test]
    fn null_and_junk_are_refused() {
        for origin in [
            "null",
            "",
            "home.example",
            "file://",
            "ftp://home.example",
            "http://home.example:x",
            "http://[::1",
        ] {
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
