//! DISCOVER: asks an agent what is on its networks.
//!
//! The agent has its system ask for every address of its networks, of a large one for those of the /22 around itself, and
//! reads the neighbour table. It takes seconds; the agent does one sweep at a time, at a bounded rate. A host that is not
//! on, or is not on the agent's own networks, is not found.

use netignite::prelude::*;

/// As many hosts fit a reply.
const HOSTS: u16 = 200;
/// What a reply may take with its frame, without what is no host's.
const ROOM: usize = 15_360 - 160;
/// What a host takes of it without its name.
const HOST: usize = 64;
/// The longest name that is passed on.
const NAME: usize = 24;

/// How much is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    /// How many hosts are named at most: 200 unless given, and never more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<NonZeroU16>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// The MAC address of its card.
    pub mac_address: MacAddress,
    /// What it is called, where that is known and the reply has room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What the agent found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Discovered {
    /// Always `OK`; a failure travels as `ERROR`.
    pub status: OkStatus,
    /// What was found, for people.
    #[serde(default)]
    pub message: String,
    /// The hosts, by their addresses.
    pub hosts: Vec<Found>,
    /// Whether there may be more: beyond the limit, or in a part of a network that was not looked through.
    #[serde(default)]
    pub truncated: bool,
}

/// See the module.
pub struct Discover;

impl Command for Discover {
    const NAME: &'static str = "DISCOVER";
    const SUMMARY: &'static str = "Look what is on the agent's networks";
    /// A sweep takes up to 14 s.
    const TIMEOUT: Duration = Duration::from_secs(20);
    const IDEMPOTENT: bool = true;
    const CLASS: Class = Class::Question;
    const CANCELABLE: bool = true;

    type Payload = Payload;
    type Reply = Discovered;

    fn check(payload: &Payload) -> Result<(), FieldError> {
        match payload.limit {
            Some(limit) if limit.get() > HOSTS => {
                Err(FieldError::new("limit", format!("expected 1 to {HOSTS}")))
            }
            _ => Ok(()),
        }
    }

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Discovered, CommandError> {
        let swept = |done, total| agent.progress(Progress::of(done, total).saying(asked(done, total)));
        let found = agent.network().sweep(&swept).await;
        let found = found.map_err(|e| {
            CommandError::new("network_error", format!("The networks cannot be looked through: {e}"))
        })?;
        let limit = payload.limit.map_or(HOSTS, NonZeroU16::get).into();
        let message = match found.hosts.len() {
            1 => "1 host found".to_owned(),
            count => format!("{count} hosts found"),
        };
        let truncated = found.hosts.len() > limit || !found.whole;
        let mut room = ROOM.saturating_sub(found.hosts.len().min(limit) * HOST);
        let mut named = |host: Neighbour| Found {
            address: host.address,
            mac_address: host.mac,
            name: host.name.and_then(|name| name_within(&mut room, &name)),
        };
        let hosts = found.hosts.into_iter().take(limit).map(&mut named).collect();
        Ok(Discovered { status: OkStatus::Ok, message, hosts, truncated })
    }
}

/// A host's name, cut, if there is room for it, of which it then takes its part.
fn name_within(room: &mut usize, name: &str) -> Option<String> {
    let name: String = name.chars().take(NAME).collect();
    *room = room.checked_sub(json!({ "name": name }).to_string().len())?;
    Some(name)
}

/// How far it is, for people.
fn asked(done: u64, total: u64) -> String {
    format!("{done} of {total} addresses asked for")
}

register_command!(Discover);
