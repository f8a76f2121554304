//! `netignite audit list|export`: reading the audit log as the local operator.

use std::io::ErrorKind;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::Failure;
use super::operator::{Asking, Operator};
use super::output::{JsonLines, table_of, text};
use super::{ConfigArguments, keep_files_private, number, when};
use crate::http::Method;

const AUDIT: &str = "/api/admin/audit";
/// The most that the API answers at once.
const PAGE: usize = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the newest entries
    List(List),
    /// Print the log, the newest entries first, one JSON object a line
    Export(Export),
}

/// Which entries are asked for.
#[derive(Debug, Args)]
struct Filter {
    /// From this time on: a date, a time as 2030-01-31T12:00:00Z, or milliseconds since the epoch
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What the user of this ID did, or a token or agent of theirs
    #[arg(long, value_name = "ID", value_parser = number::id)]
    user: Option<i64>,
    /// What this kind did
    #[arg(long, value_parser = ["nobody", "user", "token", "agent", "operator", "server", "plugin"])]
    actor: Option<String>,
    /// What was done, as agent.update, or the start of it, as `agent.`
    #[arg(long)]
    action: Option<String>,
    /// The kind of thing it was done to, such as device
    #[arg(long)]
    target: Option<String>,
    /// The ID of that thing
    #[arg(long, value_name = "ID", value_parser = number::id)]
    target_id: Option<i64>,
    /// What became of it
    #[arg(long, value_parser = ["done", "refused", "failed"])]
    outcome: Option<String>,
    /// Where it came from
    #[arg(long)]
    address: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// How many entries at most
    #[arg(long, default_value_t = 50, value_parser = number::number::<u32>(number::COUNT, 1..=i64::from(u32::MAX)))]
    limit: u32,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    config: ConfigArguments,
}

impl Filter {
    /// The query that says the same, with what `more` adds.
    fn query(self, more: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let filters = [
            ("since", self.since),
            ("until", self.until),
            ("user", self.user.map(|id| id.to_string())),
            ("actor", self.actor),
            ("action", self.action),
            ("target", self.target),
            ("targetID", self.target_id.map(|id| id.to_string())),
            ("outcome", self.outcome),
            ("address", self.address),
        ];
        query.extend_pairs(filters.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))));
        query.extend_pairs(more).finish()
    }
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Export(arguments) => export(arguments),
    }
}

fn list(arguments: List) -> Result<(), Failure> {
    let List { filter, limit, asking } = arguments;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let path = format!("{AUDIT}?{}", filter.query(&[("limit", &limit.min(PAGE).to_string())]));
    asking.answer(
        async |operator| newest(operator, &path, limit).await,
        |entries| {
            table_of(&["TIME", "WHO", "WHAT", "TARGET", "OUTCOME", "FROM", "COUNT", "DETAIL"], entries, row)
        },
    )
}

/// The newest `limit` entries of a path with a query. A page may hold fewer than there are.
async fn newest(operator: &Operator, path: &str, limit: usize) -> Result<Value, Failure> {
    let mut entries = Vec::new();
    let mut page = operator.request(Method::GET, path, None).await?;
    loop {
        if let Value::Array(some) = page["entries"].take() {
            entries.extend(some);
        }
        entries.truncate(limit);
        let Some(next) = page["next"].as_str().filter(|_| entries.len() < limit) else {
            return Ok(json!(entries));
        };
        page = operator.request(Method::GET, &format!("{path}&before={next}"), None).await?;
    }
}

fn row(entry: &Value) -> Vec<String> {
    let words = |keys: [&str; 3]| {
        let words = keys.map(|key| text(&entry[key]));
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    vec![
        when::stamp(&entry["at"]),
        words(["actor", "actorID", "actorName"]),
        text(&entry["action"]),
        words(["target", "targetID", "targetName"]),
        text(&entry["outcome"]),
        text(&entry["address"]),
        text(&entry["count"]),
        text(&entry["detail"]),
    ]
}

fn export(arguments: Export) -> Result<(), Failure> {
    let Export { filter, config } = arguments;
    let path = format!("{AUDIT}/export?{}", filter.query(&[]));
    keep_files_private();
    let mut lines = JsonLines::default();
    let written = Operator::download(config, &path, |part| lines.take(part));
    match written? {
        // A reader that has gone away, as `head` does, is no failure.
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}
