//! `netignite devices wake`: wakes a device and, with --wait, looks until it is seen.
//!
//! The wait is an operation on the server, which is asked how it stands once a second: so it survives a restart of the
//! server and a connection that breaks, and whoever gives up here is told how to go on.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::live_line::LiveLine;
use super::super::number::{SECONDS, number};
use super::super::operations::{Ending, OPERATIONS, ending};
use super::super::operator::{Operator, Reaching, refused};
use super::super::output::{self, text};
use super::super::things::{self, DEVICES, Thing};
use super::seen_by;
use crate::http::{HeaderName, Method, StatusCode};

const PREFER: (HeaderName, &str) = (HeaderName::from_static("prefer"), "respond-async");
/// How often the server is asked how it stands.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the server may be away meanwhile: it may be restarting.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much longer than everything that was asked for the end may take.
const SLACK: Duration = Duration::from_secs(60);

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
        let mut shown = Progress::new(as_json);
        let begun = begin(operator, &device, timeout).await?;
        let ended = tokio::select! {
            ended = follow(operator, begun.clone(), timeout, &mut shown) => ended,
            _ = tokio::signal::ctrl_c() => Err(left(&begun)),
        };
        shown.close(ended.as_ref().ok());
        Ok((device, ended?))
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

/// Asks how the operation stands until it has ended, and gives it as it is then.
async fn follow(
    operator: &Operator,
    mut operation: Value,
    timeout: u64,
    shown: &mut Progress,
) -> Result<Value, Failure> {
    let Ending::NotYet(id) = ending(&operation) else { return Ok(operation) };
    let path = format!("{OPERATIONS}/{id}");
    // An agent is waited for as long as the device is looked for.
    let (begun, longest) = (Instant::now(), Duration::from_secs(2 * timeout) + SLACK);
    let mut heard = begun;
    loop {
        let missing = match operator.call(Method::GET, &path, None, &[]).await {
            Ok((status, mut answer)) if status.is_success() => {
                heard = Instant::now();
                operation = answer["data"].take();
                None
            }
            // It may be busy, or a proxy may say that it restarts.
            Ok((status, answer)) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Some(refused(status, &answer))
            }
            Ok((status, answer)) => return Err(lost(&id, &refused(status, &answer))),
            Err(e) => Some(e),
        };
        match missing {
            Some(why) if heard.elapsed() > PATIENCE => return Err(lost(&id, &why)),
            Some(_) => {}
            None => shown.show(&operation),
        }
        if !matches!(ending(&operation), Ending::NotYet(_)) || begun.elapsed() > longest {
            return Ok(operation);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How the wake goes on without whoever waited for it.
fn goes_on(id: &str) -> String {
    format!(
        "the server goes on with it: `netignite operations show {id}` says how it went, `netignite operations cancel {id}` \
         withdraws it"
    )
}

fn left(operation: &Value) -> Failure {
    Failure::interrupted(format!("the wait was ended; {}", goes_on(&text(&operation["id"]))))
}

fn lost(id: &str, why: &Failure) -> Failure {
    Failure::new(format!("how the wake stands cannot be read: {why}; {}", goes_on(id)))
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

/// What is shown while it goes on: on a terminal one line that changes, else a line for each new entry of the trail.
struct Progress {
    line: LiveLine,
    quiet: bool,
    begun: Instant,
    /// How many entries of the trail were shown, and the last of them.
    shown: usize,
    last: String,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        Self { line: LiveLine::new(quiet), quiet, begun: Instant::now(), shown: 0, last: String::new() }
    }

    fn show(&mut self, operation: &Value) {
        if self.quiet {
            return;
        }
        if self.line.is_on() {
            return self.line.draw(&format!("{} · {} s", steps(operation), self.begun.elapsed().as_secs()));
        }
        let trail = operation["trail"].as_array().map(Vec::as_slice).unwrap_or_default();
        for entry in trail.iter().skip(self.shown) {
            self.say(text(&entry["message"]));
        }
        self.shown = self.shown.max(trail.len());
        // What it waits for is no entry.
        if operation["state"] == "queued" {
            self.say(text(&operation["message"]));
        }
    }

    /// Says a line, unless it is the same as the one before: looks that find the same again are said once.
    fn say(&mut self, line: String) {
        if line != self.last {
            output::note(&line);
            self.last = line;
        }
    }

    /// Leaves the line as it is at the end, with the outcome in it.
    fn close(&self, ended: Option<&Value>) {
        if !self.line.is_on() {
            return;
        }
        if let Some(operation) = ended {
            let end = match ending(operation) {
                Ending::Done(message) => lower(&message),
                Ending::Failed(_) => "not seen".to_owned(),
                Ending::NotYet(_) => "not seen yet".to_owned(),
            };
            self.line.draw(&format!("{} · {end}", steps(operation)));
        }
        self.line.leave();
    }
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

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
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
        assert_eq!(lower("Online after 41 s"), "online after 41 s");
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
