//! WAKEUP: asks an agent to wake a device on its network with a magic packet.
//!
//! A magic packet is six bytes `FF` and sixteen times the MAC address, in a UDP datagram to the broadcast address of
//! each of the agent's networks. Nobody acknowledges it, so it is sent three times: a reply `OK` says on which networks
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
}

/// See the module.
pub struct Wakeup;

impl Command for Wakeup {
    const NAME: &'static str = "WAKEUP";
    const SUMMARY: &'static str = "Wake a device with a magic packet";
    const IDEMPOTENT: bool = true;

    type Payload = Payload;
    type Reply = Outcome;

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Outcome, CommandError> {
        let packet = magic_packet(payload.mac_address);
        let mut networks: Vec<SentTo> = Vec::new();
        let mut failed = None;
        for round in 0..PACKETS {
            if round > 0 {
                sleep(PAUSE).await;
            }
            match agent.network().broadcast(&packet, payload.port.get()).await {
                Ok(sent) => merge(&mut networks, sent),
                Err(e) => failed = Some(e),
            }
        }
        match failed {
            Some(e) if networks.is_empty() => {
                Err(CommandError::new(format!("The magic packet could not be sent: {e}")))
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

/// The 102 bytes that wake the card with this address.
fn magic_packet(mac: MacAddress) -> [u8; 102] {
    let mut packet = [0xFF; 102];
    for copy in packet[6..].chunks_exact_mut(6) {
        copy.copy_from_slice(&mac.0);
    }
    packet
}

register_command!(Wakeup);
