//! `netignite devices shutdown|reboot|sleep`: done by the agent that runs on the device.

use clap::Args;
use serde_json::json;

use super::super::failure::Failure;
use super::super::number::{SECONDS, number};
use super::super::operations::{Ending, ending};
use super::super::operator::{Reaching, refused};
use super::super::output;
use super::super::things::{self, DEVICES};
use crate::http::{HeaderName, Method};

/// For how long the agent's answer is waited for. It comes before what it announces.
const PREFER: (HeaderName, &str) = (HeaderName::from_static("prefer"), "wait=20");

#[derive(Debug, Args)]
pub(in super::super) struct Power {
    /// The device's ID or name
    device: String,
    /// After how many seconds it is done
    #[arg(long, value_name = "SECONDS", value_parser = number::<u32>(SECONDS, 0..=86_400))]
    delay: Option<u32>,
    #[command(flatten)]
    reaching: Reaching,
}

/// `what`: the route's word.
pub(super) fn run(arguments: Power, what: &str) -> Result<(), Failure> {
    let Power { device, delay, reaching } = arguments;
    let as_json = reaching.json();
    let (device, operation) = reaching.ask(async |operator| {
        operator.running()?;
        let device = things::device(operator, &device).await?;
        // Nobody who is here wants it done at some time later.
        let mut body = json!({ "queue": false });
        if let Some(seconds) = delay {
            body["delaySeconds"] = json!(seconds);
        }
        let path = format!("{DEVICES}/{}/{what}", device.id);
        let (status, mut answer) = operator.call(Method::POST, &path, Some(&body), &[PREFER]).await?;
        if !status.is_success() {
            return Err(Failure::new(format!(
                "the {what} of {device} was not begun: {}",
                refused(status, &answer)
            )));
        }
        Ok((device, answer["data"].take()))
    })?;
    if as_json {
        output::print_json(&operation)?;
    }
    match ending(&operation) {
        Ending::Done(_) if as_json => Ok(()),
        Ending::Done(message) => {
            output::print(format_args!("The {what} of {device} was begun by the agent on it: {message}"))
        }
        Ending::Failed(why) => Err(Failure::new(format!("the {what} of {device} failed: {why}"))),
        Ending::NotYet(id) => Err(Failure::new(format!(
            "the agent on {device} has not answered yet; see `netignite operations show {id}`"
        ))),
    }
}
