//! The ways to the API. The local operator's: through the running server's socket or, when no server runs, on the database
//! itself. A user's: to a server somewhere else, with a token. Every way the very same routes answer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, HeaderName, HeaderValue};
use serde_json::Value;

use super::failure::Failure;
use super::remote::Remote;
use super::{ConfigArguments, block_on, keep_files_private, output};
use crate::bootstrap::{self, Opened};
use crate::config::{Config, Level, LogConfig, LogFormat};
use crate::http::client::{self, Downloaded, Target};
use crate::http::{Method, StatusCode};
use crate::local_socket;
use crate::lock::{DataLock, LockError};
use crate::logging::{self, Logging};
use crate::rest::operate;
use crate::rest::router::Router;
use crate::store::database_path;

/// How long a server that has the data directory may take until it listens: it may be starting.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every command takes that the API answers.
#[derive(Debug, Clone, Args)]
pub(super) struct Asking {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

impl Asking {
    /// Prints what `ask` gets from the API: as JSON if that was asked for, else as the text that `tell` makes of it.
    pub(super) fn answer(
        self,
        ask: impl AsyncFnOnce(&Operator) -> Result<Value, Failure>,
        tell: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        let config = with_database(self.config)?;
        answer(config, self.json, ask, tell)
    }

    /// The same where there may be no database yet: then one is made.
    pub(super) fn answer_anywhere(
        self,
        ask: impl AsyncFnOnce(&Operator) -> Result<Value, Failure>,
        tell: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        let config = self.config.load()?.config;
        answer(config, self.json, ask, tell)
    }
}

/// What every command takes that does the main job: it reaches a server here, as [`Asking`] does, or somewhere else.
#[derive(Debug, Clone, Args)]
pub(super) struct Reaching {
    /// The base URL of a server somewhere else; its API token comes from NETIGNITE_TOKEN or the file NETIGNITE_TOKEN_FILE
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "data_dir"])]
    server: Option<String>,
    /// With --server: everyone's agents and devices, where the token's user may
    #[arg(long, requires = "server")]
    admin_mode: bool,
    #[command(flatten)]
    asking: Asking,
}

impl Reaching {
    /// Whether JSON is to be printed.
    pub(super) fn json(&self) -> bool {
        self.asking.json
    }

    /// Gives what `ask` gets from the API.
    pub(super) fn ask<T>(self, ask: impl AsyncFnOnce(&Operator) -> Result<T, Failure>) -> Result<T, Failure> {
        let Self { server, admin_mode, asking } = self;
        match server {
            None => {
                let config = with_database(asking.config)?;
                keep_files_private();
                block_on(async { asked(Operator::open(config).await?, ask).await })
            }
            Some(server) => {
                let operator = Operator::Remote(Box::new(Remote::new(&server, admin_mode)?));
                block_on(asked(operator, ask))
            }
        }
    }

    /// Prints what `ask` gets from the API: as JSON if that was asked for, else as the text that `tell` makes of it.
    pub(super) fn answer(
        self,
        ask: impl AsyncFnOnce(&Operator) -> Result<Value, Failure>,
        tell: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        let json = self.json();
        let answer = self.ask(ask)?;
        if json { output::print_json(&answer) } else { output::print(tell(&answer)) }
    }
}

async fn asked<T>(
    operator: Operator,
    ask: impl AsyncFnOnce(&Operator) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let answer = ask(&operator).await;
    operator.close().await;
    answer
}

fn answer(
    config: Config,
    json: bool,
    ask: impl AsyncFnOnce(&Operator) -> Result<Value, Failure>,
    tell: impl FnOnce(&Value) -> String,
) -> Result<(), Failure> {
    keep_files_private();
    let answer = block_on(async { asked(Operator::open(config).await?, ask).await })?;
    if json { output::print_json(&answer) } else { output::print(tell(&answer)) }
}

/// Headers of a request.
type Headers<'a> = &'a [(HeaderName, &'a str)];

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Puts headers on a request. A value that is none is left out.
fn dress(request: &mut Request<Full<Bytes>>, headers: Headers<'_>) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            request.headers_mut().insert(name, value);
        }
    }
}

/// Whoever asks: the local operator, or a user of a server somewhere else.
pub(super) enum Operator {
    /// Asks the server that runs in the data directory.
    Socket(Target, PathBuf),
    /// Answers from the database, which is this process's for now.
    InProcess(Box<InProcess>),
    /// Asks a server somewhere else.
    Remote(Box<Remote>),
}

/// A host that listens nowhere.
pub(super) struct InProcess {
    opened: Opened,
    router: Arc<Router>,
    directory: PathBuf,
    _log: Logging,
}

