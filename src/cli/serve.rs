//! `netignite serve`: the server. Configuration and logging, the first steps of its start, are made here; the others
//! are [`bootstrap`]'s.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use super::failure::Failure;
use super::{ServerArguments, keep_files_private};
use crate::bootstrap::{self, log_step};
use crate::config::{Config, Overrides};
use crate::logging;

/// How long work that nobody waits for may still run at the end.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Make a new database though the key of one that is gone lies in the data directory
    #[arg(long)]
    new: bool,
}

pub(super) fn run(Arguments { server: arguments, new }: Arguments) -> Result<(), Failure> {
    let begun = Instant::now();
    let overrides = Overrides { new_database: new, ..arguments.overrides() };
    let loaded = Config::load(&overrides)?;
    let configured = begun.elapsed();
    keep_files_private();

    let begun = Instant::now();
    let config = loaded.config;
    let log = logging::start(config.log_level, &config.log)?;
    match loaded.file.as_deref().map(Path::display) {
        Some(file) => log_step("configuration", configured, format_args!("read from {file}")),
        None => log_step("configuration", configured, "defaults, there is no file"),
    }
    match config.log.file.as_deref().map(Path::display) {
        Some(file) => log_step("logging", begun.elapsed(), format_args!("to standard error and {file}")),
        None => log_step("logging", begun.elapsed(), "to standard error"),
    }

    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    let runtime = runtime.map_err(Failure::new)?;
    let read = move || Ok(Config::load(&overrides)?.config);
    let done = runtime.block_on(bootstrap::serve(config, log.level.clone(), read));
    runtime.shutdown_timeout(PATIENCE);
    drop(log);
    Ok(done?)
}

/// How many threads serve connections: all cores but one, which is left to the threads of the database and of password
/// hashing. On a small machine that is one, and a request then costs little more than half: workers that find little
/// to do wake each other for it.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1).max(1)
}
