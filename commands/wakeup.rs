//! WAKEUP: asks an agent to wake a device on its network with a magic packet.
//!
//! A magic packet is six bytes `FF` and sixteen times the MAC address, in a UDP datagram to the broadcast address.
//! Nobody acknowledges it, so it is sent three times: a reply `OK` says that it went out, not that the device woke.

use netignite::prelude::*;

/// How often the packet is sent.
const PACKETS: usize = 3;
/// The pause between two packets.
const PAUSE: Duration = Duration::from_millis(100);

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
        for round in 0..PACKETS {
            if round > 0 {
                sleep(PAUSE).await;
            }
            let sent = agent.network().broadcast(&packet, payload.port.get()).await;
            sent.map_err(|e| CommandError::new(format!("The magic packet could not be sent: {e}")))?;
        }
        Ok(Outcome::ok(format!("Magic packet sent to {}", payload.mac_address)))
    }
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
