//! GET_STATUS: asks an agent whether a host on its network is up.
//!
//! The firmware understands IPv4 and MAC addresses; our own agent also IPv6 addresses and host names. `unknown` means
//! that the agent has no means of telling, which is not the same as `offline`.

use netignite::prelude::*;

/// Which host to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// Its address: IPv4, MAC, IPv6 or a host name. Older firmware understands only the first two.
    pub address: ProbeTarget,
}

/// What the agent saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
// The wire's words.
#[allow(clippy::enum_variant_names)]
pub enum Online {
    /// The host answered.
    Online,
    /// The host did not answer.
    Offline,
    /// The agent has no means of telling.
    Unknown,
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
        let target = payload.address;
        let found = agent.network().probe(&target).await;
        let found = found.map_err(|e| CommandError::new(format!("{target} could not be looked for: {e}")))?;
        let (online, said) = match found {
            Reachability::Up => (Online::Online, "answers"),
            Reachability::Down => (Online::Offline, "does not answer"),
            Reachability::Unknown => (Online::Unknown, "cannot be looked for from here"),
        };
        Ok(Status { status: OkStatus::Ok, message: format!("{target} {said}"), online })
    }
}

register_command!(GetStatus);
