//! The network of the machine the agent runs on: broadcasts, and the interfaces they go out of.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use if_addrs::{IfAddr, Interface};
use tokio::net::UdpSocket;

use super::probe::Prober;
use crate::registry::{BoxFuture, Network, ProbeTarget, Reachability};

/// The real network.
pub(super) struct LocalNetwork {
    broadcast: Option<Ipv4Addr>,
    prober: Prober,
}

impl LocalNetwork {
    /// The network with magic packets going to `broadcast`, or to every network of this machine. Needs a runtime.
    pub(super) fn new(broadcast: Option<Ipv4Addr>) -> Self {
        Self { broadcast, prober: Prober::new() }
    }

    async fn send(&self, datagram: &[u8], port: u16) -> io::Result<()> {
        let targets = match self.broadcast {
            Some(address) => vec![address],
            None => broadcast_addresses(&interfaces().await?),
        };
        // A socket for each: the machine's networks may have changed since.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        socket.set_broadcast(true)?;
        let mut sent = false;
        let mut failed = None;
        for address in targets {
            match socket.send_to(datagram, (address, port)).await {
                Ok(_) => sent = true,
                Err(e) => failed = Some(io::Error::new(e.kind(), format!("{address}:{port}: {e}"))),
            }
        }
        match failed {
            // One network may be down while the device is on another.
            Some(e) if !sent => Err(e),
            _ => Ok(()),
        }
    }
}

impl Network for LocalNetwork {
    fn broadcast<'a>(&'a self, datagram: &'a [u8], port: u16) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(self.send(datagram, port))
    }

    fn probe<'a>(&'a self, target: &'a ProbeTarget) -> BoxFuture<'a, io::Result<Reachability>> {
        Box::pin(self.prober.probe(target))
    }
}

/// The machine's network interfaces, one entry an address.
pub(super) async fn interfaces() -> io::Result<Vec<Interface>> {
    tokio::task::spawn_blocking(if_addrs::get_if_addrs).await.map_err(io::Error::other)?
}

/// Where a broadcast has to go to reach every network: the subnets' own addresses, since 255.255.255.255 leaves by
/// one interface only; and that one too, for an interface that names no address of its own.
fn broadcast_addresses(interfaces: &[Interface]) -> Vec<Ipv4Addr> {
    let mut addresses: Vec<_> = interfaces
        .iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_p2p())
        .filter_map(|interface| match &interface.addr {
            IfAddr::V4(v4) => v4.broadcast.filter(|address| *address != v4.ip),
            IfAddr::V6(_) => None,
        })
        .collect();
    addresses.push(Ipv4Addr::BROADCAST);
    addresses.sort_unstable();
    addresses.dedup();
    addresses
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
    use if_addrs::{IfOperStatus, Ifv4Addr, Ifv6Addr};

    use super::*;
    use crate::registry::{AgentContext, Registry};

    fn interface(index: u32, addr: IfAddr, is_p2p: bool) -> Interface {
        Interface { name: "x".into(), addr, index: Some(index), oper_status: IfOperStatus::Up, is_p2p }
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
    fn a_broadcast_reaches_every_network_once() {
        let found = broadcast_addresses(&[
            interface(1, v4([127, 0, 0, 1], 8, Some([127, 255, 255, 255])), false),
            interface(2, v4([192, 168, 1, 5], 24, Some([192, 168, 1, 255])), false),
            interface(2, v4([192, 168, 1, 6], 24, Some([192, 168, 1, 255])), false),
            interface(3, v4([10, 0, 0, 2], 20, Some([10, 0, 15, 255])), false),
            interface(4, v4([10, 9, 0, 2], 30, Some([10, 9, 0, 3])), true),
            interface(5, v4([10, 8, 0, 2], 32, Some([10, 8, 0, 2])), false),
            interface(3, v6("fe80::5"), false),
        ]);
        let expected: [[u8; 4]; 3] = [[10, 0, 15, 255], [192, 168, 1, 255], [255, 255, 255, 255]];
        assert_eq!(found, expected.map(Ipv4Addr::from));
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
        let failed = LocalNetwork::new(Some(Ipv4Addr::LOCALHOST)).send(b"x", 0).await.unwrap_err();
        assert!(failed.to_string().contains("127.0.0.1:0"), "{failed}");
    }
}
