//! Looking whether a host is up: ping, then a knock at a few common ports, then the neighbour table.
//!
//! A refused connection is an answer too. What is known by its MAC address alone is looked for at the IP addresses
//! the neighbour table knows for it and, as the firmware does, at the IPv6 address a card derives from it. Who answers
//! at an address is compared with the MAC address that is looked for: an address can belong to another machine by now.
//! The whole takes less than [`TOTAL`].

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::neighbours::{Neighbours, Table, gateways};
use super::network::{interfaces, link_scopes};
use super::pace::Pace;
use super::ping::{Heard, Ping};
use crate::registry::{Look, MacAddress, ProbeMethod, ProbeTarget, Reachability, Sighting};

/// Bounds one look; the server waits 7 s.
const TOTAL: Duration = Duration::from_millis(4500);
/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_millis(1500);
/// How long a port may take to answer.
const KNOCK: Duration = Duration::from_millis(1200);
/// Ports that computers, storage and printers answer at: ssh, http, https, file sharing, remote desktop, printing.
const PORTS: [u16; 6] = [22, 80, 443, 445, 3389, 9100];
/// How many addresses of one host are asked.
const ADDRESSES: usize = 8;

/// Looks that may come at once, and how many a second from then on: whoever asks for more waits. A server must not
/// scan networks through its agents as fast as they can.
const LOOKS: (u32, u32) = (1000, 50);

/// Looks whether hosts are up.
pub(super) struct Prober {
    senses: Arc<Senses>,
    pace: Pace,
}

struct Senses {
    ping: Ping,
    neighbours: Neighbours,
}

impl Prober {
    /// Opens what it needs. Needs a runtime.
    pub(super) fn new() -> Self {
        let senses = Senses { ping: Ping::new(), neighbours: Neighbours::default() };
        Self { senses: Arc::new(senses), pace: Pace::new(LOOKS.0, LOOKS.1) }
    }

    /// Looks whether a host is up.
    ///
    /// # Errors
    /// A name cannot be resolved, or the machine's interfaces cannot be read.
    pub(super) async fn probe(&self, look: &Look) -> io::Result<Sighting> {
        self.pace.turn().await;
        // Whoever did not answer in time did not answer.
        timeout(TOTAL, self.look(look)).await.unwrap_or(Ok(Reachability::Down.into()))
    }

    async fn look(&self, look: &Look) -> io::Result<Sighting> {
        let mac = match look.target {
            ProbeTarget::Mac(mac) => Some(mac),
            _ => look.mac,
        };
        let seen = self.look_at(addresses(&look.target).await?, mac, &look.ports).await?;
        if seen.found == Reachability::Another
            && let Some(mac) = mac
            && !matches!(look.target, ProbeTarget::Mac(_))
        {
            // Its address went to somebody else; it may have got another one.
            let by_card = addresses(&ProbeTarget::Mac(mac)).await?;
            let by_card = self.look_at(by_card, Some(mac), &look.ports).await?;
            return Ok(if by_card.found == Reachability::Up { by_card } else { seen });
        }
        Ok(seen)
    }

    /// Looks for a host at all of its addresses at once.
    async fn look_at(
        &self,
        addresses: Vec<SocketAddr>,
        mac: Option<MacAddress>,
        ports: &[u16],
    ) -> io::Result<Sighting> {
        let ports: Arc<[u16]> = if ports.is_empty() { PORTS.into() } else { ports.into() };
        let mut looks = JoinSet::new();
        for address in addresses.into_iter().take(ADDRESSES) {
            let (senses, ports) = (self.senses.clone(), ports.clone());
            looks.spawn(async move { senses.ask_for(address, mac, &ports).await });
        }
        let mut found: Option<Sighting> = None;
        while let Some(look) = looks.join_next().await {
            let Some(seen) = look.map_err(io::Error::other)? else { continue };
            if seen.found == Reachability::Up {
                return Ok(seen);
            }
            // One doubtful address is enough for doubt.
            found = Some(found.filter(|known| weight(known.found) > weight(seen.found)).unwrap_or(seen));
        }
        Ok(found.unwrap_or(Reachability::Unknown.into()))
    }
}

/// How much a finding at one address says about a host with several.
fn weight(found: Reachability) -> u8 {
    match found {
        Reachability::Up => 3,
        Reachability::Unknown => 2,
        Reachability::Another => 1,
        Reachability::Down => 0,
    }
}

/// Where a host can be asked.
async fn addresses(target: &ProbeTarget) -> io::Result<Vec<SocketAddr>> {
    Ok(match target {
        ProbeTarget::Ip(IpAddr::V6(address)) if address.is_unicast_link_local() => {
            on_every_link(*address, &link_scopes(&interfaces().await?))
        }
        ProbeTarget::Ip(address) => vec![SocketAddr::new(*address, 0)],
        ProbeTarget::Name(name) => resolve(name).await?,
        ProbeTarget::Mac(mac) => {
            let table = Table::read().await;
            let known = table.addresses_of(*mac).map(|address| SocketAddr::new(address.into(), 0));
            known.chain(on_every_link(eui64(*mac), &link_scopes(&interfaces().await?))).collect()
        }
    })
}

