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
use hyper::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, UPGRADE, USER_AGENT,
};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};

use super::AgentError;
use super::chatter::shown;
use super::dial::{Dialler, Unreachable};
use super::url::ServerUrl;
use crate::model::agent_features::AgentFeatures;
use crate::registry::Registry;

/// A connection on which frames can be spoken.
pub(super) type Socket = TokioIo<Upgraded>;

/// A connection, and what both sides understand on it.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) socket: Socket,
    pub(super) features: AgentFeatures,
}

/// From the first packet to the server's `101`.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of a refusal's body is read.
const LONGEST_REFUSAL: usize = 4096;
/// What RFC 6455 appends to the key before hashing it.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// Where a refusal says why: its body is empty, since the firmware chokes on one.
const ERROR_CODE: HeaderName = HeaderName::from_static("netignite-error");
/// Where an agent says what it is.
const ABOUT: HeaderName = HeaderName::from_static("netignite-agent");
/// Where a server says which of the agent's features it understands.
const FEATURES: HeaderName = HeaderName::from_static("netignite-features");
/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// There is no secret to log in with.
    Secret(String),
    /// The server does not know these credentials (401).
    Unauthorized,
    /// The server answered something else than an upgrade.
    Refused(StatusCode, Refusal),
    /// The server was not reached, or is none.
    Unreachable(Unreachable),
}

/// What a refusal says, as far as it says anything.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// Why, as a word for programs.
    code: Option<String>,
    /// Why, in words.
    said: Option<String>,
    /// Where it sends whoever asks.
    elsewhere: Option<String>,
    /// How long not to ask again.
    pause: Option<Duration>,
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

    /// How long the server asks not to be asked again.
    pub(super) fn pause(&self) -> Duration {
        match self {
            Self::Refused(_, Refusal { pause: Some(pause), .. }) => *pause,
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized => {
                f.write_str("401, the server does not know this ID and secret; check --id and the secret")
            }
            Self::Refused(status, Refusal { code, said, elsewhere, .. }) => {
                write!(f, "the server answered {status}")?;
                let words: Vec<_> = [said, code].into_iter().flatten().map(String::as_str).collect();
                if !words.is_empty() {
                    write!(f, " ({})", words.join(", "))?;
                }
                if let Some(elsewhere) = elsewhere {
                    return write!(f, "; it points to {elsewhere}: if that is right, have --server say so");
                }
                match remedy(code.as_deref().unwrap_or_default()) {
                    Some(remedy) => write!(f, "; {remedy}"),
                    None if self.lasts() => f.write_str("; check that --server is its base URL"),
                    None => Ok(()),
                }
            }
            Self::Secret(why) => f.write_str(why),
            Self::Unreachable(why) => why.fmt(f),
        }
    }
}

/// What to do about a refusal, by its code.
fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "foreign_origin" => {
            "something on the way adds an Origin to the request: have it leave that out, or list the origin under \
             allowedOrigins on the server"
        }
        "upgrade_required" | "invalid_handshake" | "method_not_allowed" => {
            "something on the way takes the WebSocket handshake apart: have the reverse proxy pass on Connection, \
             Upgrade and Sec-WebSocket-*"
        }
        "host_not_allowed" | "invalid_host" => {
            "the server does not go by this name: use another one in --server, or list it under allowedHosts on the \
             server"
        }
        "not_found" => "there is no server of NetIgnite at this path: check that --server is its base URL",
        "too_many_attempts" => {
            "too many logins failed from this address: check --id and the secret of each agent behind it"
        }
        "too_many_connections" => {
            "the server has no room for another connection; it may be full, or this address may hold too many"
        }
        "stopping" => "the server is stopping and will be back",
        _ => return None,
    })
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
    /// What the agent says of itself: its version, the commands it knows, and what else it understands.
    about: String,
}

impl Connector {
    /// Prepares to dial. Reads the system's certificates, which blocks.
    ///
    /// # Errors
    /// The host's name cannot be checked against a certificate.
    pub(super) fn new(url: ServerUrl, id: i64, registry: &Registry) -> Result<Self, AgentError> {
        let commands: Vec<_> = registry.iter().map(|entry| entry.name).collect();
        let features = AgentFeatures::ALL.text().unwrap_or_default();
        let about = format!("{}; commands={}; features={features}", crate::VERSION, commands.join(","));
        Ok(Self { dialler: Dialler::new(url)?, id, about })
    }

    /// Connects and shakes hands.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub(super) async fn connect(&self, secret: &SecretString) -> Result<Connected, ConnectError> {
        let late = || Unreachable::new("connecting", format_args!("no answer within {TIMEOUT:?}"));
        let answer = tokio::time::timeout(TIMEOUT, self.shake_hands(secret)).await;
        let answer = answer.unwrap_or_else(|_| Err(late().into()));
        // Who says that the secret is wrong is there, as far as one can tell.
        self.dialler.served(matches!(answer, Ok(_) | Err(ConnectError::Unauthorized)));
        answer
    }

    async fn shake_hands(&self, secret: &SecretString) -> Result<Connected, ConnectError> {
        let mut sender = self.dialler.dial().await?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(failed)?;
        let key = BASE64_STANDARD.encode(random);
        let request = self.request(&key, secret).map_err(failed)?;
        let response = sender.send_request(request).await.map_err(|e| Unreachable::no_answer(&e))?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            StatusCode::UNAUTHORIZED => return Err(ConnectError::Unauthorized),
            status => return Err(ConnectError::Refused(status, refusal(response).await)),
        }
        check_upgrade(&response, &key)?;
        let understood = response.headers().get(FEATURES).and_then(|list| list.to_str().ok());
        let features = AgentFeatures::read(understood.unwrap_or_default());
        let upgraded = hyper::upgrade::on(response).await.map_err(failed)?;
        Ok(Connected { socket: TokioIo::new(upgraded), features })
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
            .header(USER_AGENT, super::USER_AGENT_TEXT)
            .header(ABOUT, &self.about)
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

/// What a refusal says, as far as it can be shown.
async fn refusal(response: Response<Incoming>) -> Refusal {
    #[derive(serde::Deserialize)]
    struct Envelope {
        message: String,
    }
    let header = |name| response.headers().get(name).map(|value: &HeaderValue| value.as_bytes());
    let text = |name| header(name).map(|value| shown(&String::from_utf8_lossy(value)));
    let seconds = header(RETRY_AFTER).and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    let mut refusal = Refusal {
        code: text(ERROR_CODE),
        said: None,
        elsewhere: text(LOCATION).filter(|_| response.status().is_redirection()),
        pause: seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE)),
    };
    if let Ok(body) = Limited::new(response.into_body(), LONGEST_REFUSAL).collect().await
        && let Ok(Envelope { message }) = serde_json::from_slice(&body.to_bytes())
    {
        refusal.said = Some(shown(&message));
    }
    refusal
}
