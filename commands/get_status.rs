//! GET_STATUS: asks an agent whether a host on its network is up.
//!
//! The firmware understands IPv4 and MAC addresses; our own agent also IPv6 addresses and host names. `unknown` means
//! that the agent has no means of telling, which is not the same as `offline`. An address can belong to another machine
//! by now: an agent that knows the device's MAC address and sees another one answer says `offline`, and why.

use netignite::prelude::*;

/// Which host to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// Its address: IPv4, MAC, IPv6 or a host name. Older firmware understands only the first two.
    pub address: ProbeTarget,
    /// The MAC address of the device's network card: whoever answers with another one is another machine. Sent beside
    /// an address of another kind, where it is known; older firmware does not look at it.
    #[serde(rename = "macAddress", default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddress>,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Always `OK`; a failure travels as `ERROR`.
    pub status: OkStatus,
    /// What was seen, for people.
    #[serde(default)]
    pub message: String,
    /// What was seen.
    pub online: Online,
}

/// See the module.
pub struct GetStatus;

impl Command for GetStatus {
    const NAME: &'static str = "GET_STATUS";
    const SUMMARY: &'static str = "Look whether a host is up";
    /// The firmware's ping may take 5 s; its answer still counts.
    const TIMEOUT: Duration = Duration::from_secs(7);
    const IDEMPOTENT: bool = true;
    const CLASS: Class = Class::Question;

    type Payload = Payload;
    type Reply = Status;

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Status, CommandError> {
        let look = Look { mac: payload.mac_address, ..Look::at(payload.address) };
        let target = &look.target;
        let seen = agent.network().probe(&look).await;
        let seen = seen.map_err(|e| {
            CommandError::new("network_error", format!("{target} could not be looked for: {e}"))
        })?;
        Ok(Status { status: OkStatus::Ok, message: seen.message(target), online: seen.found.into() })
    }
}

register_command!(GetStatus);
