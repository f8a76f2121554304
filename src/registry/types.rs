//! Types that several commands share, each with one strict reading and one way of writing.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::bare;

/// The MAC address of a device: not all zeros, and no group's, which the broadcast address is too. Read as `AA:BB:CC:DD:EE:FF`, `AA-BB-CC-DD-EE-FF`, `AABB.CCDD.EEFF` or `AABBCCDDEEFF` in either
/// case, with or without blanks around it; written in upper case with colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{4}|[0-9A-Fa-f]{12})$", "examples" = ["AA:BB:CC:DD:EE:FF"]))]
pub struct MacAddress(pub [u8; 6]);

/// Why a text is no MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidMac;

impl fmt::Display for InvalidMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected the MAC address of a device like AA:BB:CC:DD:EE:FF, AA-BB-CC-DD-EE-FF, AABB.CCDD.EEFF or \
             AABBCCDDEEFF; all zeros, broadcast and multicast addresses (their second digit is odd) are no device’s",
        )
    }
}

impl std::error::Error for InvalidMac {}

impl FromStr for MacAddress {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let mac = Self(six_bytes(text)?);
        if mac.0 != [0; 6] && mac.0[0] & 1 == 0 { Ok(mac) } else { Err(InvalidMac) }
    }
}

/// Six bytes in one of the notations of a MAC address.
fn six_bytes(text: &str) -> Result<[u8; 6], InvalidMac> {
    let text = bare(text);
    let (separator, group) = match text.len() {
        17 if text.as_bytes()[2] == b'-' => (Some('-'), 2),
        17 => (Some(':'), 2),
        14 => (Some('.'), 4),
        12 => (None, 12),
        _ => return Err(InvalidMac),
    };
    let mut digits = [0; 12];
    let mut count = 0;
    for (at, c) in text.chars().enumerate() {
        if separator.is_some() && at % (group + 1) == group {
            if Some(c) != separator {
                return Err(InvalidMac);
            }
            continue;
        }
        let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *digits.get_mut(count).ok_or(InvalidMac)? = digit.ok_or(InvalidMac)?;
        count += 1;
    }
    let mut mac = [0; 6];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    if count == digits.len() { Ok(mac) } else { Err(InvalidMac) }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl TryFrom<String> for MacAddress {
    type Error = InvalidMac;

    fn try_from(text: String) -> Result<Self, InvalidMac> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

/// The password of a card that asks for one before it wakes (SecureOn): six bytes, written as a MAC address is. It is not
/// shown by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("examples" = ["00:11:22:33:44:55"]))]
pub struct SecureOn([u8; 6]);

impl SecureOn {
    /// The six bytes that follow the magic packet.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for SecureOn {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        six_bytes(text).map(Self)
    }
}

impl TryFrom<String> for SecureOn {
    type Error = InvalidMac;

    fn try_from(text: String) -> Result<Self, InvalidMac> {
        text.parse()
    }
}

impl From<SecureOn> for String {
    fn from(password: SecureOn) -> Self {
        MacAddress(password.0).to_string()
    }
}

impl fmt::Debug for SecureOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecureOn(…)")
    }
}

/// A payload or reply without content: written `{}`, read from `{}` or `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Empty {}

impl<'de> Deserialize<'de> for Empty {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object {}
        Option::<Object>::deserialize(deserializer).map(|_| Self {})
    }
}

/// The word every plain success carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OkStatus {
    /// It was done.
    #[serde(rename = "OK")]
    Ok,
}

/// The reply of a command that only says that it was done: `{"status":"OK","message":…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Always `OK`; a failure travels as `ERROR` and never becomes an `Outcome`.
    pub status: OkStatus,
    /// What was done, for people.
    #[serde(default)]
    pub message: String,
}

impl Outcome {
    /// A success saying `message`.
    pub fn ok(message: impl Into<String>) -> Self {
        Self { status: OkStatus::Ok, message: message.into() }
    }
}
