//! The kernel's neighbour table: who on the local networks answered ARP.
//!
//! A host that ignores pings and connections still answers ARP, as firewalled desktops do. The kernel keeps an entry
//! for a while after the host has gone, so only two things prove that a host is up: an entry that became complete
//! while we knocked, and one that outlived the kernel's own checks, which our earlier knocking set off.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::registry::{MacAddress, Reachability};

/// Where Linux shows the table.
const TABLE: &str = "/proc/net/arp";
/// Where Linux shows its routes.
const ROUTES: &str = "/proc/net/route";
/// The flag of a route that leads through a gateway.
const GATEWAY: u32 = 0x2;
/// A card that answers for this many addresses may be a relay that speaks for machines behind it.
const RELAY: usize = 3;
/// The flag of an entry whose MAC address is known.
const COMPLETE: u32 = 0x2;
/// After this long without a sign of life the kernel has removed, or confirmed, an entry somebody knocks at: at most
/// 45 s until it doubts it, and 8 s until it gives it up.
const CONFIRMED: Duration = Duration::from_secs(60);
/// How many silent hosts are remembered.
const REMEMBERED: usize = 1024;

/// The neighbour table as it was at one moment: who answered, and who was asked for and did not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    known: Vec<(Ipv4Addr, MacAddress)>,
    silent: Vec<Ipv4Addr>,
}

impl Table {
    /// Reads the table. Without one, as in some containers, it is empty.
    pub(super) async fn read() -> Self {
        match tokio::fs::read_to_string(TABLE).await {
            Ok(text) => Self::parse(&text),
            Err(e) => {
                if e.kind() != io::ErrorKind::NotFound {
                    tracing::debug!("{TABLE}: {e}");
                }
                Self::default()
            }
        }
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let address: Ipv4Addr = words.next()?.parse().ok()?;
            let flags = u32::from_str_radix(words.nth(1)?.strip_prefix("0x")?, 16).ok()?;
            // Where nobody answered there are only zeros, which are no MAC address.
            let mac: Option<MacAddress> = words.next()?.parse().ok();
            Some((address, mac.filter(|_| flags & COMPLETE != 0)))
        };
        let mut table = Self::default();
        for (address, mac) in text.lines().skip(1).filter_map(line) {
            match mac {
                Some(mac) => table.known.push((address, mac)),
                None => table.silent.push(address),
            }
        }
        table
    }

    /// Whether `address` has a known MAC address.
    fn has(&self, address: Ipv4Addr) -> bool {
        self.mac_at(address).is_some()
    }

    /// The MAC address that answers for `address`.
    pub(super) fn mac_at(&self, address: Ipv4Addr) -> Option<MacAddress> {
        self.known.iter().find(|(a, _)| *a == address).map(|(_, mac)| *mac)
    }

    /// Whose card answers at `address` instead of `mac`'s, if that is sure. A router or a repeater answers with its own
    /// card for what lies behind it: who speaks for many addresses, or is one of `gateways`, proves nothing.
    pub(super) fn another_at(
        &self,
        address: Ipv4Addr,
        mac: MacAddress,
        gateways: &[Ipv4Addr],
    ) -> Option<MacAddress> {
        let (_, seen) = self.known.iter().find(|(a, _)| *a == address)?;
        if self.known.contains(&(address, mac)) {
            return None;
        }
        let mut others = self.addresses_of(*seen).filter(|other| *other != address);
        let relays = others.clone().count() + 1 >= RELAY || others.any(|other| gateways.contains(&other));
        (!relays).then_some(*seen)
    }

    /// Every address with a known MAC address.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Ipv4Addr, MacAddress)> + '_ {
        self.known.iter().copied()
    }

    /// Every address that has an entry, whether anybody answered or not.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.known.iter().map(|(address, _)| *address).chain(self.silent.iter().copied())
    }

    /// The addresses of `mac`.
    pub(super) fn addresses_of(&self, mac: MacAddress) -> impl Iterator<Item = Ipv4Addr> + Clone + '_ {
        self.known.iter().filter(move |(_, m)| *m == mac).map(|(address, _)| *address)
    }
}

/// The gateways of this machine's routes.
pub(super) async fn gateways() -> Vec<Ipv4Addr> {
    gateways_in(&tokio::fs::read_to_string(ROUTES).await.unwrap_or_default())
}

fn gateways_in(text: &str) -> Vec<Ipv4Addr> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(2);
        let gateway = u32::from_str_radix(words.next()?, 16).ok()?;
        let flags = u32::from_str_radix(words.next()?, 16).ok()?;
        // Shown as this machine keeps the network's bytes in a number.
        (flags & GATEWAY != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// Judges hosts that answered nothing but, perhaps, ARP.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// Since when a host has been silent while its entry stayed complete.
    silent: Mutex<HashMap<Ipv4Addr, Instant>>,
}

