//! `netignite devices …`: the main job, here or on a server somewhere else. `change` adds and edits devices, `wake` wakes
//! them and sees them come up, `power` has the agent on a device shut it down.

mod change;
mod follow;
mod power;
mod wake;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::Failure;
use super::names::{name_of, users};
use super::operator::{Operator, Reaching};
use super::output::{self, text};
use super::things::{self, AGENTS, DEVICES};
use super::when;
use crate::http::Method;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List devices
    List(List),
    /// Show a device and whether it is there
    Show(One),
    /// Add a device
    Add(Box<change::Add>),
    /// Change a device; what is not named stays as it is
    Edit(Box<change::Edit>),
    /// Delete a device
    Delete(One),
    /// Wake a device; with --wait the exit status is 0 only if it was seen
    Wake(wake::Wake),
    /// Have the agent that runs on a device switch it off; with --wait the exit status is 0 only if it was seen to go
    Shutdown(power::Power),
    /// Have the agent that runs on a device restart it; with --wait the exit status is 0 only if it was seen to
    Reboot(power::Power),
    /// Have the agent that runs on a device send it to sleep; with --wait the exit status is 0 only if it was seen to go
    Sleep(power::Power),
    /// Ask agents which devices are up
    Status(Status),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    reaching: Reaching,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The device's ID or name
    device: String,
    #[command(flatten)]
    reaching: Reaching,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// The devices' IDs or names [default: all]
    #[arg(value_name = "DEVICE")]
    devices: Vec<String>,
    #[command(flatten)]
    reaching: Reaching,
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Show(arguments) => show(arguments),
        Command::Add(arguments) => change::add(*arguments),
        Command::Edit(arguments) => change::edit(*arguments),
        Command::Delete(arguments) => delete(arguments),
        Command::Wake(arguments) => wake::run(arguments),
        Command::Shutdown(arguments) => power::run(arguments, "shutdown"),
        Command::Reboot(arguments) => power::run(arguments, "reboot"),
        Command::Sleep(arguments) => power::run(arguments, "sleep"),
        Command::Status(arguments) => status(arguments),
    }
}

/// Puts to each device the names of its owner and its agents. Of a shared one the API says the owner's, of everyone's it
/// is looked up where the caller may; agents' names are known where the agents are seen.
async fn with_names(operator: &Operator, devices: &mut [Value]) {
    let users = if operator.sees_all() { users(operator).await.unwrap_or_default() } else { Vec::new() };
    let named = devices.iter().flat_map(|device| {
        let fallbacks = device["fallbackAgentIDs"].as_array().into_iter().flatten();
        [&device["agentID"], &device["hostAgentID"]].into_iter().chain(fallbacks)
    });
    let agents = things::names(operator, AGENTS, named.filter_map(Value::as_i64)).await;
    for device in devices {
        for (id, name) in [("agentID", "agent"), ("hostAgentID", "hostAgent")] {
            if let Some(known) = device[id].as_i64().and_then(|id| agents.get(&id)) {
                device[name] = known.as_str().into();
            }
        }
        let fallbacks = device["fallbackAgentIDs"].as_array().into_iter().flatten();
        let fallbacks: Vec<Value> = fallbacks
            .map(|id| {
                id.as_i64().and_then(|id| agents.get(&id)).map_or(id.clone(), |name| name.as_str().into())
            })
            .collect();
        if !fallbacks.is_empty() {
            device["fallbackAgents"] = fallbacks.into();
        }
        let name = match device["ownerName"].as_str() {
            Some(name) => name.to_owned(),
            None if users.is_empty() => continue,
            None => name_of(&users, &device["ownerID"]),
        };
        device["owner"] = name.into();
    }
}

/// The agent of a device as people call it; its ID where they do not see what it is called.
fn agent(device: &Value, name: &str, id: &str) -> String {
    if device[name].is_string() { text(&device[name]) } else { text(&device[id]) }
}

