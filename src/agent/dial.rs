//! Reaching the server: TCP, TLS where the URL asks for it, and HTTP/1.1 on top. What is said then is others' business.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use hyper::body::Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::AgentError;
use super::url::ServerUrl;

/// The server was not reached, or is none: why, and what to do about it.
#[derive(Debug)]
pub(super) struct Unreachable(String);

impl Unreachable {
    /// `what` went wrong, and why.
    pub(super) fn new(what: &str, why: impl fmt::Display) -> Self {
        Self(format!("{what}: {why}"))
    }

    /// A request was not answered in HTTP.
    pub(super) fn no_answer(error: &hyper::Error) -> Self {
        let remedy =
            if error.is_parse() { "; check the port, or use https:// if the server does" } else { "" };
        Self::new("handshake", format_args!("{error}{remedy}"))
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
        Self::new("TLS", format_args!("{error}{remedy}"))
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
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialler {
    /// Prepares to dial. Reads the system's certificates, which blocks.
    ///
    /// # Errors
    /// The host's name cannot be checked against a certificate.
    pub(super) fn new(url: ServerUrl) -> Result<Self, AgentError> {
        let tls = if url.tls {
            let name = ServerName::try_from(url.host.clone()).map_err(|_| {
                AgentError(format!("--server {url}: {} is no host name a certificate can be for", url.host))
            })?;
            Some((TlsConnector::from(Arc::new(tls_config()?)), name))
        } else {
            None
        };
        Ok(Self { url, tls })
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
        let tcp = TcpStream::connect((self.url.host.as_str(), self.url.port))
            .await
            .map_err(|e| Unreachable::new("connecting", e))?;
        // Replies are small and wanted at once; where this fails they are only slower.
        let _ = tcp.set_nodelay(true);
        match &self.tls {
            None => speak_http(tcp).await,
            Some((tls, name)) => {
                let stream = tls.connect(name.clone(), tcp).await.map_err(|e| Unreachable::no_tls(&e))?;
                speak_http(stream).await
            }
        }
    }
}

async fn speak_http<S, B>(stream: S) -> Result<SendRequest<B>, Unreachable>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|e| Unreachable::new("handshake", e))?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
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