impl Neighbours {
    /// Whether a host that answered neither pings nor connections is up, by the table before and after knocking.
    pub(super) fn judge(
        &self,
        address: Ipv4Addr,
        before: &Table,
        after: &Table,
        now: Instant,
    ) -> Reachability {
        let mut silent = self.silent.lock();
        if !after.has(address) {
            silent.remove(&address);
            return Reachability::Down;
        }
        if !before.has(address) {
            // Answered just now. From here on its entry proves nothing for a while.
            silent.insert(address, now);
            return Reachability::Up;
        }
        if silent.len() >= REMEMBERED {
            silent.clear();
        }
        let since = *silent.entry(address).or_insert(now);
        if now.saturating_duration_since(since) >= CONFIRMED {
            Reachability::Up
        } else {
            Reachability::Unknown
        }
    }

    /// Notes that a host answered by itself.
    pub(super) fn answered(&self, address: Ipv4Addr) {
        self.silent.lock().remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         02:fc:00:00:00:05     *        eth0
192.168.1.7      0x1         0x0         00:00:00:00:00:00     *        eth0
192.168.1.8      0x1         0x6         aa:bb:cc:dd:ee:ff     *        eth0
nonsense
10.0.0.9         0x1         0x2         aa:bb:cc:dd:ee:ff     *        wlan0
";
    const MAC: MacAddress = MacAddress([0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF]);
    const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 8);

    #[test]
    fn only_complete_entries_count() {
        let table = Table::parse(TEXT);
        assert_eq!((table.known.len(), table.addresses().count()), (3, 4));
        assert!(!table.has(Ipv4Addr::new(192, 168, 1, 7)));
        let found: Vec<_> = table.addresses_of(MAC).collect();
        assert_eq!(found, [HOST, Ipv4Addr::new(10, 0, 0, 9)]);
    }

    #[test]
    fn another_card_at_an_address_is_noticed_unless_it_may_be_a_relay() {
        let ours = MacAddress([2, 0, 0, 0, 0, 1]);
        let [ip, gateway, third] = [9, 1, 10].map(|n| Ipv4Addr::new(10, 0, 0, n));
        let table =
            |entries: &[(Ipv4Addr, MacAddress)]| Table { known: entries.to_vec(), silent: Vec::new() };
        assert_eq!(table(&[(ip, MAC)]).another_at(ip, ours, &[]), Some(MAC));
        assert_eq!(table(&[(ip, ours)]).another_at(ip, ours, &[]), None);
        assert_eq!(table(&[]).another_at(ip, ours, &[]), None, "nothing is known");
        assert_eq!(
            table(&[(ip, MAC), (ip, ours)]).another_at(ip, ours, &[]),
            None,
            "one of them, on two links"
        );
        let two = table(&[(ip, MAC), (gateway, MAC)]);
        assert_eq!(two.another_at(ip, ours, &[]), Some(MAC));
        assert_eq!(two.another_at(ip, ours, &[gateway]), None, "a router answers for others");
        assert_eq!(two.another_at(gateway, ours, &[gateway]), Some(MAC), "the router has its own address");
        assert_eq!(table(&[(ip, MAC), (gateway, MAC), (third, MAC)]).another_at(ip, ours, &[]), None);
    }

    #[test]
    fn gateways_are_read_from_the_routes() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\n\
                    eth0\t00000000\t0101A8C0\t0003\t0\neth0\t0001A8C0\t00000000\t0001\t0\nnonsense\n";
        let expected = Ipv4Addr::from(0x0101_A8C0_u32.to_ne_bytes());
        assert_eq!(gateways_in(text), [expected]);
    }

    #[test]
    fn an_entry_made_by_our_knocking_proves_a_host() {
        let judged =
            Neighbours::default().judge(HOST, &Table::default(), &Table::parse(TEXT), Instant::now());
        assert_eq!(judged, Reachability::Up);
    }

    #[test]
    fn no_entry_proves_its_absence() {
        let judged =
            Neighbours::default().judge(HOST, &Table::parse(TEXT), &Table::default(), Instant::now());
        assert_eq!(judged, Reachability::Down);
    }

    #[test]
    fn an_old_entry_proves_a_host_only_after_the_kernel_had_time_to_drop_it() {
        let neighbours = Neighbours::default();
        let (table, start) = (Table::parse(TEXT), Instant::now());
        let judge = |after: u64| neighbours.judge(HOST, &table, &table, start + Duration::from_secs(after));
        assert_eq!(judge(0), Reachability::Unknown);
        assert_eq!(judge(59), Reachability::Unknown);
        assert_eq!(judge(60), Reachability::Up);
        neighbours.answered(HOST);
        assert_eq!(judge(61), Reachability::Unknown, "an answer ends the silence");
    }
}
