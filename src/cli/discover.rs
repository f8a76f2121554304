//! `netignite discover AGENT`: what is on an agent's networks.
//!
//! At a terminal it is an operation on the server, since the agent's reports of how far it is belong to one: these are
//! read from the stream of events and shown meanwhile. Elsewhere the agent is asked directly.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::live_line::LiveLine;
use super::number::{COUNT, number};
use super::operations::{Ending, OPERATIONS, ending, how_far, read};
use super::operator::{Operator, Reaching, refused};
use super::output::{self, text};
use super::sse::{Event, Reader};
use super::things::{self, AGENTS, Thing};
use crate::http::Method;

/// Where the reports come from.
const REPORTS: &str = "/api/events?types=operation.progress";
/// How often the server is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(500);
/// For how long: longer than the server has for it.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The agent's ID or name
    agent: String,
    /// How many hosts at most
    #[arg(long, value_name = "NUMBER", value_parser = number::<u16>(COUNT, 1..=65535))]
    limit: Option<u16>,
    #[command(flatten)]
    reaching: Reaching,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { agent, limit, reaching } = arguments;
    let as_json = reaching.json();
    let (agent, found) = reaching.ask(async |operator| {
        operator.running()?;
        let agent = things::agent(operator, &agent).await?;
        let payload = limit.map_or_else(|| json!({}), |limit| json!({ "limit": limit }));
        let line = LiveLine::new(as_json);
        let found = if line.is_on() {
            let shown = Shown::new(&line, &agent);
            let found = watch(operator, &agent, &payload, &shown).await;
            line.clear();
            found
        } else {
            ask(operator, &agent, &payload).await
        };
        Ok((agent, found?))
    })?;
    if as_json {
        return output::print_json(&found);
    }
    let row = |host: &Value| ["address", "macAddress", "name"].map(|key| text(&host[key])).into();
    let hosts = output::table_of(&["ADDRESS", "MAC ADDRESS", "NAME"], &found["hosts"], row);
    if found["hosts"].as_array().is_none_or(Vec::is_empty) {
        return output::print(format_args!("No host was found on the networks of {agent}."));
    }
    output::print(hosts)?;
    if found["truncated"] == true {
        output::note(&format!("there may be more on the networks of {agent} than was looked through"));
    }
    Ok(())
}

/// Asks the agent and waits for its reply.
async fn ask(operator: &Operator, agent: &Thing, payload: &Value) -> Result<Value, Failure> {
    let path = format!("{AGENTS}/{}/commands/DISCOVER", agent.id);
    let (status, mut answer) = operator.call(Method::POST, &path, Some(payload), &[]).await?;
    if status.is_success() {
        Ok(answer["data"].take())
    } else {
        Err(failed(agent, &refused(status, &answer)))
    }
}

/// The same as an operation, with how far it is.
async fn watch(
    operator: &Operator,
    agent: &Thing,
    payload: &Value,
    shown: &Shown<'_>,
) -> Result<Value, Failure> {
    // Nobody who is here waits for an agent that is offline, or for a second attempt.
    let body = json!({ "kind": "command", "agentID": agent.id, "command": "DISCOVER", "payload": payload,
        "queue": false, "maxAttempts": 1 });
    let (status, mut answer) = operator.call(Method::POST, OPERATIONS, Some(&body), &[]).await?;
    if !status.is_success() {
        return Err(failed(agent, &refused(status, &answer)));
    }
    let operation = answer["data"].take();
    let id = text(&operation["id"]);
    let ended = tokio::select! {
        ended = end(operator, operation, shown) => ended?,
        never = reports(operator, &id, shown) => never,
        _ = tokio::signal::ctrl_c() => return Err(interrupted(operator, agent, &id).await),
    };
    match ending(&ended) {
        Ending::Done(_) => Ok(ended["result"].clone()),
        Ending::Failed(why) => Err(failed(agent, &why)),
        Ending::NotYet(id) => {
            Err(failed(agent, &format!("it takes too long; see `netignite operations show {id}`")))
        }
    }
}

fn failed(agent: &Thing, why: &impl std::fmt::Display) -> Failure {
    Failure::new(format!("the networks of {agent} were not looked through: {why}"))
}

/// Has the agent end it for whoever does not wait any more.
async fn interrupted(operator: &Operator, agent: &Thing, id: &str) -> Failure {
    let path = format!("{OPERATIONS}/{id}/cancel");
    match operator.request(Method::POST, &path, None).await {
        Ok(_) => Failure::interrupted(format!("looking through the networks of {agent} was ended")),
        Err(why) => Failure::interrupted(format!(
            "the wait for {agent} was ended, but not its look: {why}; `netignite operations show {id}` says how it went"
        )),
    }
}

/// Waits until an operation has ended, and gives it as it is then.
async fn end(operator: &Operator, mut operation: Value, shown: &Shown<'_>) -> Result<Value, Failure> {
    while let Ending::NotYet(id) = ending(&operation)
        && shown.begun.elapsed() < PATIENCE
    {
        shown.draw();
        tokio::time::sleep(PAUSE).await;
        operation = read(operator, &id).await.map_err(|why| {
            Failure::new(format!(
                "how far it is cannot be read: {why}; `netignite operations show {id}` says how it went"
            ))
        })?;
    }
    Ok(operation)
}

/// Shows an operation's reports, as long as they come. Without them it is waited for all the same, so that this never
/// ends.
async fn reports(operator: &Operator, id: &str, shown: &Shown<'_>) -> Value {
    let mut reader = Reader::default();
    let mut report = |event: Event| {
        let data = serde_json::from_str::<Value>(&event.data).unwrap_or_default()["data"].take();
        if data["id"] == id {
            shown.say(how_far(&data));
        }
        Ok(())
    };
    let _ = operator.follow(REPORTS, None, &mut |part| reader.take(part, &mut report)).await;
    std::future::pending().await
}

/// What is shown meanwhile: the agent's words last, and for how long it goes on.
struct Shown<'a> {
    line: &'a LiveLine,
    begun: Instant,
    words: RefCell<String>,
}

impl<'a> Shown<'a> {
    fn new(line: &'a LiveLine, agent: &Thing) -> Self {
        let words = RefCell::new(format!("looking through the networks of {agent}"));
        Self { line, begun: Instant::now(), words }
    }

    /// A report without words leaves those before.
    fn say(&self, words: String) {
        if !words.is_empty() {
            *self.words.borrow_mut() = words;
        }
        self.draw();
    }

    fn draw(&self) {
        // In front, where it is seen however long the words are.
        self.line.draw(&format!("{} s · {}", self.begun.elapsed().as_secs(), self.words.borrow()));
    }
}
