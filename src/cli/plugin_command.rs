//! Subcommands of plugins: `netignite <plugin> …`.

use std::sync::Arc;

use clap::ArgMatches;
use serde_json::Value;

use super::failure::Failure;
use super::operator::Operator;
use super::{ConfigArguments, block_on, keep_files_private, output};
use crate::config::Config;
use crate::http::Method;
use crate::plugin::{Ask, CommandLine, PluginEntry, registered};
use crate::registry::BoxFuture;

/// The program's command line with the subcommands of plugins.
pub(super) fn with_subcommands(own: clap::Command) -> Result<clap::Command, Failure> {
    let words: Vec<_> = own.get_subcommands().map(|known| known.get_name().to_owned()).collect();
    let words: Vec<_> = words.iter().map(String::as_str).chain(["help"]).collect();
    crate::plugin::check_names(&words).map_err(Failure::new)?;
    let mut all = own;
    for entry in registered().map_err(Failure::new)? {
        if let Some(subcommand) = (entry.subcommand)() {
            let subcommand = subcommand.name(entry.name);
            all = all.subcommand(<ConfigArguments as clap::Args>::augment_args(subcommand));
        }
    }
    Ok(all)
}

/// The plugin whose subcommand was asked for.
pub(super) fn find(matches: &ArgMatches) -> Option<(&'static PluginEntry, &ArgMatches)> {
    let (name, arguments) = matches.subcommand()?;
    let entries = registered().ok()?;
    let entry = entries.into_iter().find(|entry| entry.name == name)?;
    (entry.subcommand)()?;
    Some((entry, arguments))
}

pub(super) fn run(entry: &'static PluginEntry, arguments: ArgMatches) -> Result<(), Failure> {
    let config = <ConfigArguments as clap::FromArgMatches>::from_arg_matches(&arguments);
    let config = config.map_err(Failure::new)?.load()?.config;
    keep_files_private();
    let server = CommandLine::new(Arc::new(Asking(config)));
    let text = block_on(async { (entry.run_subcommand)(arguments, server).await.map_err(Failure::new) })?;
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
