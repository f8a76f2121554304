//! `netignite devices shutdown|reboot|sleep`: done by the agent that runs on the device; with --wait the server looks until the
//! device is gone.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::number::{SECONDS, number};
use super::super::operations::{Ending, ending};
use super::super::operator::{Operator, Reaching, refused};
use super::super::output::{self, text};
use super::super::things::{self, DEVICES, Thing};
use super::follow::{Shown, follow};
use crate::http::{HeaderName, Method};

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The agent's answer is waited for, which comes before what it announces.
const ANSWER: &str = "wait=20";
/// The server goes on whoever waits.
const AT_ONCE: &str = "respond-async";

#[derive(Debug, Args)]
pub(in super::super) struct Power {
    /// The device's ID or name
    device: String,
    /// After how many seconds it is done
    #[arg(long, value_name = "SECONDS", value_parser = number::<u32>(SECONDS, 0..=86_400))]
    delay: Option<u32>,
    /// Look until the device is gone, or has restarted; the exit status is 0 only if that was seen
    #[arg(long)]
    wait: bool,
    /// For how long it may still be seen after the delay, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "wait",
        default_value_t = 120,
        value_parser = number::<u64>(SECONDS, 1..=300)
    )]
    timeout: u64,
    #[command(flatten)]
    reaching: Reaching,
}

/// `what`: the route's word.
pub(super) fn run(arguments: Power, what: &'static str) -> Result<(), Failure> {
    let Power { device, delay, wait, timeout, reaching } = arguments;
    let as_json = reaching.json();
    let (device, operation) = reaching.ask(async |operator| {
        operator.running()?;
        let device = things::device(operator, &device).await?;
        // Nobody who is here wants it done at some time later.
        let mut body = json!({ "queue": false });
        if let Some(seconds) = delay {
            body["delaySeconds"] = json!(seconds);
        }
        if !wait {
            let operation = begin(operator, &device, what, &body, ANSWER).await?;
            return Ok((device, operation));
        }
        body["until"] = json!("offline");
        body["timeout"] = json!(timeout);
        let begun = begin(operator, &device, what, &body, AT_ONCE).await?;
        let longest = Duration::from_secs(u64::from(delay.unwrap_or(0)) + timeout);
        let shown = Shown { quiet: as_json, steps, not_done: "still there" };
        let ended = follow(operator, what, begun, longest, shown).await?;
        Ok((device, ended))
    })?;
    if as_json {
        output::print_json(&operation)?;
    }
    match ending(&operation) {
        Ending::Done(_) if as_json => Ok(()),
        Ending::Done(message) if wait => output::print(format_args!("{device}: {message}.")),
        Ending::Done(message) => output::print(format_args!(
            "The {what} of {device} was begun by the agent on it: {message}. Whether it goes was not looked for: --wait does."
        )),
        Ending::Failed(why) if wait => {
            let id = text(&operation["id"]);
            Err(Failure::new(format!(
                "the {what} of {device} failed: {why} (`netignite operations show {id}`)"
            )))
        }
        Ending::Failed(why) => Err(Failure::new(format!("the {what} of {device} failed: {why}"))),
        Ending::NotYet(id) if wait => Err(Failure::new(format!(
            "{device} was not seen to go yet, and the server goes on; see `netignite operations show {id}`"
        ))),
        Ending::NotYet(id) => Err(Failure::new(format!(
            "the agent on {device} has not answered yet; see `netignite operations show {id}`"
        ))),
    }
}

/// Has it done, and gives the operation.
async fn begin(
    operator: &Operator,
    device: &Thing,
    what: &str,
    body: &Value,
    prefer: &'static str,
) -> Result<Value, Failure> {
    let path = format!("{DEVICES}/{}/{what}", device.id);
    let (status, mut answer) = operator.call(Method::POST, &path, Some(body), &[(PREFER, prefer)]).await?;
    if !status.is_success() {
        return Err(Failure::new(format!(
            "the {what} of {device} was not begun: {}",
            refused(status, &answer)
        )));
    }
    Ok(answer["data"].take())
}

/// How far it has come, in a few words.
fn steps(operation: &Value) -> String {
    let trail = operation["trail"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |event: &str| trail.iter().any(|entry| entry["event"] == event);
    let sent = match () {
        () if has("answered") => "begun",
        () if has("sent") => "sent",
        () if operation["state"] == "queued" => "waiting for its agent",
        () => "not sent",
    };
    if has("answered") && operation["state"] == "running" {
        format!("{sent} · looking")
    } else {
        sent.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is() {
        let operation = |state: &str, events: &[&str]| {
            let trail: Vec<_> = events.iter().map(|event| json!({ "event": event })).collect();
            steps(&json!({ "state": state, "trail": trail }))
        };
        assert_eq!(operation("queued", &[]), "waiting for its agent");
        assert_eq!(operation("expired", &[]), "not sent");
        assert_eq!(operation("running", &["sent"]), "sent");
        assert_eq!(operation("running", &["sent", "answered"]), "begun · looking");
        assert_eq!(operation("succeeded", &["sent", "answered", "looked"]), "begun");
    }
}
