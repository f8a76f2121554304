//! `netignite commands`: the agent commands this program was built with.

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output;
use crate::registry::{CommandEntry, Registry};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON, with the JSON Schemas of payload and reply
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let registry = Registry::build()?;
    if arguments.json {
        return output::print_json(&registry.iter().map(as_json).collect());
    }
    let rows: Vec<_> = registry.iter().map(as_row).collect();
    output::print(output::table(&["NAME", "TIME-OUT", "REPEATABLE", "SUMMARY"], &rows))
}

fn as_row(entry: &'static CommandEntry) -> Vec<String> {
    let repeatable = if entry.idempotent { "yes" } else { "no" };
    let timeout = format!("{} s", entry.timeout.as_secs_f64());
    vec![entry.name.to_owned(), timeout, repeatable.to_owned(), entry.summary.to_owned()]
}

fn as_json(entry: &'static CommandEntry) -> Value {
    json!({
        "name": entry.name,
        "summary": entry.summary,
        "timeoutMs": entry.timeout.as_millis(),
        "idempotent": entry.idempotent,
        "payload": (entry.payload_schema)(),
        "reply": (entry.reply_schema)(),
    })
}
