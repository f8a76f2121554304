//! Dialling the server: TCP, TLS where the URL asks for it, and the WebSocket handshake with the agent's credentials.
//!
//! The handshake goes through hyper's client, so that a refusal can be read and said in the server's own words.
//! Frames are not known here.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, UPGRADE, USER_AGENT};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::AgentError;
use super::url::ServerUrl;

/// A connection on which frames can be spoken.
pub(super) type Socket = TokioIo<Upgraded>;

/// From the first packet to the server's `101`.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of a refusal's body is read.
const LONGEST_REFUSAL: usize = 4096;
/// What RFC 6455 appends to the key before hashing it.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// There is no secret to log in with.
    Secret(String),
    /// The server does not know these credentials (401).
    Unauthorized,
    /// The server answered something else than an upgrade, and why, if it said so.
    Refused(StatusCode, Option<String>),
    /// The server was not reached, or is none.
    Unreachable(String),
}

impl ConnectError {
    /// Whether it takes a person to change it, so that trying again soon is of no use.
    pub(super) fn lasts(&self) -> bool {
        match self {
            Self::Unauthorized => true,
            Self::Refused(status, _) => {
                (status.is_client_error() && *status != StatusCode::TOO_MANY_REQUESTS)
                    || status.is_redirection()
            }
            Self::Secret(_) | Self::Unreachable(_) => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized => {
                f.write_str("401, the server does not know this ID and secret; check --id and the secret")
            }
            Self::Refused(status, said) => {
                write!(f, "the server answered {status}")?;
                if let Some(said) = said {
                    write!(f, " ({said})")?;
                }
                if self.lasts() { f.write_str("; check that --server is its base URL") } else { Ok(()) }
            }
            Self::Secret(why) | Self::Unreachable(why) => f.write_str(why),
        }
    }
}

fn unreachable(what: &str, why: impl fmt::Display) -> ConnectError {
    ConnectError::Unreachable(format!("{what}: {why}"))
}

/// Why TLS could not be agreed on, and what to do about it.
fn no_tls(error: &io::Error) -> ConnectError {
    let remedy = match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "; use the name the certificate is for, and have this machine trust who signed it (SSL_CERT_FILE names a \
             file of trusted certificates)"
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "; it seems to speak no TLS at this port: check the port, or use http://"
        }
        _ => "",
    };
    unreachable("TLS", format_args!("{error}{remedy}"))
}

/// Why a request was not answered in HTTP, and what to do about it.
fn no_answer(error: &hyper::Error) -> ConnectError {
    let remedy = if error.is_parse() { "; check the port, or use https:// if the server does" } else { "" };
    unreachable("handshake", format_args!("{error}{remedy}"))
}

/// Dials one server as one agent.
pub(super) struct Connector {
    url: ServerUrl,
    id: i64,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    /// Prepares to dial. Reads the system's certificates, which blocks.
    ///
    /// # Errors
    /// The host's name cannot be checked against a certificate.
    pub(super) fn new(url: ServerUrl, id: i64) -> Result<Self, AgentError> {
        let tls = if url.tls {
            let name = ServerName::try_from(url.host.clone()).map_err(|_| {
                AgentError(format!("--server {url}: {} is no host name a certificate can be for", url.host))
            })?;
            Some((TlsConnector::from(Arc::new(tls_config()?)), name))
        } else {
            None
        };
        Ok(Self { url, id, tls })
    }

    /// Connects and shakes hands.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(super) async fn connect(&self, secret: &SecretString) -> Result<Socket, ConnectError> {
        tokio::time::timeout(TIMEOUT, self.dial(secret))
            .await
            .unwrap_or_else(|_| Err(unreachable("connecting", format!("no answer within {TIMEOUT:?}"))))
    }

    async fn dial(&self, secret: &SecretString) -> Result<Socket, ConnectError> {
        let tcp = TcpStream::connect((self.url.host.as_str(), self.url.port))
            .await
            .map_err(|e| unreachable("connecting", e))?;
        // Replies are small and wanted at once; where this fails they are only slower.
        let _ = tcp.set_nodelay(true);
        match &self.tls {
            None => self.shake_hands(tcp, secret).await,
            Some((tls, name)) => {
                let stream = tls.connect(name.clone(), tcp).await.map_err(|e| no_tls(&e))?;
                self.shake_hands(stream, secret).await
            }
        }
    }

    async fn shake_hands<S>(&self, stream: S, secret: &SecretString) -> Result<Socket, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| unreachable("handshake", e))?;
        // Ends by itself with the upgrade, or when the sender is dropped.
        tokio::spawn(connection.with_upgrades());

        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|e| unreachable("handshake", e))?;
        let key = BASE64_STANDARD.encode(random);
        let request = self.request(&key, secret).map_err(|e| unreachable("handshake", e))?;
        let response = sender.send_request(request).await.map_err(|e| no_answer(&e))?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            StatusCode::UNAUTHORIZED => return Err(ConnectError::Unauthorized),
            status => return Err(ConnectError::Refused(status, what_it_said(response).await)),
        }
        check_upgrade(&response, &key)?;
        let upgraded = hyper::upgrade::on(response).await.map_err(|e| unreachable("handshake", e))?;
        Ok(TokioIo::new(upgraded))
    }

    fn request(&self, key: &str, secret: &SecretString) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
        let credentials = BASE64_STANDARD.encode(format!("{}:{}", self.id, secret.expose_secret()));
        let mut credentials = HeaderValue::try_from(format!("Basic {credentials}"))?;
        credentials.set_sensitive(true);
        Request::builder()
            .uri(&self.url.path)
            .header(HOST, &self.url.authority)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(VERSION, "13")
            .header(KEY, key)
            .header(AUTHORIZATION, credentials)
            .header(USER_AGENT, concat!("netignite-agent/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
    }
}

/// Checks that a `101` answers this very handshake.
fn check_upgrade(response: &Response<Incoming>, key: &str) -> Result<(), ConnectError> {
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let accept = BASE64_STANDARD.encode(Sha1::digest(format!("{key}{ACCEPT_SUFFIX}")));
    let upgrades = header(CONNECTION).split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    if upgrades && header(UPGRADE).eq_ignore_ascii_case("websocket") && header(ACCEPT) == accept {
        Ok(())
    } else {
        Err(unreachable("handshake", "the answer does not fit the question; is a proxy in between?"))
    }
}

/// The message of a refusal in the server's envelope, as far as it can be shown.
async fn what_it_said(response: Response<Incoming>) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        message: String,
    }
    let body = Limited::new(response.into_body(), LONGEST_REFUSAL).collect().await.ok()?.to_bytes();
    let Envelope { message } = serde_json::from_slice(&body).ok()?;
    Some(super::shown(&message))
}

/// TLS with the system's certificates, or with Mozilla's where the system has none.
fn tls_config() -> Result<rustls::ClientConfig, AgentError> {
    let mut roots = rustls::RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
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