fn list(List { reaching }: List) -> Result<(), Failure> {
    reaching.answer(
        async |operator| {
            let mut devices = operator.request(Method::GET, DEVICES, None).await?;
            if let Value::Array(devices) = &mut devices {
                with_names(operator, devices).await;
            }
            Ok(devices)
        },
        |devices| {
            let row = |device: &Value| {
                let cells = ["id", "name", "type", "macAddress", "address"].map(|key| text(&device[key]));
                cells.into_iter().chain([agent(device, "agent", "agentID"), text(&device["owner"])]).collect()
            };
            let head = ["ID", "NAME", "TYPE", "MAC ADDRESS", "ADDRESS", "AGENT", "OWNER"];
            output::table_of(&head, devices, row)
        },
    )
}

fn show(One { device, reaching }: One) -> Result<(), Failure> {
    reaching.answer(
        async |operator| {
            let id = things::device(operator, &device).await?.id;
            let mut device = operator.request(Method::GET, &format!("{DEVICES}/{id}"), None).await?;
            with_names(operator, std::slice::from_mut(&mut device)).await;
            Ok(device)
        },
        |device| {
            let plain = |key: &str| text(&device[key]);
            let list = |key: &str| {
                device[key].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
            };
            let watched = device["watchInterval"].as_i64().map(|seconds| format!("every {seconds} s"));
            output::facts(&[
                ("ID", plain("id")),
                ("Name", plain("name")),
                ("Presence", presence(&device["presence"])),
                ("Type", plain("type")),
                ("Description", plain("description")),
                ("MAC address", plain("macAddress")),
                ("Port", plain("port")),
                ("Address", plain("address")),
                ("Agent", agent(device, "agent", "agentID")),
                ("Fallback agents", list("fallbackAgents")),
                ("Host agent", agent(device, "hostAgent", "hostAgentID")),
                ("Probe ports", list("probePorts")),
                ("Broadcast address", plain("broadcastAddress")),
                // What it is stays out of scrolled-back screens; JSON has it.
                ("SecureOn", device["secureOn"].as_str().map(|_| "set".to_owned()).unwrap_or_default()),
                ("Watched", watched.unwrap_or_default()),
                ("Owner", plain("owner")),
                ("You may", list("permissions")),
            ])
        },
    )
}

/// Whether a device is there, since when, and how that is known.
fn presence(presence: &Value) -> String {
    let mut words = text(&presence["state"]);
    for (key, word) in [("since", "since"), ("checkedAt", "looked")] {
        if presence[key].is_i64() {
            words.push_str(&format!(", {word} {}", when::in_words(&presence[key])));
        }
    }
    match presence["method"].as_str() {
        Some(method) => format!("{words}, seen by {}", seen_by(method)),
        None => words,
    }
}

/// By what a device was seen, for people.
fn seen_by(method: &str) -> &str {
    match method {
        "host_agent" => "the agent on it",
        "icmp" => "ping",
        "tcp" => "TCP",
        "neighbour" => "ARP",
        other => other,
    }
}

fn delete(One { device, reaching }: One) -> Result<(), Failure> {
    let mut said = String::new();
    let json = reaching.json();
    let deleted = reaching.ask(async |operator| {
        let device = things::device(operator, &device).await?;
        operator.request(Method::DELETE, &format!("{DEVICES}/{}", device.id), None).await?;
        said = format!("{device} was deleted.");
        Ok(json!({ "id": device.id }))
    })?;
    if json { output::print_json(&deleted) } else { output::print(said) }
}

fn status(Status { devices, reaching }: Status) -> Result<(), Failure> {
    reaching.answer(
        async |operator| {
            operator.running()?;
            let mut asked = Vec::new();
            for said in &devices {
                let device = things::device(operator, said).await?;
                if !asked.contains(&device.id) {
                    asked.push(device.id);
                }
            }
            let list = operator.request(Method::GET, DEVICES, None).await?;
            let ids = asked.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let query = if asked.is_empty() { String::new() } else { format!("?ids={ids}") };
            let found = operator.request(Method::GET, &format!("{DEVICES}/status{query}"), None).await?;
            let status = |device: &Value| {
                let status = found.get(text(&device["id"]))?;
                Some(json!({ "id": device["id"], "name": device["name"], "status": status }))
            };
            Ok(list.as_array().into_iter().flatten().filter_map(status).collect())
        },
        |statuses| {
            let row = |device: &Value| ["id", "name", "status"].map(|key| text(&device[key])).into();
            output::table_of(&["ID", "NAME", "STATUS"], statuses, row)
        },
    )
}