impl Operator {
    /// Finds the server that has the data directory, or takes the directory.
    pub(super) async fn open(config: Config) -> Result<Self, Failure> {
        let directory = config.data_directory.clone();
        let socket = directory.join(local_socket::NAME);
        let begun = Instant::now();
        loop {
            let held = match DataLock::acquire(&directory) {
                Ok(lock) => return Self::in_process(lock, config).await,
                Err(held @ LockError::Held { .. }) => held,
                Err(e) => return Err(e.into()),
            };
            match local_socket::connect(&socket).await {
                Ok(_) => return Ok(Self::Socket(Target::Unix(socket), directory)),
                Err(e) if begun.elapsed() > PATIENCE => return Err(silent(&held, &socket, &e)),
                // It starts, or it ends and leaves the lock.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn in_process(lock: DataLock, config: Config) -> Result<Self, Failure> {
        // Only what the operator must know, such as where the first admin's password lies.
        let look = LogConfig { format: LogFormat::Pretty, ..LogConfig::default() };
        let log = logging::start(Level::Warn, &look)?;
        let directory = config.data_directory.clone();
        let opened = bootstrap::open(lock, config, log.level.clone()).await?;
        let router = Arc::new(bootstrap::router(Vec::new())?);
        Ok(Self::InProcess(Box::new(InProcess { opened, router, directory, _log: log })))
    }

    /// Whether everyone's things are seen.
    pub(super) fn sees_all(&self) -> bool {
        match self {
            Self::Socket(..) | Self::InProcess(_) => true,
            Self::Remote(remote) => remote.admin_mode(),
        }
    }

    /// That a server runs, to which agents can be connected.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn running(&self) -> Result<(), Failure> {
        let Self::InProcess(here) = self else { return Ok(()) };
        Err(Failure::new(format!(
            "no server runs on the data directory {}, and agents are connected to a running server alone; start it, or \
             name one somewhere else with --server",
            here.directory.display()
        )))
    }

    /// Calls a route and gives the answer's `data`.
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let (status, mut answer) = self.call(method, path, body, &[]).await?;
        if status.is_success() { Ok(answer["data"].take()) } else { Err(refused(status, &answer)) }
    }

    /// Calls a route, with headers where a server runs that they can mean something to, and gives the answer whatever it
    /// is.
    ///
    /// # Errors
    /// No answer came.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: Headers<'_>,
    ) -> Result<(StatusCode, Value), Failure> {
        match self {
            Self::Socket(target, directory) => {
                let mut request = client::build("localhost", method, path, body).map_err(Failure::new)?;
                dress(&mut request, headers);
                client::request_with(target, request).await.map_err(|e| unanswered(directory, &e))
            }
            Self::InProcess(here) => operate::operate(&here.opened.host, &here.router, method, path, body)
                .await
                .map_err(Failure::new),
            Self::Remote(remote) => remote.call(method, path, body, |request| dress(request, headers)).await,
        }
    }

    /// Follows a stream of events and gives each part of it to `take`, until it ends or that fails.
    ///
    /// # Errors
    /// No server runs, or the stream broke off.
    pub(super) async fn follow(
        &self,
        path: &str,
        last_id: Option<&str>,
        take: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Downloaded, Failure> {
        self.running()?;
        let mut headers = vec![(ACCEPT, "text/event-stream")];
        headers.extend(last_id.map(|id| (LAST_EVENT_ID, id)));
        match self {
            Self::Socket(target, directory) => {
                let request = client::build("localhost", Method::GET, path, None);
                let mut request = request.map_err(Failure::new)?;
                dress(&mut request, &headers);
                let followed = client::download_with(target, request, take).await;
                followed.map_err(|e| unanswered(directory, &e))
            }
            Self::InProcess(_) => Ok(Downloaded::Whole),
            Self::Remote(remote) => remote.download(path, |request| dress(request, &headers), take).await,
        }
    }

    /// Gives each part of an answer of any size to `take`, until there is no more or that fails; then its error is the
    /// outcome.
    pub(super) fn download(
        config: ConfigArguments,
        path: &str,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<io::Result<()>, Failure> {
        let config = with_database(config)?;
        block_on(async {
            let operator = Self::open(config).await?;
            let done = match &operator {
                Self::Socket(target, directory) => {
                    client::download(target, path, &mut take).await.map_err(|e| unanswered(directory, &e))
                }
                Self::InProcess(here) => {
                    operate::operate_download(&here.opened.host, &here.router, path, &mut take)
                        .await
                        .map_err(Failure::new)
                }
                Self::Remote(remote) => remote.download(path, |_| (), &mut take).await,
            };
            operator.close().await;
            match done? {
                Downloaded::Whole => Ok(Ok(())),
                Downloaded::Stopped(e) => Ok(Err(e)),
                Downloaded::Refused(status, answer) => Err(refused(status, &answer)),
            }
        })
    }

    /// Writes everything to disk and gives the data directory back.
    pub(super) async fn close(self) {
        if let Self::InProcess(here) = self {
            here.opened.close().await;
        }
    }
}

/// The configuration, if its data directory has a database. In a wrong directory nobody wants a new one.
fn with_database(arguments: ConfigArguments) -> Result<Config, Failure> {
    let config = arguments.load()?.config;
    let directory = &config.data_directory;
    if database_path(directory).try_exists().is_ok_and(|exists| !exists) {
        return Err(Failure::new(format!(
            "there is no database in {}; name the server's data directory with --data-dir, or its configuration with \
             --config",
            directory.display()
        )));
    }
    Ok(config)
}

fn silent(held: &LockError, socket: &Path, error: &std::io::Error) -> Failure {
    let LockError::Held { directory, process } = held else { return Failure::new(held) };
    let who = process.map(|id| format!(" (process {id})")).unwrap_or_default();
    let directory = directory.display();
    let socket = socket.display();
    Failure::new(format!(
        "a netignite{who} uses the data directory {directory} but cannot be asked at {socket}: {error}; run this as \
         the server's user or as root, or stop the server and try again"
    ))
}

/// The server took the call and did not answer it. What was asked may have been done.
fn unanswered(directory: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "the server that uses the data directory {} does not answer: {error}; look at its log, restart it if it hangs, \
         and see what was done before you try again",
        directory.display()
    ))
}

/// The API's refusal in one line.
pub(super) fn refused(status: StatusCode, answer: &Value) -> Failure {
    let message = answer["message"].as_str().map_or_else(|| status.to_string(), ToOwned::to_owned);
    let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
    let fields = answer["errors"].as_array().into_iter().flatten();
    // The message names the first.
    let others = fields.skip(1).map(|e| format!("; {}: {}", text(e, "field"), text(e, "message")));
    Failure::new(format!("{message}{}", others.collect::<String>()))
}
