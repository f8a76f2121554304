//! The network of the machine the agent runs on: broadcasts, and the interfaces they go out of.
//!
//! Networks are read anew for each broadcast, from the addresses and prefixes of the interfaces: what the kernel notes
//! as an interface's broadcast address is often missing or wrong. Each network gets a datagram out of its own interface,
//! whatever the routes say, since two interfaces may be on networks of the same name.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use if_addrs::{IfAddr, Ifv4Addr, Interface};
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

use super::pace::Pace;
use super::probe::Prober;
use super::sweep::Sweeper;
use crate::registry::{BoxFuture, Look, Neighbourhood, Network, SentTo, Sighting, Swept};

/// Broadcasts that may come at once, and how many a second from then on: whoever asks for more waits. A wake takes
/// three.
const BROADCASTS: (u32, u32) = (300, 60);
/// How many networks a broadcast goes to.
const NETWORKS: usize = 256;

/// The real network.
pub(super) struct LocalNetwork {
    broadcast: Option<Ipv4Addr>,
    prober: Prober,
    sweeper: Sweeper,
    pace: Pace,
}

/// A network, and the interface it is reached by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    interface: String,
    /// The machine's own address there.
    ip: Ipv4Addr,
    broadcast: Ipv4Addr,
    /// Whether its cable is plugged in, so to speak.
    linked: bool,
}

impl LocalNetwork {
    /// The network with magic packets going to `broadcast`, or to every network of this machine. Needs a runtime.
    pub(super) fn new(broadcast: Option<Ipv4Addr>) -> Self {
        Self {
            broadcast,
            prober: Prober::new(),
            sweeper: Sweeper::new(),
            pace: Pace::new(BROADCASTS.0, BROADCASTS.1),
        }
    }

    async fn send(&self, datagram: &[u8], port: u16, to: Option<Ipv4Addr>) -> io::Result<Vec<SentTo>> {
        self.pace.turn().await;
        let outcomes = match to.or(self.broadcast) {
            Some(address) => vec![send_to(datagram, address, port).await],
            None => {
                let mut outcomes = Vec::new();
                for segment in segments(&interfaces().await?) {
                    let failure = match send_from(&segment, datagram, port).await {
                        // What the system takes for it is lost.
                        Ok(()) if !segment.linked => Some("the interface has no link".to_owned()),
                        sent => sent.err().map(|e| why(&e)),
                    };
                    let interface = Some(plain(&segment.interface));
                    outcomes.push(SentTo { interface, address: segment.broadcast, failure });
                }
                if outcomes.is_empty() {
                    // A machine without a network of its own may still have a way to one.
                    outcomes.push(send_routed(datagram, Ipv4Addr::BROADCAST, port).await);
                }
                outcomes
            }
        };
        if outcomes.iter().any(|sent| sent.failure.is_none()) {
            return Ok(outcomes);
        }
        let failed = outcomes.iter().map(|sent| {
            let interface = sent.interface.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
            format!("{interface}{}:{port}: {}", sent.address, sent.failure.as_deref().unwrap_or_default())
        });
        Err(io::Error::other(failed.take(16).collect::<Vec<_>>().join(", ")))
    }
}

impl Network for LocalNetwork {
    fn broadcast<'a>(
        &'a self,
        datagram: &'a [u8],
        port: u16,
        to: Option<Ipv4Addr>,
    ) -> BoxFuture<'a, io::Result<Vec<SentTo>>> {
        Box::pin(self.send(datagram, port, to))
    }

    fn probe<'a>(&'a self, look: &'a Look) -> BoxFuture<'a, io::Result<Sighting>> {
        Box::pin(self.prober.probe(look))
    }

    fn sweep<'a>(&'a self, swept: Swept<'a>) -> BoxFuture<'a, io::Result<Neighbourhood>> {
        Box::pin(self.sweeper.sweep(swept))
    }
}

/// Sends to one address: out of the interface whose network it is the broadcast address of, else by the way the system
/// chooses.
async fn send_to(datagram: &[u8], address: Ipv4Addr, port: u16) -> SentTo {
    let own = segments(&interfaces().await.unwrap_or_default());
    match own.iter().find(|segment| segment.broadcast == address) {
        Some(segment) => {
            let failure = send_from(segment, datagram, port).await.err().map(|e| why(&e));
            SentTo { interface: Some(plain(&segment.interface)), address, failure }
        }
        None => send_routed(datagram, address, port).await,
    }
}

