//! `netignite events`: what happens, as it happens. A stream that breaks off is gone on with where it was.

use std::io::{self, ErrorKind};
use std::time::Duration;

use clap::{Args, builder::PossibleValuesParser};
use serde_json::Value;

use super::failure::Failure;
use super::operator::{Operator, Reaching, refused};
use super::output::{self, text};
use super::sse::{Event, Reader};
use super::{operations, when};
use crate::http::StatusCode;
use crate::http::client::Downloaded;
use crate::model::event::EventType;

/// How long a client waits before it comes back.
const PAUSE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only these types; several are separated by commas
    #[arg(
        long,
        value_name = "TYPE",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(EventType::ALL.iter().map(|kind| kind.name()))
    )]
    types: Vec<String>,
    /// Go on after the event of this ID, as --json shows it
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[command(flatten)]
    reaching: Reaching,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { types, after, reaching } = arguments;
    let as_json = reaching.json();
    let query = if types.is_empty() { String::new() } else { format!("?types={}", types.join(",")) };
    let path = format!("/api/events{query}");
    let reader = after.map(Reader::after).unwrap_or_default();
    reaching.ask(async |operator| follow(operator, &path, reader, as_json).await)
}

/// Prints events until whoever reads them has gone away, or the server takes the caller no more.
async fn follow(operator: &Operator, path: &str, mut reader: Reader, as_json: bool) -> Result<(), Failure> {
    // What is wrong from the start is not waited for; what worked comes back.
    let mut worked = false;
    loop {
        reader.reopen();
        let last_id = reader.last_id().map(ToOwned::to_owned);
        let mut print = |event: Event| if as_json { print_json(&event) } else { print_line(&event) };
        let mut take = |part: &[u8]| {
            worked = true;
            reader.take(part, &mut print)
        };
        let why = match operator.follow(path, last_id.as_deref(), &mut take).await {
            Ok(Downloaded::Whole) => "the server ended it".to_owned(),
            // A reader that has gone away, as `head` does, is no failure.
            Ok(Downloaded::Stopped(e)) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Ok(Downloaded::Stopped(e)) => {
                return Err(Failure::new(format!("the stream of events ended: {e}")));
            }
            Ok(Downloaded::Refused(status, answer)) if !worked || !may_pass(status) => {
                return Err(refused(status, &answer));
            }
            Ok(Downloaded::Refused(status, answer)) => refused(status, &answer).to_string(),
            Err(e) if !worked => return Err(e),
            Err(e) => e.to_string(),
        };
        output::note(&format!("the stream of events broke off: {why}; coming back"));
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a refusal may be another answer soon.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// The event's own object, with the ID with which the stream goes on after it.
fn print_json(event: &Event) -> io::Result<()> {
    let mut shown: Value = serde_json::from_str(&event.data)?;
    if let Value::Object(fields) = &mut shown {
        fields.insert("id".to_owned(), event.id.as_str().into());
    }
    output::print_json_line(&shown)
}

fn print_line(event: &Event) -> io::Result<()> {
    let shown: Value = serde_json::from_str(&event.data)?;
    let (at, kind) = (when::stamp(&shown["at"]), &event.kind);
    output::print_line(&format!("{at}  {kind:18}  {}", what(kind, &shown["data"])))
}

/// What happened, in a few words.
fn what(kind: &str, data: &Value) -> String {
    let (thing, verb) = kind.split_once('.').unwrap_or((kind, ""));
    match (thing, verb) {
        ("agent" | "device", _) if data["deleted"] == true => format!("{thing} {} was deleted", data["id"]),
        ("agent" | "device", _) => {
            let name = format!("{:?} ({thing} {})", text(&data["name"]), data["id"]);
            match verb {
                "presence" => format!("{name} is {}", text(&data["presence"]["state"])),
                "changed" => format!("{name} was changed"),
                verb => format!("{name} is {verb}"),
            }
        }
        ("operation", "progress") => {
            format!(
                "{} for {}: {}",
                text(&data["command"]),
                operations::subject(data),
                operations::how_far(data)
            )
        }
        ("operation", _) => {
            let (command, subject) = (text(&data["command"]), operations::subject(data));
            format!("{command} for {subject} is {}: {}", text(&data["state"]), text(&data["message"]))
        }
        ("reset", _) => "what came in between is not known: read the lists again".to_owned(),
        ("overflow", _) => "this reader was too slow, and comes back".to_owned(),
        _ => data.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_printed_in_words() {
        for (kind, data, words) in [
            ("agent.online", json!({"id": 7, "name": "Hall"}), "\"Hall\" (agent 7) is online"),
            ("agent.changed", json!({"id": 7, "deleted": true}), "agent 7 was deleted"),
            ("device.changed", json!({"id": 3, "name": "a\nb"}), "\"a\\nb\" (device 3) was changed"),
            (
                "device.presence",
                json!({"id": 3, "name": "Box", "presence": {"state": "waking"}}),
                "\"Box\" (device 3) is waking",
            ),
            (
                "operation.changed",
                json!({"command": "WAKEUP", "deviceID": 3, "state": "running", "message": "It looks"}),
                "WAKEUP for device 3 is running: It looks",
            ),
            (
                "operation.progress",
                json!({"command": "COUNT", "agentID": 7, "message": "Step 3", "done": 3, "total": 12}),
                "COUNT for agent 7: 25 % · Step 3",
            ),
            ("reset", Value::Null, "what came in between is not known: read the lists again"),
            ("later.kind", json!({"a": 1}), "{\"a\":1}"),
        ] {
            assert_eq!(what(kind, &data), words);
        }
    }
}
