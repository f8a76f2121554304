//! PROBE: looks whether a host on an agent's network is up, and says by what it was seen.
//!
//! The richer form of GET_STATUS: which way the host answered (ping, TCP, or ARP alone), where, how fast, and whose MAC
//! address answers there. Known by its MAC address alone, a host is looked for where the agent's neighbour table has it.
//! Known by both, it is `offline` when another machine answers at its address, and `macAddress` in the reply is then
//! that machine's.
//!
//! Where the caller names one of the server's devices, the server fills in by what it is looked for.

use netignite::prelude::*;

/// How many ports may be knocked at.
const PORTS: usize = 5;

/// Which host to look for. One of `address`, `macAddress` and `deviceID` must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    /// The MAC address of the host's network card: whoever answers with another one is another machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddress>,
    /// Its address: IPv4, IPv6, MAC or a host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<ProbeTarget>,
    /// The TCP ports to knock at where pings bring nothing, at most 5; a few common ones unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub ports: Vec<NonZeroU16>,
    /// A device of the agent's owner: the server fills in what is stored of it, where nothing else is given. The agent is not
    /// given the ID.
    #[serde(default, rename = "deviceID", skip_serializing_if = "Option::is_none")]
    pub device_id: Option<i64>,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probed {
    /// Always `OK`; a failure travels as `ERROR`.
    pub status: OkStatus,
    /// What was seen, for people.
    #[serde(default)]
    pub message: String,
    /// What was seen.
    pub online: Online,
    /// By what somebody was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<ProbeMethod>,
    /// Where somebody was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Whose MAC address answers there, as far as the agent can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddress>,
    /// The TCP port that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How long the answer took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
}

/// See the module.
pub struct Probe;

impl Command for Probe {
    const NAME: &'static str = "PROBE";
    const SUMMARY: &'static str = "Look whether a host is up, and by what it is seen";
    /// As GET_STATUS.
    const TIMEOUT: Duration = Duration::from_secs(7);
    const IDEMPOTENT: bool = true;
    const CLASS: Class = Class::Question;
    const CANCELABLE: bool = true;

    type Payload = Payload;
    type Reply = Probed;

    fn check(payload: &Payload) -> Result<(), FieldError> {
        if payload.address.is_none() && payload.mac_address.is_none() && payload.device_id.is_none() {
            return Err(FieldError::new("address", "an address, a macAddress or a deviceID must be given"));
        }
        if payload.ports.len() > PORTS {
            return Err(FieldError::new("ports", format!("expected at most {PORTS} ports")));
        }
        Ok(())
    }

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Probed, CommandError> {
        let target = payload.address.or(payload.mac_address.map(ProbeTarget::Mac));
        let target = target.ok_or_else(|| {
            CommandError::new("invalid_payload", "Neither an address nor a MAC address was given")
        })?;
        let ports = payload.ports.into_iter().map(NonZeroU16::get).collect();
        let look = Look { target, mac: payload.mac_address, ports };
        let seen = agent.network().probe(&look).await;
        let seen = seen.map_err(|e| {
            CommandError::new("network_error", format!("{} could not be looked for: {e}", look.target))
        })?;
        Ok(Probed {
            status: OkStatus::Ok,
            message: said(&look.target, &seen),
            online: seen.found.into(),
            method: seen.method,
            address: seen.address,
            mac_address: seen.mac,
            port: seen.port,
            latency_ms: seen.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        })
    }
}

impl ServerSide for Probe {
    async fn before(server: &ServerContext, mut payload: Payload) -> Result<Payload, CommandError> {
        let Some(id) = payload.device_id.take() else { return Ok(payload) };
        server.require(Permission::DevicesRead)?;
        let device = server.device(id).await?;
        payload.mac_address = payload.mac_address.or(device.mac_address);
        payload.address = payload.address.or(device.address);
        if payload.ports.is_empty() {
            payload.ports = device.ports;
        }
        if payload.mac_address.is_none() && payload.address.is_none() {
            let message = format!("Nothing is stored of {} by which it could be looked for", device.name);
            return Err(CommandError::new("device_not_known", message));
        }
        Ok(payload)
    }
}

/// What was seen, for people, and by what.
fn said(target: &ProbeTarget, seen: &Sighting) -> String {
    let by = match (seen.found, seen.method, seen.port) {
        (Reachability::Up, Some(ProbeMethod::Icmp), _) => " a ping".to_owned(),
        (Reachability::Up, Some(ProbeMethod::Tcp), Some(port)) => format!(" at TCP port {port}"),
        (Reachability::Up, Some(ProbeMethod::Neighbour), _) => " ARP".to_owned(),
        _ => String::new(),
    };
    seen.message(target) + &by
}

register_command!(Probe, server_side);
