//! `netignite operations …`: what is wanted of agents and devices, and what became of it.

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::Value;

use super::failure::Failure;
use super::number::{COUNT, number};
use super::operator::{Operator, Reaching};
use super::output::{self, text};
use super::things::{self, AGENTS, DEVICES, Thing};
use super::when;
use crate::http::Method;
use crate::model::operation::State;

/// The operations' route.
pub(super) const OPERATIONS: &str = "/api/operations";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List operations, the newest first
    List(List),
    /// Show an operation and what happened to it
    Show(One),
    /// Withdraw an operation that was not sent yet, or a wake that still looks
    Cancel(One),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those in this state; live: those that have not ended
    #[arg(long, value_parser = PossibleValuesParser::new(["live"].into_iter().chain(State::ALL.map(State::word))))]
    state: Option<String>,
    /// Only those for the device of this ID or name
    #[arg(long)]
    device: Option<String>,
    /// Only those through the agent of this ID or name
    #[arg(long)]
    agent: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = number::<u32>(COUNT, 1..=500))]
    limit: u32,
    /// Only those before the one of this ID: the last of an earlier list
    #[arg(long, value_name = "ID", value_parser = id)]
    before: Option<String>,
    #[command(flatten)]
    reaching: Reaching,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The operation's ID, as `netignite operations list` shows it
    #[arg(value_parser = id)]
    id: String,
    #[command(flatten)]
    reaching: Reaching,
}

/// An ID as it is written everywhere else.
fn id(text: &str) -> Result<String, String> {
    let id =
        uuid::Uuid::try_parse(text.trim()).map_err(|_| "expected the UUID of an operation".to_owned())?;
    Ok(id.hyphenated().to_string())
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Show(arguments) => show(arguments),
        Command::Cancel(arguments) => cancel(arguments),
    }
}

/// How an operation stands.
pub(super) enum Ending {
    /// It succeeded, in these words.
    Done(String),
    /// It ended otherwise: why.
    Failed(String),
    /// It goes on; its ID.
    NotYet(String),
}

/// How an operation stands, out of what the API shows of it.
pub(super) fn ending(operation: &Value) -> Ending {
    let state = text(&operation["state"]);
    match State::from_word(&state) {
        Some(State::Succeeded) => Ending::Done(text(&operation["message"])),
        Some(state) if state.is_live() => Ending::NotYet(text(&operation["id"])),
        _ => {
            let reason = operation["reason"].as_str().map(|reason| format!(" ({reason})"));
            Ending::Failed(format!("{}{}", text(&operation["message"]), reason.unwrap_or_default()))
        }
    }
}

/// What an operation is for, with the name that [`with_names`] found.
pub(super) fn subject(operation: &Value) -> String {
    let of = |what: &'static str, id: i64| {
        let name = operation[what].as_str().map(ToOwned::to_owned);
        Thing { what, id, name }.to_string()
    };
    match (operation["deviceID"].as_i64(), operation["agentID"].as_i64()) {
        (Some(device), _) => of("device", device),
        (None, Some(agent)) => of("agent", agent),
        (None, None) => String::new(),
    }
}

/// How far the command of an operation is, as its agent reports it, in a few words.
pub(super) fn how_far(report: &Value) -> String {
    let message = text(&report["message"]);
    match (report["done"].as_u64(), report["total"].as_u64()) {
        (Some(done), Some(total)) if 0 < total && done <= total => {
            let share = u128::from(done) * 100 / u128::from(total);
            if message.is_empty() { format!("{share} %") } else { format!("{share} % · {message}") }
        }
        _ => message,
    }
}

/// Puts to each operation what its device or agent is called, where the caller sees that.
async fn with_names(operator: &Operator, operations: &mut [Value]) {
    for (what, path) in [("device", DEVICES), ("agent", AGENTS)] {
        let key = format!("{what}ID");
        let ids = operations.iter().filter_map(|one| one[&key].as_i64());
        let names = things::names(operator, path, ids).await;
        for one in &mut *operations {
            if let Some(name) = one[&key].as_i64().and_then(|id| names.get(&id)) {
                one[what] = name.as_str().into();
            }
        }
    }
}

/// An operation with its trail.
pub(super) async fn read(operator: &Operator, id: &str) -> Result<Value, Failure> {
    operator.request(Method::GET, &format!("{OPERATIONS}/{id}"), None).await
}

