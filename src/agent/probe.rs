//! Looking whether a host is up: ping, then a knock at a few common ports, then the neighbour table.
//!
//! A refused connection is an answer too. What is known by its MAC address alone is looked for at the IP addresses
//! the neighbour table knows for it and, as the firmware does, at the IPv6 address a card derives from it. The whole
//! takes less than [`TOTAL`].

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::neighbours::{Neighbours, Table};
use super::network::{interfaces, link_scopes};
use super::ping::{Heard, Ping};
use crate::registry::{MacAddress, ProbeTarget, Reachability};

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

/// Looks whether hosts are up.
pub(super) struct Prober {
    senses: Arc<Senses>,
}

struct Senses {
    ping: Ping,
    neighbours: Neighbours,
}

impl Prober {
    /// Opens what it needs. Needs a runtime.
    pub(super) fn new() -> Self {
        Self { senses: Arc::new(Senses { ping: Ping::new(), neighbours: Neighbours::default() }) }
    }

    /// Looks whether `target` is up.
    ///
    /// # Errors
    /// A name cannot be resolved, or the machine's interfaces cannot be read.
    pub(super) async fn probe(&self, target: &ProbeTarget) -> io::Result<Reachability> {
        // Whoever did not answer in time did not answer.
        timeout(TOTAL, self.look(target)).await.unwrap_or(Ok(Reachability::Down))
    }

    async fn look(&self, target: &ProbeTarget) -> io::Result<Reachability> {
        let addresses = match target {
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
        };
        let mut looks = JoinSet::new();
        for address in addresses.into_iter().take(ADDRESSES) {
            let senses = self.senses.clone();
            looks.spawn(async move { senses.ask(address).await });
        }
        let mut found = None;
        while let Some(look) = looks.join_next().await {
            match look.map_err(io::Error::other)? {
                Some(Reachability::Up) => return Ok(Reachability::Up),
                // One doubtful address is enough for doubt.
                Some(Reachability::Unknown) => found = Some(Reachability::Unknown),
                Some(Reachability::Down) => found = found.or(Some(Reachability::Down)),
                None => {}
            }
        }
        Ok(found.unwrap_or(Reachability::Unknown))
    }
}

impl Senses {
    /// Whether anyone is at `host`; none if there is no means of telling.
    async fn ask(&self, host: SocketAddr) -> Option<Reachability> {
        let v4 = match host.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        let before = if v4.is_some() { Table::read().await } else { Table::default() };
        let heard = match self.ping.ask(host).await {
            // Many hosts drop pings and still take connections.
            Heard::Nothing | Heard::NotAllowed => knock(host).await,
            heard => heard,
        };
        match (heard, v4) {
            (Heard::Answer, _) => {
                v4.inspect(|address| self.neighbours.answered(*address));
                Some(Reachability::Up)
            }
            // Nothing in a network without a way to it can answer. IPv6, though, is often just not set up here.
            (Heard::NoRoute, None) => None,
            (Heard::NoRoute, Some(_)) => Some(Reachability::Down),
            (_, None) => Some(Reachability::Down),
            (_, Some(address)) => {
                Some(self.neighbours.judge(address, &before, &Table::read().await, Instant::now()))
            }
        }
    }
}

/// Knocks at the common ports, all at once.
async fn knock(host: SocketAddr) -> Heard {
    let mut knocks = JoinSet::new();
    for port in PORTS {
        let mut address = host;
        address.set_port(port);
        knocks.spawn(timeout(KNOCK, TcpStream::connect(address)));
    }
    let mut no_route = false;
    while let Some(Ok(knock)) = knocks.join_next().await {
        match knock {
            Ok(Ok(_)) => return Heard::Answer,
            Ok(Err(e)) => match Heard::from_error(&e) {
                Heard::Answer => return Heard::Answer,
                Heard::NoRoute => no_route = true,
                _ => {}
            },
            Err(_) => {}
        }
    }
    if no_route { Heard::NoRoute } else { Heard::Nothing }
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
            assert_eq!(prober.probe(&target.parse().unwrap()).await.unwrap(), Reachability::Up, "{target}");
        }
    }

    #[tokio::test]
    async fn an_open_or_closed_port_is_an_answer() {
        // Whatever listens here: each of the ports is either open or refused.
        assert_eq!(knock("127.0.0.1:0".parse().unwrap()).await, Heard::Answer);
    }

    #[tokio::test]
    async fn without_icmp_connections_tell() {
        let senses = Senses { ping: Ping::without(), neighbours: Neighbours::default() };
        assert_eq!(senses.ask("127.0.0.1:0".parse().unwrap()).await, Some(Reachability::Up));
    }

    #[tokio::test]
    async fn a_name_nobody_has_is_an_error() {
        let failed = Prober::new().probe(&"no-such-host.invalid".parse().unwrap()).await.unwrap_err();
        assert!(failed.to_string().contains("cannot be resolved"), "{failed}");
    }
}
