//! The agent's way onto the Agent Control Service: the WebSocket handshake with its credentials.
//!
//! The handshake goes through hyper's client, so that a refusal can be read and said in the server's own words.
//! Frames are not known here.

use std::fmt;
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
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};

use super::AgentError;
use super::dial::{Dialler, Unreachable};
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
    Unreachable(Unreachable),
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
            Self::Secret(why) => f.write_str(why),
            Self::Unreachable(why) => why.fmt(f),
        }
    }
}

impl From<Unreachable> for ConnectError {
    fn from(why: Unreachable) -> Self {
        Self::Unreachable(why)
    }
}

fn failed(why: impl fmt::Display) -> ConnectError {
    Unreachable::new("handshake", why).into()
}

/// Connects to one server as one agent.
pub(super) struct Connector {
    dialler: Dialler,
    id: i64,
}

impl Connector {
    /// Prepares to dial. Reads the system's certificates, which blocks.
    ///
    /// # Errors
    /// The host's name cannot be checked against a certificate.
    pub(super) fn new(url: ServerUrl, id: i64) -> Result<Self, AgentError> {
        Ok(Self { dialler: Dialler::new(url)?, id })
    }

    /// Connects and shakes hands.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(super) async fn connect(&self, secret: &SecretString) -> Result<Socket, ConnectError> {
        let late = || Unreachable::new("connecting", format_args!("no answer within {TIMEOUT:?}"));
        tokio::time::timeout(TIMEOUT, self.shake_hands(secret)).await.unwrap_or_else(|_| Err(late().into()))
    }

    async fn shake_hands(&self, secret: &SecretString) -> Result<Socket, ConnectError> {
        let mut sender = self.dialler.dial().await?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(failed)?;
        let key = BASE64_STANDARD.encode(random);
        let request = self.request(&key, secret).map_err(failed)?;
        let response = sender.send_request(request).await.map_err(|e| Unreachable::no_answer(&e))?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            StatusCode::UNAUTHORIZED => return Err(ConnectError::Unauthorized),
            status => return Err(ConnectError::Refused(status, what_it_said(response).await)),
        }
        check_upgrade(&response, &key)?;
        let upgraded = hyper::upgrade::on(response).await.map_err(failed)?;
        Ok(TokioIo::new(upgraded))
    }

    fn request(&self, key: &str, secret: &SecretString) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
        let credentials = BASE64_STANDARD.encode(format!("{}:{}", self.id, secret.expose_secret()));
        let mut credentials = HeaderValue::try_from(format!("Basic {credentials}"))?;
        credentials.set_sensitive(true);
        Request::builder()
            .uri(&self.dialler.url().path)
            .header(HOST, &self.dialler.url().authority)
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
        Err(failed("the answer does not fit the question; is a proxy in between?"))
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
