//! The HTTP proxy that the environment asks for: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or
//! not. Whatever the server's scheme is, the proxy is asked for a tunnel (CONNECT), which a WebSocket needs. What a
//! proxy's URL says in front of the `@` is sent to the proxy alone and never shown.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use super::AgentError;
use super::url::ServerUrl;

/// A proxy to reach the server by.
#[derive(Clone)]
pub(super) struct Proxy {
    /// Whether the proxy itself is spoken to over TLS.
    pub tls: bool,
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it is to be shown, if its URL holds credentials.
    pub authorization: Option<HeaderValue>,
    /// The variable that names it.
    variable: &'static str,
}

impl Proxy {
    /// The proxy that the environment names for a server, if any.
    ///
    /// # Errors
    /// A variable holds what is no URL of an HTTP proxy. Going round the proxy is not what was asked for.
    pub(super) fn for_server(url: &ServerUrl) -> Result<Option<Self>, AgentError> {
        Self::find(url, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn find(
        url: &ServerUrl,
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, AgentError> {
        let set = |name| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let names = if url.tls {
            ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        } else {
            ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        };
        let Some((name, text)) = names.into_iter().find_map(|name| Some((name, set(name)?))) else {
            return Ok(None);
        };
        let exceptions = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
        if excepted(&exceptions, &url.host, url.port) {
            return Ok(None);
        }
        Self::parse(name, &text).map(Some)
    }

    fn parse(variable: &'static str, text: &str) -> Result<Self, AgentError> {
        // The text is not repeated: it may hold a password.
        let wrong = |what: &str| {
            AgentError(format!(
                "{variable}: {what}; expected an HTTP proxy like http://proxy.example:3128, or the server listed in \
                 NO_PROXY"
            ))
        };
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let (credentials, bare) = without_credentials(&text);
        let uri: Uri = bare.parse().map_err(|_| wrong("it is no URL"))?;
        let (tls, default_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(wrong("only proxies that speak HTTP can be used")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("the host is missing"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None | Some("") => default_port,
            Some(port) => {
                port.parse().ok().filter(|p| *p != 0).ok_or_else(|| wrong("its port is not 1 to 65535"))?
            }
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let authorization = credentials.map(|text| {
            let (user, password) = text.split_once(':').unwrap_or((text, ""));
            let mut plain = percent_decode_str(user).collect::<Vec<_>>();
            plain.push(b':');
            plain.extend(percent_decode_str(password));
            HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(plain)))
        });
        let mut authorization =
            authorization.transpose().map_err(|_| wrong("its user or password is none"))?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Self { tls, host, port, authorization, variable })
    }
}

/// Takes what stands in front of the last `@` of a URL's authority out of it.
fn without_credentials(text: &str) -> (Option<&str>, String) {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    match text[start..end].rfind('@') {
        None => (None, text.to_owned()),
        Some(at) => {
            let at = start + at;
            (Some(&text[start..at]), format!("{}{}", &text[..start], &text[at + 1..]))
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, variable, .. } = self;
        let scheme = if self.tls { "https" } else { "http" };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port} ({variable})")
        } else {
            write!(f, "{scheme}://{host}:{port} ({variable})")
        }
    }
}

/// Whether a list of exceptions names a host: by its name, a domain above it, its address or network, with a port or
/// without; `*` names all.
fn excepted(exceptions: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    exceptions.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        let (name, only) = split_port(&entry);
        if only.is_some_and(|only| only != port) {
            return false;
        }
        if let Some(address) = address {
            let network = name.parse::<IpNet>().or_else(|_| name.parse::<IpAddr>().map(IpNet::from));
            return network.is_ok_and(|network| network.contains(&address));
        }
        let domain = name.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.');
        let above = || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        !domain.is_empty() && (host == domain || above())
    })
}

