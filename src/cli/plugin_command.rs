//! Subcommands of plugins: `netignite <plugin> …`.

use std::sync::Arc;

use clap::ArgMatches;
use serde_json::Value;

use super::failure::Failure;
use super::operator::Operator;
use super::{ConfigArguments, block_on, keep_files_private, output};
use crate::config::Config;
use crate::http::Method;
use crate::plugin::{Ask, CommandLine, Subcommand, registered};
use crate::registry::BoxFuture;

/// The program's command line with the subcommands of plugins.
pub(super) fn with_subcommands(own: clap::Command) -> Result<clap::Command, Failure> {
    let words: Vec<_> = own.get_subcommands().map(|known| known.get_name().to_owned()).collect();
    let words: Vec<_> = words.iter().map(String::as_str).chain(["help"]).collect();
    crate::plugin::check_names(&words).map_err(Failure::new)?;
    let mut all = own;
    for entry in registered().map_err(Failure::new)? {
        if let Some(subcommand) = (entry.subcommand)() {
            if let Some(taken) = taken(&subcommand.command) {
                return Err(Failure::new(format!(
                    "the plugin {}, registered at {}, has a subcommand with the argument {taken}, which every subcommand has \
                     already; rename it",
                    entry.name, entry.location
                )));
            }
            all = all.subcommand(named(entry.name, subcommand.command));
        }
    }
    Ok(all)
}

/// What a subcommand names an argument of its own that all have: where the configuration is.
fn taken(command: &clap::Command) -> Option<String> {
    let ours = <ConfigArguments as clap::Args>::augment_args(clap::Command::new(""));
    let is_ours = |own: &&clap::Arg| {
        ours.get_arguments().any(|arg| {
            arg.get_id() == own.get_id()
                || arg.get_long().is_some_and(|long| own.get_long() == Some(long))
                || arg.get_short().is_some_and(|short| own.get_short() == Some(short))
        })
    };
    command.get_arguments().find(is_ours).map(|arg| arg.get_id().to_string())
}

/// A plugin's subcommand under its plugin's name. Of those that it has itself one must be given: its plugin need not say what
/// it does without.
fn named(plugin: &'static str, command: clap::Command) -> clap::Command {
    let needs_one = command.has_subcommands();
    let command = command.name(plugin).subcommand_required(needs_one);
    <ConfigArguments as clap::Args>::augment_args(command)
}

/// The subcommand of a plugin that was asked for, and what was given.
pub(super) fn find(matches: &ArgMatches) -> Option<(Subcommand, &ArgMatches)> {
    let (name, arguments) = matches.subcommand()?;
    let entries = registered().ok()?;
    let entry = entries.into_iter().find(|entry| entry.name == name)?;
    Some(((entry.subcommand)()?, arguments))
}

pub(super) fn run(subcommand: Subcommand, arguments: ArgMatches) -> Result<(), Failure> {
    let config = <ConfigArguments as clap::FromArgMatches>::from_arg_matches(&arguments);
    let config = config.map_err(Failure::new)?.load()?.config;
    keep_files_private();
    let server = CommandLine::new(Arc::new(Asking(config)));
    let text = block_on(async { (subcommand.run)(arguments, server).await.map_err(Failure::new) })?;
    output::print(text)
}

/// Asks the server anew each time.
struct Asking(Config);

impl Ask for Asking {
    fn ask(&self, method: Method, path: String, body: Option<Value>) -> BoxFuture<'_, Result<Value, String>> {
        let config = self.0.clone();
        Box::pin(async move {
            let operator = Operator::open(config).await.map_err(|e| e.to_string())?;
            let answer = operator.request(method, &path, body.as_ref()).await;
            operator.close().await;
            answer.map_err(|e| e.to_string())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::{Arg, Command};

    use super::{named, taken};

    #[test]
    fn a_subcommand_that_has_subcommands_is_refused_without_one() {
        let bell = Command::new("anything").subcommand(Command::new("ring")).subcommand(Command::new("rest"));
        let bell = named("bell", bell);
        let refused = bell.clone().try_get_matches_from(["bell"]).unwrap_err().to_string();
        for words in ["'bell' requires a subcommand", "[subcommands: ring, rest, help]"] {
            assert!(refused.contains(words), "{refused}");
        }
        let given = bell.try_get_matches_from(["bell", "ring"]).unwrap();
        assert_eq!(given.subcommand_name(), Some("ring"));
        named("bell", Command::new("bell")).try_get_matches_from(["bell"]).unwrap();
    }

    #[test]
    fn an_argument_that_every_subcommand_has_is_found() {
        let with = |arg: Arg| taken(&Command::new("bell").arg(arg));
        assert_eq!(with(Arg::new("config")).as_deref(), Some("config"));
        assert_eq!(with(Arg::new("folder").long("data-dir")).as_deref(), Some("folder"));
        assert_eq!(with(Arg::new("times").long("times")), None);
    }
}
