//! Reaching the server: TCP to whichever of its addresses answers, a proxy's tunnel where the environment asks for it,
//! TLS where the URL does, and HTTP/1.1 on top. What is said then is others' business. Names, certificates and addresses
//! are looked up anew each time: they change while an agent runs.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Body;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::AgentError;
use super::chatter::shown;
use super::proxy::Proxy;
use super::race::race;
use super::url::ServerUrl;

/// The largest head of an answer, and how many headers it may have.
const LARGEST_HEAD: usize = 32 * 1024;
const HEADERS: usize = 64;
/// How many addresses are remembered as such that did not serve.
const DISTRUSTED: usize = 20;

/// A way to speak to the other end: TCP, with TLS or a proxy's tunnel or both on it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Wire = Box<dyn Stream>;

/// The server was not reached, or is none: why, and what to do about it.
#[derive(Debug)]
pub(super) struct Unreachable(String);

impl Unreachable {
    /// `what` went wrong, and why. The other end may have a say in that.
    pub(super) fn new(what: &str, why: impl fmt::Display) -> Self {
        Self::with_remedy(what, why, "")
    }

    /// The same with what to do about it.
    fn with_remedy(what: &str, why: impl fmt::Display, remedy: &str) -> Self {
        Self(format!("{what}: {}{remedy}", shown(&why.to_string())))
    }

    /// A request was not answered in HTTP.
    pub(super) fn no_answer(error: &hyper::Error) -> Self {
        let remedy =
            if error.is_parse() { "; check the port, or use https:// if the server does" } else { "" };
        Self::with_remedy("handshake", error, remedy)
    }

    /// None of a host's addresses could be connected to. `failed` is not empty.
    fn at_all(failed: Vec<(SocketAddr, Self)>) -> Self {
        let several = failed.len() > 1;
        let all = failed.iter().map(|(address, Self(why))| format!("{address}: {why}"));
        let all = all.take(4).collect::<Vec<_>>().join(", ");
        // Whoever answered at all, if not in TLS, is the one to look at.
        let tls = failed.into_iter().find(|(_, Self(why))| why.starts_with("TLS: "));
        match tls {
            Some((_, telling)) => telling,
            None if several => Self(all),
            None => Self(all.split_once(": ").map_or(all.clone(), |(_, why)| why.to_owned())),
        }
    }

    /// TLS could not be agreed on.
    fn no_tls(error: &io::Error) -> Self {
        let remedy = match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(_)) => {
                "; use the name the certificate is for, and have this machine trust who signed it (SSL_CERT_FILE names \
                 a file of trusted certificates)"
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                "; it seems to speak no TLS at this port: check the port, or use http://"
            }
            _ => "",
        };
        Self::with_remedy("TLS", error, remedy)
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Dials one server.
pub(super) struct Dialler {
    url: ServerUrl,
    /// The name that the server's certificate is for, where the URL asks for TLS.
    name: Option<ServerName<'static>>,
    /// The proxy on the way, and the name that its certificate is for.
    proxy: Option<(Proxy, Option<ServerName<'static>>)>,
    peers: Mutex<Peers>,
}

/// What is known of the addresses that were dialled.
#[derive(Default)]
struct Peers {
    last: Option<SocketAddr>,
    /// Those that took a connection and did not serve; they are dialled after all others.
    distrusted: VecDeque<SocketAddr>,
}

impl Dialler {
    /// Prepares to dial. Reads the environment and the system's certificates, which blocks.
    ///
    /// # Errors
    /// The host's name cannot be checked against a certificate, the certificates that are to be trusted cannot be
    /// read, or the environment asks for a proxy that cannot be used.
    pub(super) fn new(url: ServerUrl) -> Result<Self, AgentError> {
        let certified = |what: &str, host: &str| {
            ServerName::try_from(host.to_owned()).map_err(|_| {
                AgentError(format!("{what}: {} is no host name a certificate can be for", shown(host)))
            })
        };
        let name = url.tls.then(|| certified(&format!("--server {url}"), &url.host)).transpose()?;
        let proxy = match Proxy::for_server(&url)? {
            None => None,
            Some(proxy) => {
                let name = proxy.tls.then(|| certified(&proxy.to_string(), &proxy.host)).transpose()?;
                tracing::info!("{url} is reached through the proxy {proxy}");
                Some((proxy, name))
            }
        };
        if name.is_some() || proxy.as_ref().is_some_and(|(_, name)| name.is_some()) {
            tls_config()?;
        }
        Ok(Self { url, name, proxy, peers: Mutex::default() })
    }

