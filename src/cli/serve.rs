//! `netignite serve`: the server. Configuration and logging, the first steps of its start, are made here; the others
//! are [`bootstrap`](crate::bootstrap)'s.

use clap::Args;

use super::failure::Failure;
use super::{ConfigArguments, ServerArguments, keep_files_private};
use crate::logging;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    server: ServerArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let loaded = arguments.config.load_with(Some(arguments.server))?;
    keep_files_private();
    let config = loaded.config;
    let log = logging::start(config.log_level, &config.log)?;
    drop(log);
    Ok(())
}
