//! Where a probe looks: an IP address, a MAC address or a host name, distinguished by how they are written.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::types::MacAddress;
use crate::text::bare;

/// Where a probe looks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("maxLength" = 253, "examples" = ["192.168.1.20", "AA:BB:CC:DD:EE:FF", "nas.lan"]))]
pub enum ProbeTarget {
    /// An IP address.
    Ip(IpAddr),
    /// A host known by its MAC address alone.
    Mac(MacAddress),
    /// A host name, resolved on the agent's network.
    Name(String),
}

/// Why a text names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTarget;

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the IP address, the MAC address or the name of one host; 0.0.0.0, broadcast and multicast \
                     addresses are no host’s")
    }
}

impl std::error::Error for InvalidTarget {}

/// Whether `name` can be a host name: labels of letters, digits, hyphens and underscores, the last one not a number,
/// so that a mistyped IPv4 address is not looked up as a name.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253
        && name.split('.').all(label)
        && !name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether one host can have the address: it is not all zeros, and no group's.
fn is_hosts(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}

impl FromStr for ProbeTarget {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let text = bare(text);
        if let Ok(ip) = text.parse() {
            return if is_hosts(ip) { Ok(Self::Ip(ip)) } else { Err(InvalidTarget) };
        }
        if let Ok(mac) = text.parse() {
            return Ok(Self::Mac(mac));
        }
        if is_host_name(text) { Ok(Self::Name(text.to_owned())) } else { Err(InvalidTarget) }
    }
}

impl fmt::Display for ProbeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl TryFrom<String> for ProbeTarget {
    type Error = InvalidTarget;

    fn try_from(text: String) -> Result<Self, InvalidTarget> {
        text.parse()
    }
}

impl From<ProbeTarget> for String {
    fn from(target: ProbeTarget) -> Self {
        target.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_writing_is_distinguished() {
        let mac = MacAddress([0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF]);
        for (text, target) in [
            ("192.168.1.20", ProbeTarget::Ip([192, 168, 1, 20].into())),
            ("fe80::1", ProbeTarget::Ip("fe80::1".parse().unwrap())),
            ("aa-bb-cc-dd-ee-ff", ProbeTarget::Mac(mac)),
            ("AA:BB:CC:DD:EE:FF", ProbeTarget::Mac(mac)),
            ("nas", ProbeTarget::Name("nas".into())),
            ("nas_2.home.arpa.", ProbeTarget::Name("nas_2.home.arpa.".into())),
        ] {
            assert_eq!(text.parse(), Ok(target), "{text}");
        }
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "300.1.1.1",
            "10.0.0",
            "a b",
            "a/b",
            "nas:80",
            "ä.example",
            "1.2.3.4/8",
        ] {
            assert_eq!(text.parse::<ProbeTarget>(), Err(InvalidTarget), "{text:?}");
        }
        assert_eq!("a".repeat(64).parse::<ProbeTarget>(), Err(InvalidTarget));
        assert_eq!(["a"; 130].join(".").parse::<ProbeTarget>(), Err(InvalidTarget));
    }

    #[test]
    fn it_is_written_as_the_firmware_reads_it() {
        let mac: ProbeTarget = "aa-bb-cc-dd-ee-ff".parse().unwrap();
        assert_eq!(serde_json::to_string(&mac).unwrap(), "\"AA:BB:CC:DD:EE:FF\"");
    }
}
