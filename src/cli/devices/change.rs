//! `netignite devices add` and `edit`.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::super::confidential;
use super::super::failure::Failure;
use super::super::names::for_owner;
use super::super::number::{PORT, PORTS, SECONDS, number};
use super::super::operator::{Operator, Reaching};
use super::super::output;
use super::super::things::{self, DEVICES, Thing};
use crate::http::Method;

/// What a device can be.
const TYPES: [&str; 5] = ["server", "desktop", "laptop", "printer", "nas"];
/// What can be taken off a device: the option's word, and the field of the API.
const CLEARABLE: [(&str, &str); 8] = [
    ("description", "description"),
    ("address", "address"),
    ("fallback-agents", "fallbackAgentIDs"),
    ("host-agent", "hostAgentID"),
    ("probe-ports", "probePorts"),
    ("broadcast", "broadcastAddress"),
    ("secure-on", "secureOn"),
    ("watch-interval", "watchInterval"),
];

#[derive(Debug, Args)]
pub(in super::super) struct Add {
    /// What people call the device
    name: String,
    /// The MAC address of its network card
    #[arg(long, value_name = "ADDRESS")]
    mac: String,
    /// The ID or name of the agent in its network
    #[arg(long)]
    agent: String,
    /// What it is
    #[arg(long = "type", value_name = "TYPE", default_value = "desktop", value_parser = PossibleValuesParser::new(TYPES))]
    kind: String,
    #[command(flatten)]
    more: More,
    /// The name of the user whose it is, on this machine [default: the superadmin]
    #[arg(long, value_name = "NAME", conflicts_with = "server")]
    owner: Option<String>,
    #[command(flatten)]
    reaching: Reaching,
}

#[derive(Debug, Args)]
pub(in super::super) struct Edit {
    /// The device's ID or name
    device: String,
    /// What people are to call it
    #[arg(long)]
    name: Option<String>,
    /// The MAC address of its network card
    #[arg(long, value_name = "ADDRESS")]
    mac: Option<String>,
    /// The ID or name of the agent in its network
    #[arg(long)]
    agent: Option<String>,
    /// What it is
    #[arg(long = "type", value_name = "TYPE", value_parser = PossibleValuesParser::new(TYPES))]
    kind: Option<String>,
    #[command(flatten)]
    more: More,
    /// What is taken off it; several are separated by commas
    #[arg(
        long,
        value_name = "WHAT",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(CLEARABLE.map(|(word, _)| word))
    )]
    clear: Vec<String>,
    #[command(flatten)]
    reaching: Reaching,
}

/// What every device may have besides.
#[derive(Debug, Args)]
struct More {
    /// What people note about it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Its IP address or host name, at which it is looked for
    #[arg(long)]
    address: Option<String>,
    /// The UDP port that magic packets go to [default: 9]
    #[arg(long, value_parser = number::<u16>(PORT, PORTS))]
    port: Option<u16>,
    /// An agent that reaches it while its own is offline, by ID or name; several are separated by commas
    #[arg(long = "fallback-agent", value_name = "AGENT", value_delimiter = ',')]
    fallback_agents: Vec<String>,
    /// The ID or name of the agent that runs on the device itself
    #[arg(long, value_name = "AGENT")]
    host_agent: Option<String>,
    /// A TCP port at which it is looked for; several are separated by commas
    #[arg(long = "probe-port", value_name = "PORT", value_delimiter = ',', value_parser = number::<u16>(PORT, PORTS))]
    probe_ports: Vec<u16>,
    /// The IPv4 address that magic packets go to
    #[arg(long, value_name = "ADDRESS")]
    broadcast: Option<String>,
    /// The file that holds its SecureOn password: 6 bytes, like AA:BB:CC:DD:EE:FF
    #[arg(long, value_name = "FILE")]
    secure_on_file: Option<PathBuf>,
    /// How often it is looked for, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = number::<u32>(SECONDS, 10..=86_400))]
    watch_interval: Option<u32>,
}

impl More {
    /// Puts what was named into a body.
    async fn put(self, operator: &Operator, body: &mut Map<String, Value>) -> Result<(), Failure> {
        let mut put = |field: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(field.to_owned(), value);
            }
        };
        put("description", self.description.map(Value::from));
        put("address", self.address.map(Value::from));
        put("port", self.port.map(Value::from));
        put("broadcastAddress", self.broadcast.map(Value::from));
        put("watchInterval", self.watch_interval.map(Value::from));
        if !self.probe_ports.is_empty() {
            put("probePorts", Some(json!(self.probe_ports)));
        }
        if let Some(file) = self.secure_on_file {
            let password = confidential::from_file(&file, "SecureOn password")?;
            put("secureOn", Some(password.expose_secret().into()));
        }
        if let Some(agent) = self.host_agent {
            put("hostAgentID", Some(things::agent(operator, &agent).await?.id.into()));
        }
        let mut fallback = Vec::new();
        for agent in &self.fallback_agents {
            fallback.push(things::agent(operator, agent).await?.id);
        }
        if !fallback.is_empty() {
            put("fallbackAgentIDs", Some(json!(fallback)));
        }
        Ok(())
    }
}

pub(super) fn add(arguments: Add) -> Result<(), Failure> {
    let Add { name, mac, agent, kind, more, owner, reaching } = arguments;
    let json = reaching.json();
    let added = reaching.ask(async |operator| {
        let agent = things::agent(operator, &agent).await?.id;
        let mut body = Map::new();
        more.put(operator, &mut body).await?;
        for (field, value) in [("name", json!(name)), ("type", json!(kind)), ("macAddress", json!(mac))] {
            body.insert(field.to_owned(), value);
        }
        body.insert("agentID".to_owned(), json!(agent));
        let path = for_owner(operator, DEVICES, owner.as_deref()).await?;
        operator.request(Method::POST, &path, Some(&Value::Object(body))).await
    })?;
    if json {
        return output::print_json(&json!({ "id": added, "name": name }));
    }
    output::print(format_args!("Device {name:?} was added with ID {added}."))
}

pub(super) fn edit(arguments: Edit) -> Result<(), Failure> {
    let Edit { device, name, mac, agent, kind, more, clear, reaching } = arguments;
    let json = reaching.json();
    let changed = reaching.ask(async |operator| {
        let device = things::device(operator, &device).await?;
        let path = format!("{DEVICES}/{}", device.id);
        let stored = operator.request(Method::GET, &path, None).await?;
        // A change replaces these: what is not named is sent back as it is.
        let mut body = Map::new();
        for field in ["name", "type", "macAddress", "port", "agentID"] {
            body.insert(field.to_owned(), stored[field].clone());
        }
        // Of a device that is shared no agent is shown; the server says that it is its owner's to change.
        let named = [("name", name), ("macAddress", mac), ("type", kind)];
        for (field, value) in named.into_iter().filter_map(|(field, value)| Some((field, value?))) {
            body.insert(field.to_owned(), value.into());
        }
        if let Some(agent) = agent {
            body.insert("agentID".to_owned(), things::agent(operator, &agent).await?.id.into());
        }
        more.put(operator, &mut body).await?;
        for (word, field) in CLEARABLE {
            if clear.iter().any(|cleared| cleared == word) {
                body.insert(field.to_owned(), Value::Null);
            }
        }
        let name = body["name"].as_str().map(ToOwned::to_owned);
        operator.request(Method::PUT, &path, Some(&Value::Object(body))).await?;
        Ok(Thing { name, ..device })
    })?;
    if json {
        return output::print_json(&json!({ "id": changed.id, "name": changed.name }));
    }
    output::print(format_args!("{changed} was changed."))
}
