//! `netignite devices wake`: wakes a device and, with --wait, looks until it is seen.
//!
//! The wait is an operation on the server, which is followed: see [`follow`](super::follow).

use std::fmt::Write as _;
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
use super::seen_by;
use crate::http::{HeaderName, Method, StatusCode};

/// The server goes on whoever waits.
const PREFER: (HeaderName, &str) = (HeaderName::from_static("prefer"), "respond-async");

#[derive(Debug, Args)]
pub(in super::super) struct Wake {
    /// The device's ID or name
    device: String,
    /// Look until the device is seen; the exit status is 0 only if it was
    #[arg(long)]
    wait: bool,
    /// For how long it is looked for, in seconds, and before that an agent waited for
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

pub(super) fn run(arguments: Wake) -> Result<(), Failure> {
    let Wake { device, wait, timeout, reaching } = arguments;
    if !wait {
        return send(&device, reaching);
    }
    let as_json = reaching.json();
    let (device, operation) = reaching.ask(async |operator| {
        operator.running()?;
        let device = things::device(operator, &device).await?;
        let begun = begin(operator, &device, timeout).await?;
        // An agent is waited for as long as the device is looked for.
        let longest = Duration::from_secs(2 * timeout);
        let shown = Shown { quiet: as_json, steps, not_done: "not seen" };
        let ended = follow(operator, "wake", begun, longest, shown).await?;
        Ok((device, ended))
    })?;
    if as_json {
        output::print_json(&operation)?;
    }
    match ending(&operation) {
        Ending::Done(_) if as_json => Ok(()),
        Ending::Done(message) => output::print(seen(&device, &message, &operation["evidence"])),
        Ending::Failed(why) => Err(unseen(&device, &why, &operation)),
        Ending::NotYet(id) => Err(Failure::new(format!(
            "{device} was not seen yet, and the server goes on; see `netignite operations show {id}`"
        ))),
    }
}

/// Sends the packets and looks no further.
fn send(device: &str, reaching: Reaching) -> Result<(), Failure> {
    let as_json = reaching.json();
    let device = reaching.ask(async |operator| {
        operator.running()?;
        let device = things::device(operator, device).await?;
        let path = format!("{DEVICES}/{}/wakeup", device.id);
        let (status, answer) = operator.call(Method::POST, &path, None, &[]).await?;
        if status.is_success() { Ok(device) } else { Err(unsent(&device, status, &answer)) }
    })?;
    if as_json {
        return output::print_json(&json!({ "id": device.id, "name": device.name }));
    }
    output::print(format_args!(
        "Magic packets for {device} were sent. Whether it comes up was not looked for: --wait does."
    ))
}

/// Has the server wake a device until it is seen, and gives the operation.
async fn begin(operator: &Operator, device: &Thing, timeout: u64) -> Result<Value, Failure> {
    let body = json!({ "until": "online", "timeout": timeout, "deliverWithin": timeout });
    let path = format!("{DEVICES}/{}/wakeup", device.id);
    let (status, mut answer) = operator.call(Method::POST, &path, Some(&body), &[PREFER]).await?;
    // A server that waits whatever is preferred answers with the end, also where it is none that was hoped for.
    if status.is_success() || answer["data"]["state"].is_string() {
        return Ok(answer["data"].take());
    }
    Err(unsent(device, status, &answer))
}

fn unsent(device: &Thing, status: StatusCode, answer: &Value) -> Failure {
    Failure::new(format!("{device} was not woken: {}", refused(status, answer)))
}

/// That a device was seen, how and through whom.
fn seen(device: &Thing, message: &str, evidence: &Value) -> String {
    let mut said = format!("{device}: {message}");
    // Writing to a text does not fail.
    if let Some(method) = evidence["method"].as_str() {
        let _ = write!(said, "; seen by {}", seen_by(method));
    }
    if let Some(address) = evidence["address"].as_str() {
        let _ = write!(said, " at {address}");
    }
    if let Some(port) = evidence["port"].as_i64() {
        let _ = write!(said, ", port {port}");
    }
    said.push('.');
    said
}

/// That a device was not seen, why, and what to do about it.
fn unseen(device: &Thing, why: &str, operation: &Value) -> Failure {
    let remedy = match operation["reason"].as_str().unwrap_or_default() {
        "agent_offline" => "look why its agents are offline, or give it others with --fallback-agent",
        "command_failed" => "look at the agent's log: its network may be down",
        "not_seen" => {
            "look whether Wake on LAN is on in its firmware, and whether it answers pings or, with --probe-port, connections"
        }
        "other_device_answers" => "another device has its address: correct the address or the MAC address",
        "cannot_probe" => "give it an address, or an agent of its own with --host-agent",
        _ => "see what was tried",
    };
    let id = text(&operation["id"]);
    Failure::new(format!("{device} was not seen: {why}; {remedy} (`netignite operations show {id}`)"))
}

/// How far a wake has come, in a few words.
fn steps(operation: &Value) -> String {
    let trail = operation["trail"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |event: &str| trail.iter().filter(|entry| entry["event"] == event).count();
    let sent = match count("packet_sent") {
        0 if operation["state"] == "queued" => "waiting for an agent".to_owned(),
        0 if operation["state"] == "running" => "sending".to_owned(),
        0 => "no packet sent".to_owned(),
        1 => "packet sent".to_owned(),
        packets => format!("{packets} packets sent"),
    };
    if count("looked") > 0 { format!("{sent} · looking") } else { sent }
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
        assert_eq!(operation("queued", &[]), "waiting for an agent");
        assert_eq!(operation("running", &["agent_chosen"]), "sending");
        assert_eq!(operation("expired", &[]), "no packet sent");
        assert_eq!(operation("running", &["packet_sent"]), "packet sent");
        assert_eq!(operation("running", &["packet_sent", "looked", "looked"]), "packet sent · looking");
        assert_eq!(
            operation("running", &["packet_sent", "looked", "packet_sent"]),
            "2 packets sent · looking"
        );
    }

    #[test]
    fn what_was_seen_is_said_as_far_as_it_is_known() {
        let device = Thing { what: "device", id: 3, name: Some("Box".to_owned()) };
        let evidence = json!({ "method": "tcp", "address": "192.0.2.7", "port": 22, "wasOnline": false });
        assert_eq!(
            seen(&device, "Online after 41 s", &evidence),
            "\"Box\" (device 3): Online after 41 s; seen by TCP at 192.0.2.7, port 22."
        );
        let nameless = Thing { name: None, ..device };
        assert_eq!(seen(&nameless, "Online after 0 s", &Value::Null), "device 3: Online after 0 s.");
    }
}
