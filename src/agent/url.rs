//! The server's address as the agent's user writes it: a base URL, with or without TLS, below a path or not.

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;

use super::AgentError;
use crate::text::bare;

/// Where the Agent Control Service lies below the server's base URL.
const SERVICE: &str = "/api/agent-control-service";

/// The server to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerUrl {
    /// Whether the connection is encrypted: `https` or `wss`.
    pub tls: bool,
    /// The host's name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The value of the `Host` header: the host as it was written, with its port if one was.
    pub authority: String,
    /// The path of the service, the base URL's own path before it.
    pub path: String,
}

impl ServerUrl {
    /// Reads a base URL.
    ///
    /// # Errors
    /// The text is no such URL, or holds what does not belong there, such as a password.
    pub(super) fn parse(text: &str) -> Result<Self, AgentError> {
        let text = bare(text);
        // The text is not repeated where it may hold a password.
        if text.contains('@') {
            return Err(AgentError(
                "--server: a URL must not hold a user or password; the agent's ID is --id, and its secret comes from \
                 NETIGNITE_AGENT_SECRET, --secret-file or a prompt"
                    .into(),
            ));
        }
        let wrong = |what: &str| {
            AgentError(format!(
                "--server {text}: {what}; expected a base URL like https://netignite.example or \
                 http://192.168.1.10:18232"
            ))
        };
        let uri: Uri = text.parse().map_err(|e| wrong(&format!("{e}")))?;
        let (tls, default_port) = match uri.scheme_str() {
            Some("http" | "ws") => (false, 80),
            Some("https" | "wss") => (true, 443),
            Some(_) => return Err(wrong("unknown scheme")),
            None => return Err(wrong("the scheme is missing")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("the host is missing"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let written = &authority.as_str()[authority.host().len()..];
        let port = match written.strip_prefix(':') {
            None => default_port,
            Some(port) => {
                port.parse().ok().filter(|p| *p != 0).ok_or_else(|| wrong("the port is not 1 to 65535"))?
            }
        };
        if uri.query().is_some() {
            return Err(wrong("a query does not belong there"));
        }
        // Whoever gives the whole address of the service means the same.
        let base = uri.path().trim_end_matches('/');
        let base = base.strip_suffix(SERVICE).unwrap_or(base);
        Ok(Self { tls, host, port, authority: authority.to_string(), path: format!("{base}{SERVICE}") })
    }

    /// The path of a route of the server's API, which is below `/api`.
    pub(super) fn api(&self, route: &str) -> String {
        format!("{}{route}", self.base())
    }

    /// The base URL's own path.
    fn base(&self) -> &str {
        self.path.strip_suffix(SERVICE).unwrap_or_default()
    }

    /// Whether what is sent can be read on the way: no TLS, to another machine.
    pub(super) fn in_the_clear(&self) -> bool {
        let local = self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        !self.tls && !local
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority, self.base())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_base_url_is_read() {
        for (text, tls, host, port, authority, path) in [
            ("http://nas:18232", false, "nas", 18232, "nas:18232", "/api/agent-control-service"),
            ("ws://nas", false, "nas", 80, "nas", "/api/agent-control-service"),
            ("https://n.example/", true, "n.example", 443, "n.example", "/api/agent-control-service"),
            ("wss://n.example:8443", true, "n.example", 8443, "n.example:8443", "/api/agent-control-service"),
            (
                "https://n.example/power/",
                true,
                "n.example",
                443,
                "n.example",
                "/power/api/agent-control-service",
            ),
            ("HTTP://10.0.0.1/a/b", false, "10.0.0.1", 80, "10.0.0.1", "/a/b/api/agent-control-service"),
            ("http://[fe80::1]:8080", false, "fe80::1", 8080, "[fe80::1]:8080", "/api/agent-control-service"),
            ("https://[::1]", true, "::1", 443, "[::1]", "/api/agent-control-service"),
            ("ws://nas/api/agent-control-service", false, "nas", 80, "nas", "/api/agent-control-service"),
        ] {
            let read = ServerUrl::parse(text).unwrap();
            let expected =
                ServerUrl { tls, host: host.into(), port, authority: authority.into(), path: path.into() };
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        for (text, reason) in [
            ("nas:18232", "scheme"),
            ("nas", "scheme"),
            ("ftp://nas", "unknown scheme"),
            ("http://", "expected a base URL"),
            ("http://nas:0", "port"),
            ("http://nas:70000", "port"),
            ("http://nas:", "port"),
            ("http://nas/?a=b", "query"),
            ("", "expected a base URL"),
        ] {
            let AgentError(said) = ServerUrl::parse(text).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let AgentError(said) = ServerUrl::parse("https://1:hunter22@nas").unwrap_err();
        assert!(said.contains("must not hold") && !said.contains("hunter22"), "{said}");
    }

    #[test]
    fn only_unencrypted_ways_to_other_machines_are_in_the_clear() {
        let clear = |text| ServerUrl::parse(text).unwrap().in_the_clear();
        assert!(clear("http://192.168.1.10") && clear("ws://nas") && clear("http://[fe80::1]"));
        assert!(!clear("https://nas") && !clear("http://localhost:1") && !clear("ws://127.0.0.1"));
        assert!(!clear("http://[::1]"));
    }
}
