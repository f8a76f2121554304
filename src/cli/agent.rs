//! `netignite agent`: the agent on this machine. Its secret never stands on the command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::{block_on, enroll};
use crate::agent::{self, Options};
use crate::config::{Level, LogConfig};
use crate::logging;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "The agent's secret is read from the file that --secret-file names, else from the environment's \
    NETIGNITE_AGENT_SECRET, else it is asked for. `netignite agent enroll` makes the agent on the server and the file."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Option<Run>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this machine's agent on a server with an enrolment code, and keep its secret in a file
    #[command(visible_alias = "enrol")]
    Enroll(enroll::Arguments),
}

#[derive(Debug, Args)]
struct Run {
    /// The server's base URL: http(s):// or ws(s)://
    #[arg(long, value_name = "URL")]
    server: String,
    /// The agent's ID, as the server lists it
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    id: i64,
    /// The file that holds the agent's secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Where magic packets are sent [default: every network this machine is on]
    #[arg(long, value_name = "ADDRESS")]
    broadcast: Option<Ipv4Addr>,
    /// How much is logged: debug, info, warn, error or critical
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Level,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    match (arguments.command, arguments.run) {
        (Some(Command::Enroll(arguments)), _) => enroll::run(arguments),
        (None, Some(arguments)) => serve(arguments),
        (None, None) => {
            Err(Failure::new("--server and --id are missing; `netignite agent --help` says more"))
        }
    }
}

fn serve(arguments: Run) -> Result<(), Failure> {
    let _log = logging::start(arguments.log_level, &LogConfig::default())?;
    let options = Options {
        server: arguments.server,
        id: arguments.id,
        secret_file: arguments.secret_file,
        broadcast: arguments.broadcast,
    };
    block_on(async { Ok(agent::run(options).await?) })
}
