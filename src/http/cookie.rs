//! The session cookie: reading it from a request, and the `Set-Cookie` that sets or clears it.

use hyper::header::COOKIE;
use secrecy::{ExposeSecret, SecretString};

use super::peer::Peer;
use super::{HeaderMap, HeaderValue};
use crate::config::{Config, SecureCookies};

/// The cookie's name.
pub const NAME: &str = "session";
/// The cookie's lifetime in the browser, in seconds: 30 days.
pub const MAX_AGE: u32 = 30 * 24 * 60 * 60;

/// Every value of the cookie the request carries, in its order: a browser may send several of one name, set for
/// different paths or hosts.
pub fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(COOKIE)
        .iter()
        // As bytes: another application's cookie on the same host may hold anything.
        .flat_map(|value| value.as_bytes().split(|&b| b == b';'))
        .filter_map(|pair| pair.trim_ascii_start().strip_prefix(NAME.as_bytes()))
        .filter_map(|rest| rest.trim_ascii_start().strip_prefix(b"="))
        .filter_map(|value| std::str::from_utf8(value).ok())
        .map(|value| value.trim().trim_matches('"'))
        .filter(|value| !value.is_empty())
}

/// Whether the cookie carries `Secure` for this client: as configured, else in production and where a trusted proxy
/// says that the client speaks https.
pub fn secure(config: &Config, peer: &Peer) -> bool {
    match config.secure_cookies {
        SecureCookies::Always => true,
        SecureCookies::Never => false,
        SecureCookies::Auto => config.production || peer.secure,
    }
}

/// The `Set-Cookie` of a session.
pub fn set(token: &SecretString, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!(
        "{NAME}={}; Path=/; Max-Age={MAX_AGE}; SameSite=Strict; HttpOnly{secure}",
        token.expose_secret()
    );
    marked_sensitive(&cookie)
}

/// The `Set-Cookie` that makes the browser forget its session.
pub fn clear(secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    marked_sensitive(&format!("{NAME}=; Path=/; Max-Age=0; SameSite=Strict; HttpOnly{secure}"))
}

fn marked_sensitive(cookie: &str) -> HeaderValue {
    // A token is ASCII by construction; an empty cookie would log the browser out, never let anyone in.
    let mut value = HeaderValue::from_str(cookie).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DIRECT: Peer = Peer { address: None, secure: false, proxied: false };

    fn read(cookies: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        tokens(&headers).map(str::to_owned).collect()
    }

    #[test]
    fn every_cookie_of_the_name_is_read_in_order() {
        assert!(read(&[]).is_empty());
        assert_eq!(read(&["session=abc"]), ["abc"]);
        assert_eq!(read(&["a=1; session=abc;session=def", "session=\"ghi\"; b=2"]), ["abc", "def", "ghi"]);
        assert_eq!(read(&["xsession=1; session2=2; Session=3; session"]), [""; 0]);
        assert_eq!(read(&["session=; session=a=b"]), ["a=b"]);
        assert_eq!(read(&[" session = abc ;session"]), ["abc"]);
    }

    #[test]
    fn a_foreign_cookie_may_hold_any_bytes() {
        let mut headers = HeaderMap::new();
        let cookies = b"name=Ren\xc3\xa9; session=\xff; session=abc; last=\xe9";
        headers.insert(COOKIE, HeaderValue::from_bytes(cookies).unwrap());
        assert_eq!(tokens(&headers).collect::<Vec<_>>(), ["abc"]);
    }

    #[test]
    fn attributes_are_exactly_these() {
        let token = SecretString::from("abc");
        assert_eq!(
            set(&token, false).to_str().unwrap(),
            "session=abc; Path=/; Max-Age=2592000; SameSite=Strict; HttpOnly"
        );
        assert_eq!(
            set(&token, true).to_str().unwrap(),
            "session=abc; Path=/; Max-Age=2592000; SameSite=Strict; HttpOnly; Secure"
        );
        assert_eq!(clear(false).to_str().unwrap(), "session=; Path=/; Max-Age=0; SameSite=Strict; HttpOnly");
        assert!(!format!("{:?}", set(&token, false)).contains("abc"), "not in any debug output");
    }

    #[test]
    fn secure_follows_configuration_production_and_proxy() {
        let tls = Peer { secure: true, ..DIRECT };
        let production = Config { production: true, ..Config::default() };
        let with = |secure_cookies| Config { secure_cookies, ..Config::default() };
        assert!(!secure(&Config::default(), &DIRECT));
        assert!(secure(&Config::default(), &tls));
        assert!(secure(&production, &DIRECT));
        assert!(secure(&with(SecureCookies::Always), &DIRECT));
        assert!(!secure(&with(SecureCookies::Never), &tls));
    }
}
