//! WAKEUP: asks an agent to wake a device on its network with a magic packet.
//!
//! A magic packet is six bytes `FF` and sixteen times the MAC address, in a UDP datagram to the broadcast address of
//! each of the agent's networks, or to the one that is named. Nobody acknowledges it, so it is sent three times: a reply `OK` says on which networks
//! it went out, and on which it could not, not that the device woke.

use netignite::prelude::*;

/// How often the packet is sent.
const PACKETS: usize = 3;
/// The pause between two packets.
const PAUSE: Duration = Duration::from_millis(100);
/// How many networks the reply names.
const SHOWN: usize = 20;

/// Which device to wake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    /// The MAC address of the device's network card.
    pub mac_address: MacAddress,
    /// The UDP port the packet is sent to; 9 and 7 are the usual ones.
    pub port: NonZeroU16,
    /// Where the packet goes instead of to every network of the agent. Older firmware does not look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast_address: Option<Ipv4Addr>,
    /// The password that the card asks for, appended to the packet. Older firmware does not look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_on: Option<SecureOn>,
}

/// See the module.
pub struct Wakeup;

impl Command for Wakeup {
    const NAME: &'static str = "WAKEUP";
    const SUMMARY: &'static str = "Wake a device with a magic packet";
    const IDEMPOTENT: bool = true;
    const URGENT: bool = true;

    type Payload = Payload;
    type Reply = Outcome;

    fn check(payload: &Payload) -> Result<(), FieldError> {
        match payload.broadcast_address {
            Some(to) if to.is_unspecified() || to.is_multicast() => Err(FieldError::new(
                "broadcastAddress",
                "expected the broadcast address of a network, such as 192.168.1.255",
            )),
            _ => Ok(()),
        }
    }

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Outcome, CommandError> {
        let packet = magic_packet(payload.mac_address, payload.secure_on);
        let mut networks: Vec<SentTo> = Vec::new();
        let mut failed = None;
        for round in 0..PACKETS {
            if round > 0 {
                sleep(PAUSE).await;
            }
            match agent.network().broadcast(&packet, payload.port.get(), payload.broadcast_address).await {
                Ok(sent) => merge(&mut networks, sent),
                Err(e) => failed = Some(e),
            }
        }
        match failed {
            Some(e) if networks.is_empty() => {
                Err(CommandError::new("network_error", format!("The magic packet could not be sent: {e}")))
            }
            _ => Ok(Outcome::ok(said(payload.mac_address, networks))),
        }
    }
}

/// Adds a round's outcomes to those before: one packet that left is enough for a network.
fn merge(networks: &mut Vec<SentTo>, round: Vec<SentTo>) {
    for sent in round {
        let same = |known: &&mut SentTo| known.interface == sent.interface && known.address == sent.address;
        match networks.iter_mut().find(same) {
            Some(known) if sent.failure.is_none() => known.failure = None,
            Some(_) => {}
            None => networks.push(sent),
        }
    }
}

/// What became of the packets, for people.
fn said(mac: MacAddress, mut networks: Vec<SentTo>) -> String {
    if networks.iter().all(|sent| sent.interface.is_none() && sent.failure.is_none()) {
        return format!("Magic packet sent to {mac}");
    }
    networks.sort_by_key(|sent| sent.failure.is_some());
    let left_out = networks.len().saturating_sub(SHOWN);
    let mut words: Vec<_> = networks.iter().take(SHOWN).map(SentTo::to_string).collect();
    if left_out > 0 {
        words.push(format!("and {left_out} more"));
    }
    format!("Sent on {}", words.join(", "))
}

/// The 102 bytes that wake the card with this address, and its password if it asks for one.
fn magic_packet(mac: MacAddress, password: Option<SecureOn>) -> Vec<u8> {
    let mut packet = vec![0xFF; 6];
    packet.extend(mac.0.repeat(16));
    packet.extend(password.into_iter().flat_map(SecureOn::bytes));
    packet
}

register_command!(Wakeup);
