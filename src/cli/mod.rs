//! The command line: what the program is asked to do, one file a subcommand.
//!
//! Answers go to standard output, everything else to standard error. An error is one line there that says what
//! happened and what to do; the exit status is 1, or 2 when the command line itself is wrong. Passwords and secrets
//! are never taken from arguments, which every user of the machine can read.

mod agent;
mod agents;
mod audit;
mod commands;
mod completions;
mod confidential;
mod config;
mod devices;
mod discover;
mod enroll;
mod enrolment;
mod events;
mod failure;
mod healthcheck;
mod live_line;
mod names;
mod number;
mod openapi;
mod operations;
mod operator;
mod output;
mod password;
mod plugin_command;
mod plugins;
mod remote;
mod secrets;
mod serve;
mod shares;
mod sse;
mod things;
mod token;
mod user;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, Loaded, Overrides};
use failure::Failure;

/// NetIgnite Server: powers devices on from anywhere, through small always-on agents.
#[derive(Debug, Parser)]
#[command(name = "netignite", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; this is what happens without a subcommand
    Serve(serve::Arguments),
    /// Run an agent on this machine, or make one with `agent enroll`
    Agent(agent::Arguments),
    /// List the agent commands this program knows
    Commands(commands::Arguments),
    /// List the server plugins this program was built with
    Plugins(plugins::Plugins),
    /// List the routes that a server of this program serves, with those of its plugins
    Routes(plugins::Routes),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Wake, see and manage devices, here or on another server
    #[command(subcommand)]
    Devices(devices::Command),
    /// See and withdraw what is wanted of agents and devices, here or on another server
    #[command(subcommand)]
    Operations(operations::Command),
    /// Look what is on an agent's networks, here or on another server
    Discover(discover::Arguments),
    /// Follow what happens, here or on another server
    Events(events::Arguments),
    /// Manage users, whether the server runs or not
    #[command(subcommand)]
    User(user::Command),
    /// Manage users' API tokens, whether the server runs or not
    #[command(subcommand)]
    Token(token::Command),
    /// Manage the agents the server knows, whether it runs or not
    #[command(subcommand)]
    Agents(agents::Command),
    /// Manage codes with which machines make their own agents, whether the server runs or not
    #[command(subcommand)]
    Enrolment(enrolment::Command),
    /// See what is shared with whom and remove it, whether the server runs or not
    #[command(subcommand)]
    Shares(shares::Command),
    /// Read the audit log, whether the server runs or not
    #[command(subcommand)]
    Audit(audit::Command),
    /// Manage the keys that secrets are sealed with, whether the server runs or not
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Ask the server on this machine whether it is ready; the exit status tells
    Healthcheck(ServerArguments),
    /// Print the API of this program as an OpenAPI document
    Openapi,
    /// Print the completions for a shell
    Completions(completions::Arguments),
}

/// What every subcommand that reads the configuration takes.
#[derive(Debug, Clone, Args)]
struct ConfigArguments {
    /// The configuration file [default: ./config/config.json, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
}

/// What moves the server's own address and log, too.
#[derive(Debug, Clone, Args)]
struct ServerArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on
    #[arg(long)]
    port: Option<String>,
    /// How much is logged: debug, info, warn, error or critical
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl ConfigArguments {
    fn overrides(self) -> Overrides {
        Overrides { file: self.config, data_directory: self.data_dir, ..Overrides::default() }
    }

    fn load(self) -> Result<Loaded, Failure> {
        Ok(Config::load(&self.overrides())?)
    }
}

impl ServerArguments {
    fn overrides(self) -> Overrides {
        let Self { config, host, port, log_level } = self;
        Overrides { host, port, log_level, ..config.overrides() }
    }

    fn load(self) -> Result<Loaded, Failure> {
        Ok(Config::load(&self.overrides())?)
    }
}

/// The whole program: reads the arguments, does what they say and gives the exit status.
pub fn main() -> ExitCode {
    let (name, version) = crate::registry::origin::binary().unwrap_or(("netignite", crate::VERSION));
    main_as(name, version)
}

/// [`main`] of a program that has a name and a version of its own: [`netignite::main!`](crate::main!) calls it.
pub fn main_as(name: &'static str, version: &'static str) -> ExitCode {
    let parser = match plugin_command::with_subcommands(Cli::command().name(name).version(version)) {
        Ok(parser) => parser,
        Err(failure) => {
            output::complain(&failure);
            return failure.exit_code();
        }
    };
    let matches = match parser.try_get_matches() {
        Ok(matches) => matches,
        Err(e) => {
            // Help and version come this way too, with status 0. A closed pipe is no reason to complain.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    if let Some((subcommand, arguments)) = plugin_command::find(&matches) {
        return ended(plugin_command::run(subcommand, arguments.clone()));
    }
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(2);
        }
    };
    ended(match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(arguments)) => serve::run(arguments),
        Some(Command::Agent(arguments)) => agent::run(arguments),
        Some(Command::Commands(arguments)) => commands::run(&arguments),
        Some(Command::Plugins(arguments)) => plugins::plugins(&arguments),
        Some(Command::Routes(arguments)) => plugins::routes(arguments),
        Some(Command::Config(command)) => config::run(command),
        Some(Command::Devices(command)) => devices::run(command),
        Some(Command::Operations(command)) => operations::run(command),
        Some(Command::Discover(arguments)) => discover::run(arguments),
        Some(Command::Events(arguments)) => events::run(arguments),
        Some(Command::User(command)) => user::run(command),
        Some(Command::Token(command)) => token::run(command),
        Some(Command::Agents(command)) => agents::run(command),
        Some(Command::Enrolment(command)) => enrolment::run(command),
        Some(Command::Shares(command)) => shares::run(command),
        Some(Command::Audit(command)) => audit::run(command),
        Some(Command::Secrets(command)) => secrets::run(command),
        Some(Command::Healthcheck(arguments)) => healthcheck::run(arguments),
        Some(Command::Openapi) => openapi::run(),
        Some(Command::Completions(arguments)) => completions::run(&arguments),
    })
}

/// The exit status, with what went wrong on standard error.
fn ended(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            failure.exit_code()
        }
    }
}

/// The whole program, under the name and version of the crate that calls it: the body of its `main.rs`.
///
/// ```no_run
/// netignite::main!();
/// ```
#[macro_export]
macro_rules! main {
    () => {
        fn main() -> ::std::process::ExitCode {
            $crate::cli::main_as(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        }
    };
}

/// Runs a future that has no need of more than this thread.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    let done = runtime.block_on(work);
    // What still blocks a thread, such as looking up a name nobody answers for, must not hold up the end.
    runtime.shutdown_background();
    done
}

/// Files this process makes are its owner's alone: databases, credentials, logs.
fn keep_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}
