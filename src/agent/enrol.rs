//! Making this machine's agent on the server, with an enrolment code.
//!
//! A use of the code is gone once it is sent. So whatever can fail on this machine fails before: the URL, the
//! certificates, the file for the secret. That file is made for its owner alone and never in the place of another.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

use super::AgentError;
use super::chatter::shown;
use super::dial::{Dialler, Unreachable};
use super::secret_file::write_first;
use super::url::ServerUrl;
use crate::registry::{AgentSecret, InvalidSecret};

/// How long connecting may take, and then answering.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer is read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What `netignite agent enroll` was asked to do.
#[derive(Debug, Clone)]
pub struct EnrolmentOptions {
    /// The server's base URL.
    pub server: String,
    /// What people will call the agent.
    pub name: String,
    /// What they note about it.
    pub description: Option<String>,
    /// The file that will hold its secret.
    pub secret_file: PathBuf,
}

/// An enrolment of which everything but the code is known to be good.
pub struct Enrolment {
    options: EnrolmentOptions,
    dialler: Dialler,
}

/// The server's envelope, as far as it matters here.
#[derive(Deserialize)]
struct Envelope {
    message: String,
    data: Option<Answered>,
    /// The fields that are wrong.
    #[serde(default)]
    errors: Vec<WrongField>,
}

#[derive(Deserialize)]
struct WrongField {
    field: String,
    message: String,
}

/// What the server says it made. It is checked before it is believed.
#[derive(Deserialize)]
struct Answered {
    id: i64,
    secret: String,
}

struct Enrolled {
    id: i64,
    secret: AgentSecret,
}

impl TryFrom<Answered> for Enrolled {
    type Error = String;

    fn try_from(Answered { id, secret }: Answered) -> Result<Self, String> {
        if id <= 0 {
            return Err(format!("the ID {id}, and an ID is a positive whole number"));
        }
        let secret = secret.try_into().map_err(|e: InvalidSecret| format!("a secret that is none: {e}"))?;
        Ok(Self { id, secret })
    }
}

impl Enrolment {
    /// Checks what can be checked before anybody is asked for a code. Blocks.
    ///
    /// # Errors
    /// The URL is none, or the file for the secret is there already.
    pub fn prepare(options: EnrolmentOptions) -> Result<Self, AgentError> {
        let url = ServerUrl::parse(&options.server)?;
        // A link that leads nowhere is in the way, too.
        if options.secret_file.symlink_metadata().is_ok() {
            return Err(options.unusable(&io::ErrorKind::AlreadyExists.into()));
        }
        super::warn_of_readers(&url);
        Ok(Self { options, dialler: Dialler::new(url)? })
    }

    /// The server, as it was understood.
    pub fn server(&self) -> String {
        self.dialler.url().to_string()
    }

    /// Makes the agent with `code`, keeps its secret, and gives its ID.
    ///
    /// # Errors
    /// The file for the secret cannot be made, the server cannot be reached or refuses, or the secret cannot be kept.
    /// Only the last leaves an agent behind, and perhaps an answer that got lost; the text says so.
    pub async fn run(self, code: &SecretString) -> Result<i64, AgentError> {
        let file = &self.options.secret_file;
        crate::files::create_new(file).map_err(|e| self.options.unusable(&e))?;
        let Enrolled { id, secret } = match self.ask(code).await {
            Ok(enrolled) => enrolled,
            Err(e) => {
                let _ = tokio::fs::remove_file(file).await;
                return Err(e);
            }
        };
        let path = file.clone();
        let written = tokio::task::spawn_blocking(move || write_first(&path, &secret)).await;
        match written.unwrap_or_else(|e| Err(io::Error::other(e))) {
            Ok(()) => Ok(id),
            Err(e) => Err(AgentError(format!(
                "Agent {id} was made, but its secret could not be written to {}: {e}. Have a new secret made for it \
                 (POST /api/agents/{id}/secret), or delete it and enrol again",
                file.display()
            ))),
        }
    }

    async fn ask(&self, code: &SecretString) -> Result<Enrolled, AgentError> {
        let url = self.dialler.url();
        let unreached = |why: Unreachable| {
            AgentError(format!("{url} cannot be reached: {why}. The code was not used: try again"))
        };
        let late = || Unreachable::new("connecting", format_args!("no answer within {TIMEOUT:?}"));
        let dialled = timeout(TIMEOUT, self.dialler.dial()).await.unwrap_or_else(|_| Err(late()));
        let mut sender = dialled.map_err(unreached)?;
        let request = self.request(code).map_err(|e| unreached(Unreachable::new("asking", e)))?;

        let name = &self.options.name;
        let unanswered = |why: Unreachable| {
            AgentError(format!(
                "{url} did not answer as expected: {why}. If the server now lists an agent {name:?}, the code was used: \
                 delete that agent, and enrol again with another code"
            ))
        };
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|e| Unreachable::no_answer(&e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
            let body = body.map_err(|e| Unreachable::new("reading", e))?.to_bytes();
            Ok((status, body))
        };
        let late = || Unreachable::new("enrolling", format_args!("no answer within {TIMEOUT:?}"));
        let answer = timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err(late()));
        let (status, body) = answer.map_err(unanswered)?;
        match serde_json::from_slice(&body) {
            Ok(Envelope { data: Some(answered), .. }) if status == StatusCode::CREATED => {
                answered.try_into().map_err(|why| {
                    AgentError(format!(
                        "{url} answered with {why}. Nothing was kept: check that --server is a NetIgnite server. If it \
                         now lists an agent {name:?}, delete that agent, and enrol again with another code"
                    ))
                })
            }
            Ok(Envelope { message, errors, .. }) if !status.is_success() => {
                // The message names the first.
                let others = errors.iter().skip(1).take(20);
                let wrong = others.map(|wrong| format!("; {}: {}", wrong.field, wrong.message));
                let said = shown(&format!("{message}{}", wrong.collect::<String>()));
                Err(AgentError(format!("{url} answered {status}: {said}")))
            }
            _ => Err(AgentError(format!(
                "{url} answered {status}, and not as a NetIgnite server does; check that --server is its base URL"
            ))),
        }
    }

    fn request(&self, code: &SecretString) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let EnrolmentOptions { name, description, .. } = &self.options;
        let body = serde_json::json!({
            "code": code.expose_secret(),
            "name": name,
            "description": description,
        });
        let url = self.dialler.url();
        Request::builder()
            .method(Method::POST)
            .uri(url.api("/api/agents/enrol"))
            .header(HOST, &url.authority)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .header(USER_AGENT, super::USER_AGENT_TEXT)
            .body(Full::new(body.to_string().into()))
    }
}

impl EnrolmentOptions {
    /// Why the secret cannot be kept where it should be.
    fn unusable(&self, error: &io::Error) -> AgentError {
        let file = self.secret_file.display();
        AgentError(match error.kind() {
            io::ErrorKind::AlreadyExists => format!(
                "--secret-file {file}: it is there already and may hold an agent's secret; name another file, or \
                 remove it if no agent uses it"
            ),
            _ => format!("--secret-file {file}: it cannot be made: {error}; name a file that can"),
        })
    }
}