/// Sends by the way the system chooses.
async fn send_routed(datagram: &[u8], address: Ipv4Addr, port: u16) -> SentTo {
    let sent = async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        socket.set_broadcast(true)?;
        socket.send_to(datagram, (address, port)).await
    };
    SentTo { interface: None, address, failure: sent.await.err().map(|e| why(&e)) }
}

/// Sends out of the interface of a network.
async fn send_from(segment: &Segment, datagram: &[u8], port: u16) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_broadcast(true)?;
    // Where the system forbids it, the routes decide.
    let bound = socket.bind_device(Some(segment.interface.as_bytes()));
    if let Err(e) = bound
        && e.kind() != io::ErrorKind::PermissionDenied
    {
        return Err(e);
    }
    socket.bind(&SocketAddr::new(segment.ip.into(), 0).into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    socket.send_to(datagram, (segment.broadcast, port)).await?;
    Ok(())
}

/// What went wrong, without the number that programmers look it up by.
fn why(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The machine's network interfaces, one entry an address.
pub(super) async fn interfaces() -> io::Result<Vec<Interface>> {
    tokio::task::spawn_blocking(if_addrs::get_if_addrs).await.map_err(io::Error::other)?
}

/// The networks that a broadcast has to go to. An interface to a single other machine has none, and neither has an
/// address that stands alone.
fn segments(interfaces: &[Interface]) -> Vec<Segment> {
    let segment = |interface: &Interface| match &interface.addr {
        IfAddr::V4(v4) => Some(Segment {
            // An address with a label of its own is shown as an interface `eth0:1`.
            interface: interface.name.split(':').next().unwrap_or_default().to_owned(),
            ip: v4.ip,
            broadcast: broadcast_of(v4)?,
            linked: interface.is_oper_up(),
        }),
        IfAddr::V6(_) => None,
    };
    let physical = interfaces.iter().filter(|interface| !interface.is_loopback() && !interface.is_p2p());
    let mut known = BTreeSet::new();
    let mut found: Vec<_> = physical.filter_map(segment).collect();
    found.sort_unstable();
    found.retain(|segment| known.insert((segment.interface.clone(), segment.broadcast)));
    found.truncate(NETWORKS);
    found
}

/// The broadcast address of a network, from its address and prefix.
fn broadcast_of(v4: &Ifv4Addr) -> Option<Ipv4Addr> {
    let mask = v4.netmask.to_bits();
    (mask.leading_ones() <= 30 && mask != 0).then(|| Ipv4Addr::from_bits(v4.ip.to_bits() | !mask))
}

/// A name of an interface as it may stand in a message. The kernel takes nearly every character.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._@-".contains(c) { c } else { '_' };
    name.chars().take(32).map(plain).collect()
}

