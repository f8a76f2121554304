//! The log: one line an event, on standard error and, if asked for, in a file of each day.
//!
//! Modules log with `tracing`. What must be read even at the level `critical`, because it ends the server or loses
//! data, is logged as `tracing::error!(target: CRITICAL, …)`, with [`CRITICAL`] as its target; tracing has no weight
//! above error. The level can change while running ([`LogLevel`]). Writing happens on a thread of its own and drops
//! lines rather than wait for a slow reader, so that nothing here ever blocks a request. Standard output is left to
//! what commands answer. Deliberately absent: secrets, and the lower levels of the libraries underneath, which might
//! show some.

mod day_file;
mod format;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt as lines, reload};

use crate::clock::Millis;
use crate::config::{Level, LogConfig, LogFormat};
use crate::files::remedy;
use day_file::{DayFile, Names};
use format::{JsonLines, PrettyLines};

/// The target of messages that are logged at every level: what ends the server or loses data.
pub const CRITICAL: &str = "critical";

/// Lines that may wait for a slow reader before further ones are dropped. The library's own number would keep 5 MB of
/// places for them.
const WAITING_LINES: usize = 4096;

/// Libraries that are heard from `warn` on only, and from `info` on when the level is `debug`. Everything else, such
/// as a crate that brings commands or plugins of its own, follows the level.
const LIBRARIES: &[&str] = &[
    "fastwebsockets",
    "hyper",
    "hyper_util",
    "libsql",
    "log",
    "mio",
    "rustls",
    "surge_ping",
    "tokio",
    "tokio_rustls",
    "tokio_util",
    "want",
];

/// The level of the log; clones share it. It can change while running.
#[derive(Clone)]
pub struct LogLevel {
    level: Arc<Mutex<Level>>,
    filter: Option<reload::Handle<Targets, Registry>>,
}

impl LogLevel {
    /// A level that no log listens to, for a host inside another program.
    pub fn detached(level: Level) -> Self {
        Self { level: Arc::new(Mutex::new(level)), filter: None }
    }

    /// The level now.
    pub fn get(&self) -> Level {
        *self.level.lock()
    }

    /// Changes the level, from the next message on. `tell` is called with the level before while the one that lets
    /// more through is in force, so that the change does not swallow what is logged of it.
    pub fn set(&self, level: Level, tell: impl FnOnce(Level)) {
        let mut now = self.level.lock();
        let before = std::mem::replace(&mut *now, level);
        if level < before {
            self.filter_by(level);
            tell(before);
        } else {
            tell(before);
            self.filter_by(level);
        }
    }

    fn filter_by(&self, level: Level) {
        if let Some(filter) = &self.filter {
            // Fails only when the log has ended, and then there is nothing left to filter.
            let _ = filter.reload(targets(level));
        }
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogLevel({:?})", self.get())
    }
}

/// What passes at `level`.
fn targets(level: Level) -> Targets {
    let (own, libraries) = match level {
        Level::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        Level::Info => (LevelFilter::INFO, LevelFilter::WARN),
        Level::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        Level::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        Level::Critical => (LevelFilter::OFF, LevelFilter::OFF),
    };
    Targets::new()
        .with_default(own)
        .with_targets(LIBRARIES.iter().map(|library| (*library, libraries)))
        .with_target(CRITICAL, LevelFilter::ERROR)
}

/// The running log. Dropping it writes out what is still waiting: keep it until the program ends.
#[must_use = "the log ends when this is dropped"]
pub struct Logging {
    /// The level, to be changed while running.
    pub level: LogLevel,
    _writers: Vec<WorkerGuard>,
}

/// Why the log cannot be started.
#[derive(Debug)]
pub enum LoggingError {
    /// The log file cannot be written.
    File {
        /// The file as configured.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The program logs already.
    Twice,
}

impl fmt::Display for LoggingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => write!(
                f,
                "cannot write the log file {}: {error}; {}, or change log.file",
                path.display(),
                remedy(error)
            ),
            Self::Twice => f.write_str("logging was started twice in one process"),
        }
    }
}

impl std::error::Error for LoggingError {}

/// Starts the log of this process.
///
/// # Errors
/// The log file cannot be written, or the process logs already.
pub fn start(level: Level, config: &LogConfig) -> Result<Logging, LoggingError> {
    let (filter, handle) = reload::Layer::new(targets(level));
    let (stderr, stderr_guard) = written_behind(std::io::stderr());
    let mut writers = vec![stderr_guard];

    let terminal = std::io::stderr().is_terminal();
    let pretty = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let screen = if pretty {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        lines::layer().event_format(PrettyLines { colours }).with_writer(stderr).boxed()
    } else {
        json_to(stderr)
    };
    let file = match &config.file {
        Some(path) => {
            let (file, guard) = written_behind(open(path)?);
            writers.push(guard);
            Some(json_to(file))
        }
        None => None,
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(screen)
        .with(file)
        .try_init()
        .map_err(|_| LoggingError::Twice)?;
    let level = LogLevel { filter: Some(handle), ..LogLevel::detached(level) };
    Ok(Logging { level, _writers: writers })
}

/// A writer on a thread of its own.
fn written_behind<W: Write + Send + 'static>(writer: W) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).finish(writer)
}

fn json_to<S>(writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    lines::layer().event_format(JsonLines).with_writer(writer).boxed()
}

/// Opens the file of the day.
fn open(path: &Path) -> Result<DayFile, LoggingError> {
    refuse_directory(path)?;
    DayFile::open(Names::of(path)).map_err(|error| LoggingError::File { path: path.to_owned(), error })
}

/// When the log was written last, as far as its earlier files say. Blocks.
pub(crate) fn last_written(config: &LogConfig) -> Option<Millis> {
    Names::of(config.file.as_ref()?).last_written()
}

/// Refuses a directory where the log's file should be: what is written would lie beside it.
///
/// # Errors
/// It is one.
pub(crate) fn refuse_directory(path: &Path) -> Result<(), LoggingError> {
    if !path.is_dir() {
        return Ok(());
    }
    let error = io::Error::other("it is a directory; name a file in it, such as netignite.log");
    Err(LoggingError::File { path: path.to_owned(), error })
}

/// Deletes the log's files of days that are no longer kept at the time `until`. Blocks.
///
/// # Errors
/// The files cannot be listed or deleted.
pub(crate) fn tidy(config: &LogConfig, until: Millis) -> io::Result<()> {
    match &config.file {
        Some(path) => Names::of(path).tidy(config.keep_days, until),
        None => Ok(()),
    }
}