    /// The server.
    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Connects and gives what requests are sent with. The connection ends when that is dropped, or goes on as what it
    /// was upgraded to.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(super) async fn dial<B>(&self) -> Result<SendRequest<B>, Unreachable>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (host, port, first) = match &self.proxy {
            None => (&self.url.host, self.url.port, &self.name),
            Some((proxy, name)) => (&proxy.host, proxy.port, name),
        };
        let tls = if self.name.is_some() || first.is_some() { Some(current_tls().await?) } else { None };
        let connecting = if self.proxy.is_some() { "connecting to the proxy" } else { "connecting" };
        let found = tokio::net::lookup_host((host.as_str(), port)).await;
        let addresses = self.by_trust(found.map_err(|e| Unreachable::new(connecting, e))?.collect());
        if addresses.is_empty() {
            return Err(Unreachable::new(connecting, format_args!("{host} has no address")));
        }
        let first = tls.clone().zip(first.clone());
        let raced = race(addresses, |address| connect(address, connecting, first.clone())).await;
        let (peer, mut stream) = raced.map_err(Unreachable::at_all)?;
        self.peers.lock().last = Some(peer);
        if let Some((proxy, _)) = &self.proxy {
            stream = tunnel(stream, proxy, &self.url).await?;
            if let Some((tls, name)) = tls.zip(self.name.clone()) {
                let stream_in_tls = tls.connect(name, stream).await;
                stream = Box::new(stream_in_tls.map_err(|e| Unreachable::no_tls(&e))?);
            }
        }
        speak_http(stream).await
    }

    /// Notes whether the address that was dialled last served: one that did not is dialled after all others.
    pub(super) fn served(&self, well: bool) {
        let mut peers = self.peers.lock();
        let Some(last) = peers.last.take() else { return };
        peers.distrusted.retain(|known| *known != last);
        if !well {
            peers.distrusted.push_back(last);
            if peers.distrusted.len() > DISTRUSTED {
                peers.distrusted.pop_front();
            }
        }
    }

    /// The addresses, those that did not serve last.
    fn by_trust(&self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let peers = self.peers.lock();
        addresses.sort_by_key(|address| peers.distrusted.iter().position(|known| known == address));
        addresses
    }
}

/// Connects to one address, up to the end of the first TLS handshake if there is one.
async fn connect(
    address: SocketAddr,
    what: &'static str,
    tls: Option<(TlsConnector, ServerName<'static>)>,
) -> Result<Wire, Unreachable> {
    let tcp = TcpStream::connect(address).await.map_err(|e| Unreachable::new(what, e))?;
    // Replies are small and wanted at once; where this fails they are only slower.
    let _ = tcp.set_nodelay(true);
    match tls {
        None => Ok(Box::new(tcp)),
        Some((tls, name)) => Ok(Box::new(tls.connect(name, tcp).await.map_err(|e| Unreachable::no_tls(&e))?)),
    }
}

/// Has a proxy connect `stream` to the server.
async fn tunnel(stream: Wire, proxy: &Proxy, url: &ServerUrl) -> Result<Wire, Unreachable> {
    let failed = |why: &dyn fmt::Display| Unreachable::new("proxy", why);
    let to = if url.host.contains(':') {
        format!("[{}]:{}", url.host, url.port)
    } else {
        format!("{}:{}", url.host, url.port)
    };
    let mut request = Request::connect(&to).header(HOST, &to).header(USER_AGENT, super::USER_AGENT_TEXT);
    if let Some(authorization) = &proxy.authorization {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| failed(&e))?;
    let mut sender = speak_http(stream).await?;
    let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let status = response.status();
    if !status.is_success() {
        let remedy = match status {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                "; put the user and password that it wants into its URL, as http://user:password@proxy"
            }
            StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => {
                "; have whoever runs it allow tunnels (CONNECT) to the server, or list the server in NO_PROXY"
            }
            _ => "",
        };
        return Err(Unreachable::with_remedy("proxy", format_args!("it answered {status} for {to}"), remedy));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|e| failed(&e))?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

async fn speak_http<B>(stream: Wire) -> Result<SendRequest<B>, Unreachable>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (sender, connection) = Builder::new()
        .max_buf_size(LARGEST_HEAD)
        .max_headers(HEADERS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| Unreachable::new("handshake", e))?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// TLS as the system's certificates are now: they are renewed while an agent runs.
async fn current_tls() -> Result<TlsConnector, Unreachable> {
    let read = tokio::task::spawn_blocking(tls_config).await;
    let config = read.map_err(|e| Unreachable::new("TLS", e))?.map_err(|e| Unreachable::new("TLS", e))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

/// TLS with the certificates that `SSL_CERT_FILE` or `SSL_CERT_DIR` name, else the system's, else Mozilla's.
fn tls_config() -> Result<rustls::ClientConfig, AgentError> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        // Whoever names the certificates to trust does not mean all the others.
        if let Some(name) =
            ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find(|name| std::env::var_os(name).is_some())
        {
            let why = found.errors.first().map(|e| format!(": {e}")).unwrap_or_default();
            return Err(AgentError(format!(
                "{name} names no certificate that can be used{why}; name a file of certificates in PEM, or unset it"
            )));
        }
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| AgentError(format!("TLS cannot be set up: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A WebSocket upgrade exists in HTTP/1.1 only.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