/// Who wanted an operation, as far as the caller may know.
fn maker(operation: &Value) -> String {
    let by = &operation["createdBy"];
    let name = text(&by["name"]);
    if name.is_empty() { text(&by["kind"]) } else { name }
}

fn list(arguments: List) -> Result<(), Failure> {
    let List { state, device, agent, limit, before, reaching } = arguments;
    reaching.answer(
        async |operator| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &limit.to_string());
            if let Some(state) = state {
                query.append_pair("state", &state);
            }
            if let Some(device) = device {
                query.append_pair("deviceID", &things::device(operator, &device).await?.id.to_string());
            }
            if let Some(agent) = agent {
                query.append_pair("agentID", &things::agent(operator, &agent).await?.id.to_string());
            }
            if let Some(before) = before {
                query.append_pair("cursor", &before);
            }
            let path = format!("{OPERATIONS}?{}", query.finish());
            let mut operations = operator.request(Method::GET, &path, None).await?;
            if let Value::Array(operations) = &mut operations {
                with_names(operator, operations).await;
            }
            Ok(operations)
        },
        |operations| {
            let row = |operation: &Value| {
                vec![
                    text(&operation["id"]),
                    text(&operation["command"]),
                    subject(operation),
                    text(&operation["state"]),
                    text(&operation["reason"]),
                    when::in_words(&operation["createdAt"]),
                    maker(operation),
                ]
            };
            let head = ["ID", "WHAT", "FOR", "STATE", "REASON", "MADE", "BY"];
            output::table_of(&head, operations, row)
        },
    )
}

fn show(One { id, reaching }: One) -> Result<(), Failure> {
    reaching.answer(
        async |operator| {
            let mut operation = read(operator, &id).await.map_err(|e| about(&id, &e))?;
            with_names(operator, std::slice::from_mut(&mut operation)).await;
            Ok(operation)
        },
        |operation| {
            let ended = &operation["endedAt"];
            let ended = if ended.is_null() { String::new() } else { when::in_words(ended) };
            let (attempts, most) = (&operation["attempts"], &operation["maxAttempts"]);
            let facts = output::facts(&[
                ("ID", text(&operation["id"])),
                ("What", text(&operation["command"])),
                ("For", subject(operation)),
                ("State", text(&operation["state"])),
                ("Reason", text(&operation["reason"])),
                ("Message", text(&operation["message"])),
                ("By", maker(operation)),
                ("Made", when::in_words(&operation["createdAt"])),
                ("Ended", ended),
                ("Attempts", format!("{attempts} of {most}")),
            ]);
            let row = |entry: &Value| {
                vec![when::stamp(&entry["at"]), text(&entry["event"]), text(&entry["message"])]
            };
            let trail = output::table_of(&["TIME", "EVENT", "MESSAGE"], &operation["trail"], row);
            format!("{facts}\n\n{trail}")
        },
    )
}

fn cancel(One { id, reaching }: One) -> Result<(), Failure> {
    reaching.answer(
        async |operator| {
            let path = format!("{OPERATIONS}/{id}/cancel");
            let canceled = operator.request(Method::POST, &path, None).await;
            let mut operation = canceled.map_err(|e| about(&id, &e))?;
            with_names(operator, std::slice::from_mut(&mut operation)).await;
            Ok(operation)
        },
        |operation| {
            format!(
                "Operation {} ({} for {}) was withdrawn.",
                text(&operation["id"]),
                text(&operation["command"]),
                subject(operation)
            )
        },
    )
}

/// A refusal with the operation that it is about.
fn about(id: &str, failure: &Failure) -> Failure {
    Failure::new(format!("operation {id}: {failure}; `netignite operations list` shows them"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_said_with_its_share_where_that_is_known() {
        for (report, said) in [
            (json!({"message": "reading", "done": 120, "total": 254}), "47 % · reading"),
            (json!({"message": "", "done": u64::MAX, "total": u64::MAX}), "100 %"),
            (json!({"message": "reading", "done": 3, "total": null}), "reading"),
            (json!({"message": "reading", "done": 3, "total": 0}), "reading"),
            (json!({"message": "reading", "done": 5, "total": 3}), "reading"),
        ] {
            assert_eq!(how_far(&report), said);
        }
    }
}