/// An exception's host and, if it names one, its port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(server: &str, environment: &[(&str, &str)]) -> Result<Option<Proxy>, AgentError> {
        let url = ServerUrl::parse(server).unwrap();
        Proxy::find(&url, |name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn shown(server: &str, environment: &[(&str, &str)]) -> Option<String> {
        found(server, environment).unwrap().map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_schemes_own_variable_comes_before_the_one_for_all() {
        let all = [("ALL_PROXY", "http://a:1"), ("HTTPS_PROXY", "http://s:2"), ("http_proxy", "h:3")];
        assert_eq!(shown("wss://n", &all).unwrap(), "http://s:2 (HTTPS_PROXY)");
        assert_eq!(shown("ws://n", &all).unwrap(), "http://h:3 (http_proxy)");
        assert_eq!(shown("ws://n", &all[..2]).unwrap(), "http://a:1 (ALL_PROXY)");
        assert_eq!(
            shown("https://n", &[("HTTPS_PROXY", " "), ("https_proxy", "https://p")]).unwrap(),
            "https://p:443 (https_proxy)"
        );
        assert_eq!(shown("https://n", &[("HTTP_PROXY", "http://h:3")]), None);
        assert_eq!(
            shown("http://n", &[("HTTP_PROXY", "http://[::1]:3/")]).unwrap(),
            "http://[::1]:3 (HTTP_PROXY)"
        );
        assert_eq!(shown("http://n", &[]), None);
    }

    #[test]
    fn credentials_are_sent_and_not_shown() {
        let proxy = found("wss://n", &[("HTTPS_PROXY", "http://u%40x:p:w%2F%40d@p:1")]).unwrap().unwrap();
        let header = proxy.authorization.clone().unwrap();
        assert_eq!(header.to_str().unwrap(), format!("Basic {}", BASE64_STANDARD.encode("u@x:p:w/@d")));
        assert!(header.is_sensitive());
        assert_eq!(proxy.to_string(), "http://p:1 (HTTPS_PROXY)");
        let bare = found("wss://n", &[("HTTPS_PROXY", "user:odd@pass@p:1")]).unwrap().unwrap();
        assert_eq!(bare.to_string(), "http://p:1 (HTTPS_PROXY)");
    }

    #[test]
    fn what_is_no_http_proxy_is_refused_and_not_repeated() {
        for text in ["socks5://u:hunter22@p:1", "http://u:hunter22@", "http://u:hunter22@p:0", "http://a b"] {
            let AgentError(said) = found("wss://n", &[("ALL_PROXY", text)]).err().unwrap();
            assert!(said.starts_with("ALL_PROXY: ") && said.contains("NO_PROXY"), "{said}");
            assert!(!said.contains("hunter22"), "{said}");
        }
        // Nothing is wrong with what is not used.
        assert_eq!(shown("ws://n", &[("ALL_PROXY", "socks5://p"), ("NO_PROXY", "n")]), None);
    }

    #[test]
    fn exceptions_name_hosts_domains_networks_and_ports() {
        for (exceptions, host, port, expected) in [
            ("*", "n.example", 443, true),
            ("", "n.example", 443, false),
            ("n.example", "n.example", 443, true),
            ("N.Example.", "n.eXample", 443, true),
            ("example", "n.example", 443, true),
            (".example", "n.example", 443, true),
            ("*.example", "n.example", 443, true),
            ("ample", "n.example", 443, false),
            ("other, n.example", "n.example", 443, true),
            ("other n.example", "n.example", 443, true),
            ("n.example:443", "n.example", 443, true),
            ("n.example:80", "n.example", 443, false),
            ("10.0.0.0/8", "10.1.2.3", 80, true),
            ("10.0.0.0/8", "11.1.2.3", 80, false),
            ("10.1.2.3:80", "10.1.2.3", 80, true),
            ("10.1.2.3:81", "10.1.2.3", 80, false),
            ("fd00::/8", "fd00::1", 80, true),
            ("[::1]:80", "::1", 80, true),
            ("::1", "::1", 80, true),
            ("2.3", "10.1.2.3", 80, false),
            (",. ,", "n.example", 80, false),
        ] {
            assert_eq!(excepted(exceptions, host, port), expected, "{exceptions} {host}:{port}");
        }
    }
}
