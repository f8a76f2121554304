//! ICMP echo, where the machine lets us: through unprivileged ping sockets or raw ones.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};

/// How often a host is asked.
const ATTEMPTS: usize = 2;
/// How long each answer is waited for. A host on the network answers within a few milliseconds; the first packet may
/// have to wait for ARP.
const PATIENCE: Duration = Duration::from_millis(800);

/// What asking a host brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The host answered, after so long.
    Answer(Duration),
    /// Nothing, in time.
    Nothing,
    /// There is no way to the host's network.
    NoRoute,
    /// We may not ask like this.
    NotAllowed,
}

impl Heard {
    /// What an error of a socket says about the other end, which came after so long.
    pub(super) fn from_error(error: &io::Error, after: Duration) -> Self {
        use io::ErrorKind as K;
        match error.kind() {
            K::ConnectionRefused | K::ConnectionReset => Self::Answer(after),
            K::NetworkUnreachable | K::AddrNotAvailable => Self::NoRoute,
            _ => Self::Nothing,
        }
    }
}

/// Where a socket could not be opened, how long until it is tried again: whoever runs the machine may have allowed it.
const AGAIN: Duration = Duration::from_secs(60);

/// The ICMP sockets, as far as they may be opened.
pub(super) struct Ping {
    v4: Mutex<Opened>,
    v6: Mutex<Opened>,
    sequence: AtomicU16,
}

/// A socket, or when it was tried last.
enum Opened {
    Yes(Client),
    No(Option<Instant>),
}

impl Ping {
    /// Opens the sockets. Needs a runtime.
    pub(super) fn new() -> Self {
        let ping = Self {
            v4: Mutex::new(Opened::No(None)),
            v6: Mutex::new(Opened::No(None)),
            sequence: AtomicU16::new(0),
        };
        ping.client(true);
        ping.client(false);
        ping
    }

    /// As on a machine that allows no ICMP at all.
    #[cfg(test)]
    pub(super) fn without() -> Self {
        let never = || Mutex::new(Opened::No(Some(Instant::now())));
        Self { v4: never(), v6: never(), sequence: AtomicU16::new(0) }
    }

    /// The socket for a family, if it may be opened.
    fn client(&self, v4: bool) -> Option<Client> {
        let (place, kind) = if v4 { (&self.v4, ICMP::V4) } else { (&self.v6, ICMP::V6) };
        let mut opened = place.lock();
        let tried = match &*opened {
            Opened::Yes(client) => return Some(client.clone()),
            Opened::No(Some(tried)) if tried.elapsed() < AGAIN => return None,
            Opened::No(tried) => *tried,
        };
        match Client::new(&Config::builder().kind(kind).build()) {
            Ok(client) => {
                *opened = Opened::Yes(client.clone());
                Some(client)
            }
            Err(e) => {
                *opened = Opened::No(Some(Instant::now()));
                if tried.is_none() {
                    let reason = e.to_string();
                    let reason = reason.lines().next().unwrap_or_default();
                    tracing::info!(
                        "No ICMP{kind:?} here ({reason}); the status of hosts is found by TCP and the neighbour table. \
                         To allow ping: sysctl net.ipv4.ping_group_range=\"0 2147483647\", or CAP_NET_RAW"
                    );
                }
                None
            }
        }
    }

    /// Asks a host.
    pub(super) async fn ask(&self, host: SocketAddr) -> Heard {
        let Some(client) = self.client(host.is_ipv4()) else {
            return Heard::NotAllowed;
        };
        let mut pinger = client.pinger(host.ip(), PingIdentifier(fastrand::u16(..))).await;
        pinger.timeout(PATIENCE);
        if let SocketAddr::V6(v6) = host {
            pinger.scope_id(v6.scope_id());
        }
        for _ in 0..ATTEMPTS {
            // Answers are distinguished by host and number, so every question needs its own.
            let number = PingSequence(self.sequence.fetch_add(1, Ordering::Relaxed));
            match pinger.ping(number, &[0; 16]).await {
                Ok((packet, took)) if is_reply(&packet, host.ip()) => return Heard::Answer(took),
                Err(SurgeError::IOError(e)) if e.kind() == io::ErrorKind::PermissionDenied => {
                    return Heard::NotAllowed;
                }
                Err(SurgeError::IOError(e)) if Heard::from_error(&e, PATIENCE) == Heard::NoRoute => {
                    return Heard::NoRoute;
                }
                Ok(_) | Err(_) => {}
            }
        }
        Heard::Nothing
    }
}

/// Whether a packet is `host`'s answer, and not a router's word that it cannot be reached.
fn is_reply(packet: &IcmpPacket, host: IpAddr) -> bool {
    match packet {
        IcmpPacket::V4(packet) => packet.get_icmp_type().0 == 0 && host == packet.get_source(),
        IcmpPacket::V6(packet) => packet.get_icmpv6_type().0 == 129 && host == packet.get_source(),
    }
}
