//! Who is on this machine's networks: a bounded sweep that has the kernel ask for every address, and its neighbour table.
//!
//! One sweep at a time, so many addresses a second, and at most [`TIME`]: a server must not turn an agent into a scanner.
//! What an agent asks with is an empty datagram to the discard port; the answer that counts is ARP's.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use if_addrs::{IfAddr, Interface};
use tokio::net::UdpSocket;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

use super::neighbours::Table;
use super::network::interfaces;
use super::pace::Pace;
use crate::registry::{MacAddress, Neighbour, Neighbourhood, Swept};

/// The largest part of a network that is looked through: 1,022 hosts.
const PREFIX: u32 = 22;
/// How many networks are looked through.
const NETWORKS: usize = 8;
/// How many addresses are asked for at once, and a second from then on. An address that nobody has stays in the kernel's
/// table for three seconds, and that holds about a thousand.
const RATE: (u32, u32) = (100, 250);
/// How long a sweep may take, with the wait for the last answers.
const TIME: Duration = Duration::from_secs(14);
/// How long the last answers are waited for.
const LAST: Duration = Duration::from_millis(1500);
/// How many are asked for before it is looked whether the table had room for them: a full one drops a datagram in
/// silence, and forgets who answered some seconds ago.
const CHUNK: usize = 64;
/// How long it is waited where the table has no room, and how often.
const FULL: Duration = Duration::from_millis(500);
const AGAIN: u32 = 8;
/// The discard service, which nearly nobody runs.
const PORT: u16 = 9;

/// Looks through networks, one sweep at a time.
pub(super) struct Sweeper {
    turn: Mutex<()>,
    pace: Pace,
}

impl Sweeper {
    pub(super) const fn new() -> Self {
        Self { turn: Mutex::const_new(()), pace: Pace::new(RATE.0, RATE.1) }
    }

    /// Looks through this machine's networks, and says to `swept` how far that is. Dropped, it ends.
    ///
    /// # Errors
    /// The interfaces cannot be read, or no socket can be opened.
    pub(super) async fn sweep(&self, swept: Swept<'_>) -> io::Result<Neighbourhood> {
        let _turn = self.turn.lock().await;
        let networks = networks(&interfaces().await?);
        let end = Instant::now() + TIME;
        let hosts = || networks.iter().flat_map(Part::hosts);
        let total = hosts().count() as u64;
        let mut found = BTreeMap::new();
        let asking = async {
            let (mut done, mut all) = (0, true);
            for chunk in hosts().collect::<Vec<_>>().chunks(CHUNK) {
                let each = || {
                    done += 1;
                    swept(done, total);
                };
                let mut left = self.ask(chunk, &mut found, each).await?;
                for _ in 0..AGAIN {
                    if left.is_empty() {
                        break;
                    }
                    sleep(FULL).await;
                    left = self.ask(&left, &mut found, || {}).await?;
                }
                all &= left.is_empty();
            }
            io::Result::Ok(all)
        };
        let all = timeout_at(end - LAST, asking).await.unwrap_or(Ok(false))?;
        let whole = all && networks.iter().all(|part| part.whole);
        sleep(LAST).await;
        found.extend(Table::read().await.entries());
        let hosts = found.into_iter().map(|(address, mac)| Neighbour { address, mac, name: None }).collect();
        Ok(Neighbourhood { hosts, whole })
    }

    /// Asks for addresses, says so of each, and takes up who is known by then. Answers those that the table had no room for.
    async fn ask(
        &self,
        addresses: &[Ipv4Addr],
        found: &mut BTreeMap<Ipv4Addr, MacAddress>,
        mut asked: impl FnMut(),
    ) -> io::Result<Vec<Ipv4Addr>> {
        // What nobody has answered for counts against a socket for three seconds: one for all would have to wait.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        let mut sent = Vec::with_capacity(addresses.len());
        for address in addresses {
            self.pace.turn().await;
            // One that it cannot be sent to is no host's.
            if socket.send_to(&[], (*address, PORT)).await.is_ok() {
                sent.push(*address);
            }
            asked();
        }
        let table = Table::read().await;
        found.extend(table.entries());
        let there: HashSet<_> = table.addresses().collect();
        // Where there is no table, nothing is known of it.
        sent.retain(|address| !there.is_empty() && !there.contains(address));
        Ok(sent)
    }
}

/// What is looked through of a network.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// The machine's own address there.
    own: u32,
    /// The first and the last address that can be a host's.
    hosts: (u32, u32),
    whole: bool,
}

impl Part {
    fn hosts(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let (first, last) = self.hosts;
        (first..=last).filter(|address| *address != self.own).map(Ipv4Addr::from_bits)
    }
}

/// The networks of the interfaces that have neighbours, each once; of a large one the part around the machine.
fn networks(interfaces: &[Interface]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for interface in interfaces.iter().filter(|interface| !interface.is_loopback() && !interface.is_p2p()) {
        let IfAddr::V4(v4) = &interface.addr else { continue };
        let prefix = v4.netmask.to_bits().leading_ones();
        if !(1..=30).contains(&prefix) || !interface.is_oper_up() {
            continue;
        }
        let mask = u32::MAX << (32 - prefix.max(PREFIX));
        let own = v4.ip.to_bits();
        let (first, last) = (own & mask, own | !mask);
        // The network's own and its broadcast address are nobody's; inside a larger one they may be somebody's.
        let hosts = if prefix >= PREFIX { (first + 1, last - 1) } else { (first, last) };
        if parts.iter().all(|part| part.hosts != hosts) && parts.len() < NETWORKS {
            parts.push(Part { own, hosts, whole: prefix >= PREFIX });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use if_addrs::{IfOperStatus, Ifv4Addr};

    use super::*;

    fn interface(ip: [u8; 4], prefixlen: u8) -> Interface {
        let netmask = Ipv4Addr::from(u32::MAX << (32 - prefixlen));
        let addr = IfAddr::V4(Ifv4Addr { ip: ip.into(), netmask, prefixlen, broadcast: None });
        Interface { name: "if".into(), addr, index: Some(1), oper_status: IfOperStatus::Up, is_p2p: false }
    }

    #[test]
    fn each_network_is_looked_through_once_and_never_more_than_a_22() {
        let found = networks(&[
            interface([127, 0, 0, 1], 8),
            interface([192, 168, 1, 5], 24),
            interface([192, 168, 1, 6], 24),
            interface([10, 1, 6, 7], 16),
            interface([10, 9, 0, 1], 32),
        ]);
        let counts: Vec<_> = found.iter().map(|part| (part.hosts().count(), part.whole)).collect();
        assert_eq!(counts, [(253, true), (1023, false)]);
        let all: Vec<_> = found[1].hosts().collect();
        assert_eq!((all[0], all[1022]), ([10, 1, 4, 0].into(), [10, 1, 7, 255].into()));
        assert!(!found[0].hosts().any(|host| host == Ipv4Addr::new(192, 168, 1, 5)));
        let many: Vec<_> = (0..20).map(|n| interface([172, 16, n, 1], 24)).collect();
        assert_eq!(networks(&many).len(), NETWORKS);
    }
}
