//! The local operator's way to the API: through the running server's socket or, when no server runs, on the database
//! itself. Either way the very same routes answer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
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

fn answer(
    config: Config,
    json: bool,
    ask: impl AsyncFnOnce(&Operator) -> Result<Value, Failure>,
    tell: impl FnOnce(&Value) -> String,
) -> Result<(), Failure> {
    keep_files_private();
    let answer = block_on(async {
        let operator = Operator::open(config).await?;
        let answer = ask(&operator).await;
        operator.close().await;
        answer
    })?;
    if json { output::print_json(&answer) } else { output::print(tell(&answer)) }
}

/// The local operator.
pub(super) enum Operator {
    /// Asks the server that runs in the data directory.
    Socket(Target, PathBuf),
    /// Answers from the database, which is this process's for now.
    InProcess(Box<InProcess>),
}

/// A host that listens nowhere.
pub(super) struct InProcess {
    opened: Opened,
    router: Arc<Router>,
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
        let opened = bootstrap::open(lock, config, log.level.clone()).await?;
        let router = Arc::new(bootstrap::router(Vec::new())?);
        Ok(Self::InProcess(Box::new(InProcess { opened, router, _log: log })))
    }

    /// Calls a route and gives the answer's `data`.
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let answer = match self {
            Self::Socket(target, directory) => {
                client::request(target, method, path, body).await.map_err(|e| unanswered(directory, &e))?
            }
            Self::InProcess(here) => operate::operate(&here.opened.host, &here.router, method, path, body)
                .await
                .map_err(Failure::new)?,
        };
        let (status, mut answer) = answer;
        if status.is_success() { Ok(answer["data"].take()) } else { Err(refused(status, &answer)) }
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
fn refused(status: StatusCode, answer: &Value) -> Failure {
    let message = answer["message"].as_str().map_or_else(|| status.to_string(), ToOwned::to_owned);
    let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
    let fields = answer["errors"].as_array().into_iter().flatten();
    // The message names the first.
    let others = fields.skip(1).map(|e| format!("; {}: {}", text(e, "field"), text(e, "message")));
    Failure::new(format!("{message}{}", others.collect::<String>()))
}
