//! `netignite commands`: the agent commands this program was built with.

use clap::Args;

use super::failure::Failure;
use super::output;
use crate::api::commands::CommandView;
use crate::registry::{CommandEntry, Registry};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON, as the API does: with the JSON Schemas of payload and reply
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let registry = Registry::build()?;
    if arguments.json {
        let views: Vec<_> = registry.sendable().map(CommandView::from).collect();
        return output::print_json(&views);
    }
    let rows: Vec<_> = registry.sendable().map(as_row).collect();
    output::print(output::table(&["NAME", "TIME-OUT", "REPEATABLE", "SUMMARY"], &rows))
}

fn as_row(entry: &'static CommandEntry) -> Vec<String> {
    let repeatable = if entry.idempotent { "yes" } else { "no" };
    let timeout = format!("{} s", entry.timeout.as_secs_f64());
    vec![entry.name.to_owned(), timeout, repeatable.to_owned(), entry.summary.to_owned()]
}
