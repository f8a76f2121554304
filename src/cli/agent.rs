//! `netignite agent`: the agent on this machine. Its secret never stands on the command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::{block_on, enroll, number, output};
use crate::agent::{self, AgentConfig};
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
    /// Validate a configuration file, and show which commands it allows and how they are set up
    Check(Check),
}

/// What is not named here is as the configuration file says.
#[derive(Debug, Args)]
struct Run {
    /// The agent's configuration file; the arguments beside it win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's base URL: http(s):// or ws(s)://
    #[arg(long, value_name = "URL", required_unless_present = "config")]
    server: Option<String>,
    /// The agent's ID, as the server lists it
    #[arg(long, value_parser = number::id, required_unless_present = "config")]
    id: Option<i64>,
    /// The file that holds the agent's secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Where magic packets are sent [default: every network this machine is on]
    #[arg(long, value_name = "ADDRESS")]
    broadcast: Option<Ipv4Addr>,
    /// Commands that the server may send only where they are allowed: SHUTDOWN, REBOOT, SLEEP, …
    #[arg(long, value_name = "COMMAND,…", value_delimiter = ',')]
    allow: Vec<String>,
    /// Commands that are not to be run
    #[arg(long, value_name = "COMMAND,…", value_delimiter = ',')]
    deny: Vec<String>,
    /// How much is logged: debug, info, warn, error or critical [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<Level>,
}

#[derive(Debug, Args)]
struct Check {
    /// The agent's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    match (arguments.command, arguments.run) {
        (Some(Command::Enroll(arguments)), _) => enroll::run(arguments),
        (Some(Command::Check(arguments)), _) => check(&arguments),
        (None, Some(arguments)) => serve(arguments),
        (None, None) => {
            Err(Failure::new("--server and --id are missing; `netignite agent --help` says more"))
        }
    }
}

fn serve(arguments: Run) -> Result<(), Failure> {
    let Run { config, server, id, secret_file, broadcast, allow, deny, log_level } = arguments;
    let read = config.as_deref().map(AgentConfig::read).transpose()?.unwrap_or_default();
    let said = AgentConfig { server, id, secret_file, broadcast, allow, deny, ..AgentConfig::default() };
    let config = said.over(read);
    let level = log_level.map_or_else(|| level(&config), Ok)?;
    let _log = logging::start(level, &LogConfig::default())?;
    let (options, permitted) = config.options()?;
    block_on(async { Ok(agent::run_with(options, permitted).await?) })
}

fn level(config: &AgentConfig) -> Result<Level, Failure> {
    match &config.log_level {
        None => Ok(Level::Info),
        Some(word) => word.parse().map_err(|e| Failure::new(format!("logLevel: {e}"))),
    }
}

/// Validates a configuration file and shows what holds.
fn check(arguments: &Check) -> Result<(), Failure> {
    let config = AgentConfig::read(&arguments.config)?;
    level(&config)?;
    let checked = config.check()?;
    let (options, _) = config.options()?;
    if arguments.json {
        let whole = serde_json::json!({
            "server": options.server,
            "id": options.id,
            "secretFile": options.secret_file,
            "broadcast": options.broadcast,
            "allowed": checked.allowed,
            "notAllowed": checked.not_allowed,
            "commands": checked.commands,
        });
        return output::print_json(&whole);
    }
    let none = || "-".to_owned();
    let mut rows = vec![
        vec!["server".to_owned(), options.server],
        vec!["id".to_owned(), options.id.to_string()],
        vec![
            "secretFile".to_owned(),
            options.secret_file.map_or_else(none, |path| path.display().to_string()),
        ],
        vec!["broadcast".to_owned(), options.broadcast.map_or_else(none, |address| address.to_string())],
        vec!["allowed".to_owned(), checked.allowed.join(", ")],
        vec!["not allowed".to_owned(), checked.not_allowed.join(", ")],
    ];
    rows.extend(
        checked
            .commands
            .into_iter()
            .map(|(name, section)| vec![format!("commands.{name}"), section.to_string()]),
    );
    output::print(output::table(&["KEY", "VALUE"], &rows))
}
