//! An HTTP client for plugins, which cannot be turned against what stands behind the server.
//!
//! A URL that a user wrote may name the router, the cloud's metadata or the server itself. So the addresses that a name
//! resolves to are looked at, and the connection is made to the very address that was looked at: private ones only where
//! the plugin allows them. Redirects are not followed; whoever wants to follows them with another request, which is
//! looked at too. Size and time are bounded.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::rest::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// The largest head of an answer.
const LARGEST_HEAD: usize = 32 * 1024;

/// A client for HTTP/1.1 and HTTPS. The defaults: public addresses alone, ten seconds in all, answers of 1 MiB.
///
/// ```
/// use netignite::prelude::*;
///
/// async fn notify(host: &Arc<Host>) -> std::result::Result<(), WebError> {
///     let sent = host.web().post_json("https://example.org/hook", br#"{"text":"hello"}"#.as_slice()).await?;
///     assert!(sent.status.is_success());
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Web {
    private: bool,
    time: Duration,
    bytes: usize,
}

/// An answer from the web.
#[derive(Debug)]
pub struct WebAnswer {
    /// The status; a redirect is answered, not followed.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

/// Why there was no answer: one line for a person, without the URL's path and query, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebError(String);

impl std::fmt::Display for WebError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WebError {}

impl Default for Web {
    fn default() -> Self {
        Self { private: false, time: Duration::from_secs(10), bytes: 1024 * 1024 }
    }
}

impl Web {
    /// The same, which reaches private addresses too if `allowed`: let a configuration say so, never a user.
    #[must_use]
    pub fn private(self, allowed: bool) -> Self {
        Self { private: allowed, ..self }
    }

    /// The same, which gives up after `time`.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// The same, which takes answers of at most so many bytes.
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Sends GET.
    ///
    /// # Errors
    /// The URL is none, its host has no address that may be reached, or there is no answer in time.
    pub async fn get(&self, url: &str) -> Result<WebAnswer, WebError> {
        self.request(Method::GET, url, &[], Bytes::new()).await
    }

    /// Sends JSON with POST.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn post_json(&self, url: &str, json: impl Into<Bytes>) -> Result<WebAnswer, WebError> {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        self.request(Method::POST, url, &headers, json.into()).await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<WebAnswer, WebError> {
        let asked = Asked::parse(url)?;
        let exchange = self.exchange(&asked, method, headers, body);
        tokio::time::timeout(self.time, exchange)
            .await
            .unwrap_or_else(|_| Err(asked.failed(format_args!("no answer within {:?}", self.time))))
    }

    async fn exchange(
        &self,
        asked: &Asked,
        method: Method,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<WebAnswer, WebError> {
        let failed = |why: &dyn std::fmt::Display| asked.failed(why);
        let mut request = Request::builder()
            .method(method)
            .uri(&asked.path)
            .header(HOST, &asked.authority)
            .header(USER_AGENT, concat!("NetIgnite/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|e| failed(&e))?;
        let stream = self.connect(asked).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| failed(&e))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, self.bytes).collect().await;
            let body = body.map_err(|e| failed(&e))?.to_bytes();
            Ok(WebAnswer { status: head.status, headers: head.headers, body })
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            _ = connection => answer.await,
        }
    }

    /// Connects to the first address that may be reached and answers.
    async fn connect(&self, asked: &Asked) -> Result<Wire, WebError> {
        let found = tokio::net::lookup_host((asked.host.as_str(), asked.port)).await;
        let found: Vec<SocketAddr> = found.map_err(|e| asked.failed(e))?.collect();
        let allowed: Vec<_> =
            found.iter().filter(|address| self.private || is_public(address.ip())).copied().collect();
        if allowed.is_empty() {
            return Err(asked.failed(if found.is_empty() {
                "it has no address"
            } else {
                "its address is private, which must be allowed in the plugin's configuration"
            }));
        }
        let tcp = TcpStream::connect(&allowed[..]).await.map_err(|e| asked.failed(e))?;
        let Some(name) = &asked.tls else { return Ok(Box::new(tcp)) };
        let config = tokio::task::spawn_blocking(tls).await.map_err(|e| asked.failed(e))?;
        let connector = TlsConnector::from(Arc::new(config.map_err(|e| asked.failed(e))?));
        let stream = connector.connect(name.clone(), tcp).await;
        Ok(Box::new(stream.map_err(|e| asked.failed(format_args!("TLS: {e}")))?))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Wire = Box<dyn Stream>;

/// A URL, taken apart.
struct Asked {
    host: String,
    port: u16,
    authority: String,
    path: String,
    /// The name of the certificate, for HTTPS.
    tls: Option<ServerName<'static>>,
}

impl Asked {
    fn parse(url: &str) -> Result<Self, WebError> {
        let wrong =
            |why: &str| WebError(format!("the URL {why}: write it as https://host/path or http://host/path"));
        let uri: Uri = url.parse().map_err(|_| wrong("is none"))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("has no scheme that can be used")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("holds a user or password"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let name = ServerName::try_from(host.clone()).map_err(|_| wrong("has a host that is none"));
        let tls = if is_tls { Some(name?) } else { None };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { host, port, authority: authority.to_string(), path, tls })
    }

    fn failed(&self, why: impl std::fmt::Display) -> WebError {
        WebError(format!("{}: {why}", self.authority))
    }
}

/// Whether an address is everybody's: not this machine's, not the network's around it, and none for a special purpose.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || a == 100 && (64..128).contains(&b)
                || a == 192 && b == 0 && c == 0
                || a == 198 && (b == 18 || b == 19))
        }
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => is_public(v4.into()),
            // 2000::/3 is what is given out; of it, documentation is not.
            None => {
                let first = v6.segments();
                first[0] & 0xe000 == 0x2000 && !(first[0] == 0x2001 && first[1] == 0x0db8)
            }
        },
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated (NAT64) or tunnelled (6to4).
fn embedded(v6: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let parts = v6.segments();
    let v4 = |high: u16, low: u16| std::net::Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match parts {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => v6.to_ipv4_mapped(),
    }
}

/// TLS with the certificates of the system, or Mozilla's where it has none.
fn tls() -> io::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_dress() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_its_secrets() {
        for wrong in ["", "ftp://host/", "host/path", "https://user:geheim@host/", "https:///path"] {
            let said = Asked::parse(wrong).err().unwrap().to_string();
            assert!(!said.contains("geheim"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_private_target_is_refused_before_it_is_reached() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let said = Web::default().get(&url).await.unwrap_err().to_string();
        assert!(said.contains("private"), "{said}");
        assert!(listener.accept().is_err(), "it was connected to");
    }
}