/// The scopes in which link-local IPv6 addresses mean something: the interfaces that have one themselves.
pub(super) fn link_scopes(interfaces: &[Interface]) -> Vec<u32> {
    let mut scopes: Vec<_> = interfaces
        .iter()
        .filter(|interface| matches!(interface.ip(), IpAddr::V6(address) if address.is_unicast_link_local()))
        .filter_map(|interface| interface.index)
        .collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use if_addrs::{IfOperStatus, Ifv6Addr};

    use super::*;
    use crate::registry::{AgentContext, Registry};

    fn interface(index: u32, addr: IfAddr, is_p2p: bool) -> Interface {
        Interface {
            name: format!("if{index}"),
            addr,
            index: Some(index),
            oper_status: IfOperStatus::Up,
            is_p2p,
        }
    }

    fn v4(ip: [u8; 4], prefixlen: u8, broadcast: Option<[u8; 4]>) -> IfAddr {
        let netmask = Ipv4Addr::from(u32::MAX << (32 - prefixlen));
        IfAddr::V4(Ifv4Addr { ip: ip.into(), netmask, prefixlen, broadcast: broadcast.map(Into::into) })
    }

    fn v6(ip: &str) -> IfAddr {
        let netmask = std::net::Ipv6Addr::from(u128::MAX << 64);
        IfAddr::V6(Ifv6Addr { ip: ip.parse().unwrap(), netmask, prefixlen: 64, broadcast: None })
    }

    #[test]
    fn a_broadcast_reaches_every_network_once_whatever_the_kernel_calls_its_address() {
        let found = segments(&[
            interface(1, v4([127, 0, 0, 1], 8, Some([127, 255, 255, 255])), false),
            interface(2, v4([192, 168, 1, 5], 24, Some([192, 168, 1, 255])), false),
            interface(2, v4([192, 168, 1, 6], 24, Some([192, 168, 1, 255])), false),
            interface(3, v4([10, 0, 0, 2], 20, None), false),
            interface(3, v4([172, 16, 0, 2], 16, Some([0, 0, 0, 0])), false),
            interface(3, v4([172, 17, 0, 2], 16, Some([172, 17, 0, 2])), false),
            interface(6, v4([192, 168, 1, 7], 24, Some([192, 168, 1, 255])), false),
            interface(4, v4([10, 9, 0, 2], 30, Some([10, 9, 0, 3])), true),
            interface(5, v4([10, 8, 0, 2], 32, Some([10, 8, 0, 2])), false),
            interface(5, v4([10, 8, 1, 2], 31, Some([10, 8, 1, 3])), false),
            interface(3, v6("fe80::5"), false),
        ]);
        let found: Vec<_> = found.iter().map(|s| (s.interface.as_str(), s.broadcast.octets())).collect();
        let expected = [
            ("if2", [192, 168, 1, 255]),
            ("if3", [10, 0, 15, 255]),
            ("if3", [172, 16, 255, 255]),
            ("if3", [172, 17, 255, 255]),
            // The same network by another interface may be another one.
            ("if6", [192, 168, 1, 255]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_interface_without_a_link_is_noticed_and_a_label_is_no_name() {
        let mut down = interface(2, v4([192, 168, 1, 5], 24, None), false);
        down.oper_status = IfOperStatus::Unknown;
        let mut label = interface(3, v4([10, 0, 0, 5], 24, None), false);
        label.name = "eth0:1".into();
        let found = segments(&[down, label]);
        assert_eq!((found[0].interface.as_str(), found[0].linked), ("eth0", true));
        assert_eq!((found[1].interface.as_str(), found[1].linked), ("if2", false));
    }

    #[test]
    fn a_name_that_would_be_html_is_made_harmless() {
        assert_eq!(plain("wlp2s0.7@if3"), "wlp2s0.7@if3");
        assert_eq!(plain("<b>&\"'\u{202e}"), "_b_____");
    }

    #[test]
    fn a_link_local_address_is_looked_for_on_every_link() {
        let found = link_scopes(&[
            interface(1, v6("::1"), false),
            interface(7, v6("fe80::5"), false),
            interface(3, v6("fe80::6"), false),
            interface(3, v6("fe80::7"), false),
            interface(4, v6("2001:db8::1"), false),
        ]);
        assert_eq!(found, [3, 7]);
    }

    /// The command as an agent runs it, on real sockets.
    #[tokio::test]
    async fn wakeup_sends_three_magic_packets_a_tenth_of_a_second_apart() {
        let listener = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let context = AgentContext::new(std::sync::Arc::new(LocalNetwork::new(Some(Ipv4Addr::LOCALHOST))));
        let payload = format!(r#"{{"macAddress":"aa-bb-cc-dd-ee-0f","port":{port}}}"#);
        let wakeup = Registry::build().unwrap().get("WAKEUP").unwrap();
        let reply = tokio::spawn(async move { (wakeup.run)(&context, payload.as_bytes()).await });

        let mut expected = vec![0xFF; 6];
        expected.extend([0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0x0F].repeat(16));
        assert_eq!(expected.len(), 102);
        let began = tokio::time::Instant::now();
        for _ in 0..3 {
            let mut packet = [0; 1500];
            let received =
                tokio::time::timeout(std::time::Duration::from_secs(5), listener.recv(&mut packet));
            let length = received.await.unwrap().unwrap();
            assert_eq!(packet[..length], expected);
        }
        assert!(began.elapsed().as_millis() >= 195, "{:?}", began.elapsed());
        let reply = reply.await.unwrap();
        assert_eq!(reply, r#"{"status":"OK","message":"Magic packet sent to AA:BB:CC:DD:EE:0F"}"#);
        assert!(listener.try_recv(&mut [0; 1]).is_err(), "more than three packets");
    }

    #[tokio::test]
    async fn a_broadcast_that_cannot_leave_is_an_error_naming_its_address() {
        // Port 0 can be sent to by nobody.
        let failed = LocalNetwork::new(Some(Ipv4Addr::LOCALHOST)).send(b"x", 0, None).await.unwrap_err();
        assert!(failed.to_string().contains("127.0.0.1:0"), "{failed}");
    }
}