impl Senses {
    /// Whether the host with the card `mac` is at `host`; none if there is no means of telling.
    async fn ask_for(&self, host: SocketAddr, mac: Option<MacAddress>, ports: &[u16]) -> Option<Sighting> {
        let mut seen = self.ask(host, ports).await?;
        if let (Reachability::Up, IpAddr::V4(address)) = (seen.found, host.ip()) {
            let table = Table::read().await;
            seen.mac = table.mac_at(address);
            if let Some(mac) = mac {
                if let Some(other) = table.another_at(address, mac, &gateways().await) {
                    seen = Sighting { found: Reachability::Another, mac: Some(other), ..seen };
                } else if seen.mac.is_some_and(|seen| seen != mac) {
                    // A relay's, which says nothing about the host.
                    seen.mac = None;
                }
            }
        }
        Some(seen)
    }

    /// Whether anyone is at `host`; none if there is no means of telling.
    async fn ask(&self, host: SocketAddr, ports: &[u16]) -> Option<Sighting> {
        let v4 = match host.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        let before = if v4.is_some() { Table::read().await } else { Table::default() };
        let (heard, port) = match self.ping.ask(host).await {
            // Many hosts drop pings and still take connections.
            Heard::Nothing | Heard::NotAllowed => knock(host, ports).await,
            heard => (heard, None),
        };
        let by =
            |method| Sighting { method: Some(method), address: Some(host.ip()), ..Reachability::Up.into() };
        match (heard, v4) {
            (Heard::Answer(latency), _) => {
                v4.inspect(|address| self.neighbours.answered(*address));
                let method = if port.is_some() { ProbeMethod::Tcp } else { ProbeMethod::Icmp };
                Some(Sighting { port, latency: Some(latency), ..by(method) })
            }
            // Nothing in a network without a way to it can answer. IPv6, though, is often just not set up here.
            (Heard::NoRoute, None) => None,
            (Heard::NoRoute, Some(_)) => Some(Reachability::Down.into()),
            (_, None) => Some(Reachability::Down.into()),
            (_, Some(address)) => {
                let found = self.neighbours.judge(address, &before, &Table::read().await, Instant::now());
                Some(match found {
                    Reachability::Up => by(ProbeMethod::Neighbour),
                    found => found.into(),
                })
            }
        }
    }
}

/// Knocks at ports, all at once: what was heard, and at which of them.
async fn knock(host: SocketAddr, ports: &[u16]) -> (Heard, Option<u16>) {
    let mut knocks = JoinSet::new();
    for &port in ports {
        let mut address = host;
        address.set_port(port);
        knocks.spawn(async move {
            let began = Instant::now();
            let knock = timeout(KNOCK, TcpStream::connect(address)).await;
            (port, knock, began.elapsed())
        });
    }
    let mut no_route = false;
    while let Some(Ok((port, knock, after))) = knocks.join_next().await {
        match knock {
            Ok(Ok(_)) => return (Heard::Answer(after), Some(port)),
            Ok(Err(e)) => match Heard::from_error(&e, after) {
                Heard::Answer(after) => return (Heard::Answer(after), Some(port)),
                Heard::NoRoute => no_route = true,
                _ => {}
            },
            Err(_) => {}
        }
    }
    (if no_route { Heard::NoRoute } else { Heard::Nothing }, None)
}

/// The addresses of a name.
async fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    let failed = |why: String| io::Error::other(format!("the name cannot be resolved: {why}"));
    match timeout(RESOLVE, tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(e)) => Err(failed(e.to_string())),
        Err(_) => Err(failed(format!("no answer within {RESOLVE:?}"))),
    }
}

/// A link-local address on each of the links.
fn on_every_link(address: Ipv6Addr, scopes: &[u32]) -> Vec<SocketAddr> {
    scopes.iter().map(|scope| SocketAddrV6::new(address, 0, 0, *scope).into()).collect()
}

/// The link-local address a card derives from its MAC address (EUI-64).
fn eui64(mac: MacAddress) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xFE, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xFF, 0xFE, d, e, f])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_address_derived_from_a_mac_is_the_firmwares() {
        let mac: MacAddress = "AA:BB:CC:DD:EE:FF".parse().unwrap();
        assert_eq!(eui64(mac).to_string(), "fe80::a8bb:ccff:fedd:eeff");
    }

    #[tokio::test]
    async fn this_machine_is_up_by_address_and_by_name() {
        let prober = Prober::new();
        for target in ["127.0.0.1", "localhost"] {
            let seen = prober.probe(&Look::at(target.parse().unwrap())).await.unwrap();
            assert_eq!(seen.found, Reachability::Up, "{target}");
        }
    }

    #[tokio::test]
    async fn an_open_or_closed_port_is_an_answer() {
        // Whatever listens here: each of the ports is either open or refused.
        let (heard, port) = knock("127.0.0.1:0".parse().unwrap(), &PORTS).await;
        assert!(matches!(heard, Heard::Answer(_)) && port.is_some_and(|port| PORTS.contains(&port)));
    }

    #[tokio::test]
    async fn without_icmp_connections_tell() {
        let senses = Senses { ping: Ping::without(), neighbours: Neighbours::default() };
        let seen = senses.ask("127.0.0.1:0".parse().unwrap(), &PORTS).await.unwrap();
        assert_eq!((seen.found, seen.method), (Reachability::Up, Some(ProbeMethod::Tcp)));
    }

    #[tokio::test]
    async fn a_name_nobody_has_is_an_error() {
        let failed =
            Prober::new().probe(&Look::at("no-such-host.invalid".parse().unwrap())).await.unwrap_err();
        assert!(failed.to_string().contains("cannot be resolved"), "{failed}");
    }
}
