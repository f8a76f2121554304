//! What a field of a body may hold: types that say how it is sent, what it is read as, and its bounds, in words for
//! people and as a schema for programs.
//!
//! Whether a field is required, optional or may stay as it is stored is said where it is used:
//! [`Check`](super::check::Check).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use crate::auth::password::MAX_PASSWORD;
use crate::auth::password_rule::{MIN_CHARACTERS, has_good_length};
use crate::clock::Millis;
use crate::model::shown::Hidden;
use crate::registry::{MacAddress, ProbeTarget};
use crate::text::bare;

/// What one kind of field may hold.
pub(super) trait Bounded {
    /// As it is sent.
    type Sent: DeserializeOwned;
    /// As it is used.
    type Read;
    /// What it must be, in words.
    fn expected() -> Cow<'static, str>;
    /// The same as a schema, as far as one can say it.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
    /// What is read of it; nothing if it is out of bounds.
    fn read(sent: Self::Sent) -> Option<Self::Read>;
}

/// Defines a kind of field: as it is sent and read, what it must be in words and as a schema, and how it is read.
macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident: $sent:ty => $read:ty, $expected:expr, $schema:expr, $reading:expr) => {
        $(#[$doc])*
        pub(super) enum $name {}

        impl $crate::api::bounded::Bounded for $name {
            type Sent = $sent;
            type Read = $read;

            fn expected() -> ::std::borrow::Cow<'static, str> {
                $expected.into()
            }

            fn schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                let schema: fn(&mut ::schemars::SchemaGenerator) -> ::schemars::Schema = $schema;
                schema(generator)
            }

            fn read(sent: $sent) -> Option<$read> {
                let read: fn($sent) -> Option<$read> = $reading;
                read(sent)
            }
        }
    };
}
pub(super) use bounded;

/// Has an enum be sent as one of its words. Read from text: serde would also take `{"word": null}`.
macro_rules! word {
    ($name:ty, $expected:expr) => {
        impl $crate::api::bounded::Bounded for $name {
            type Sent = String;
            type Read = Self;

            fn expected() -> ::std::borrow::Cow<'static, str> {
                $expected.into()
            }

            fn schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                generator.subschema_for::<Self>()
            }

            fn read(sent: String) -> Option<Self> {
                ::serde_json::from_value(sent.into()).ok()
            }
        }
    };
}
pub(super) use word;

/// The schema of text of so many characters.
pub(super) fn text(length: RangeInclusive<usize>) -> Schema {
    json_schema!({ "type": "string", "minLength": length.start(), "maxLength": length.end() })
}

/// The schema of a whole number.
pub(super) fn whole(range: RangeInclusive<i64>) -> Schema {
    json_schema!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

/// The schema of one of some words.
pub(super) fn one_of(words: &[&str]) -> Schema {
    json_schema!({ "type": "string", "enum": words })
}

/// The schema of a list of so many.
pub(super) fn list(items: Schema, length: RangeInclusive<usize>) -> Schema {
    json_schema!({ "type": "array", "items": items, "minItems": length.start(), "maxItems": length.end() })
}

/// The schema of any ID.
pub(super) fn id() -> Schema {
    json_schema!({ "type": "integer", "format": "int64" })
}

/// A whole number.
pub(super) struct Whole<const MIN: i64, const MAX: i64>;

impl<const MIN: i64, const MAX: i64> Bounded for Whole<MIN, MAX> {
    type Sent = i64;
    type Read = i64;

    fn expected() -> Cow<'static, str> {
        format!("a whole number from {MIN} to {MAX}").into()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        whole(MIN..=MAX)
    }

    fn read(number: i64) -> Option<i64> {
        (MIN..=MAX).contains(&number).then_some(number)
    }
}

/// A whole number of something, named where it is used.
macro_rules! whole_of {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        pub(super) struct $name<const MIN: i64, const MAX: i64>;

        impl<const MIN: i64, const MAX: i64> Bounded for $name<MIN, MAX> {
            type Sent = i64;
            type Read = i64;

            fn expected() -> Cow<'static, str> {
                format!(concat!("a whole number of ", $unit, " from {} to {}"), MIN, MAX).into()
            }

            fn schema(generator: &mut SchemaGenerator) -> Schema {
                Whole::<MIN, MAX>::schema(generator)
            }

            fn read(number: i64) -> Option<i64> {
                Whole::<MIN, MAX>::read(number)
            }
        }
    };
}
whole_of!(
    /// So many seconds.
    Seconds,
    "seconds"
);
whole_of!(
    /// So many minutes.
    Minutes,
    "minutes"
);
whole_of!(
    /// So many hours.
    Hours,
    "hours"
);

/// A port, of TCP or UDP.
pub(super) type Port = Whole<1, 65535>;

bounded!(
    /// Yes or no.
    Flag: bool => bool,
    "true or false",
    bool::json_schema,
    Some
);

bounded!(
    /// The name of an agent or device.
    Name: String => String,
    "text of 1 to 100 characters, none of them NUL",
    |_| text(1..=100),
    |text| (is_whole(&text) && (1..=100).contains(&text.chars().count())).then_some(text)
);

bounded!(
    /// What people say of an agent or device.
    Description: String => String,
    "text of at most 1000 characters, none of them NUL",
    |_| text(0..=1000),
    |text| (is_whole(&text) && text.chars().count() <= 1000).then_some(text)
);

bounded!(
    /// An agent's new secret.
    AgentSecret: String => SecretString,
    "text of 16 to 256 characters that all show, without blanks at either end",
    |_| text(16..=256),
    |text| {
        // An agent reads its secret from a file, where editors put marks and blanks around it.
        let good = (16..=256).contains(&text.chars().count())
            && text.trim() == text
            && text.chars().all(|c| Hidden::of(c).is_none());
        good.then(|| text.into())
    }
);

bounded!(
    /// A device's MAC address, given in any usual notation and kept in one.
    DeviceMac: String => String,
    "the MAC address of a device, like AA:BB:CC:DD:EE:FF, AA-BB-CC-DD-EE-FF, AABB.CCDD.EEFF or AABBCCDDEEFF; \
     all zeros, broadcast and multicast addresses (their second digit is odd) are no device’s",
    |_| json_schema!({ "type": "string", "examples": ["AA:BB:CC:DD:EE:FF"] }),
    |text| text.parse::<MacAddress>().ok().map(|mac| mac.to_string())
);

bounded!(
    /// The ID of an agent.
    AgentId: i64 => i64,
    "the ID of an agent, a whole number",
    |_| id(),
    Some
);

bounded!(
    /// The ID of a device.
    DeviceId: i64 => i64,
    "the ID of a device, a whole number",
    |_| id(),
    Some
);

bounded!(
    /// The address of a device on its network.
    Address: String => String,
    "the IP address, the name or the MAC address of one host",
    |_| json_schema!({ "type": "string", "examples": ["192.168.1.20", "nas.lan"] }),
    |text| {
        let text = bare(&text);
        text.parse::<ProbeTarget>().is_ok().then(|| text.to_owned())
    }
);

bounded!(
    /// The name of a user who is there, or of a token. New users' must keep to more: `username`.
    UserName: String => String,
    "text of 1 to 64 characters without control characters",
    |_| text(1..=64),
    |text| {
        let good = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        good.then_some(text)
    }
);

bounded!(
    /// A user's new password. Weak ones are refused where they are hashed.
    NewPassword: String => SecretString,
    "text of at least 10 characters and at most 1024 bytes, without NUL, and without a byte order mark or a line end at \
     its ends",
    |_| text(MIN_CHARACTERS..=MAX_PASSWORD),
    |text| {
        // Programs that read it from a file take them off, or do not.
        let around = |c: char| matches!(c, '\u{feff}' | '\r' | '\n');
        let good = is_whole(&text) && has_good_length(&text) && text.trim_matches(around) == text;
        good.then(|| text.into())
    }
);

bounded!(
    /// A password or code that is only compared.
    GivenSecret: String => SecretString,
    "text",
    |_| json_schema!({ "type": "string" }),
    |text| Some(text.into())
);

bounded!(
    /// Text that is only compared.
    GivenText: String => String,
    "text",
    |_| json_schema!({ "type": "string" }),
    Some
);

bounded!(
    /// A point in time.
    Time: i64 => Millis,
    "a time in milliseconds since the epoch",
    |_| json_schema!({ "type": "integer", "format": "int64" }),
    Some
);

bounded!(
    /// Favourite devices.
    Favorites: Vec<i64> => Vec<i64>,
    "a list of at most 10000 device IDs, whole numbers",
    |_| list(id(), 0..=10_000),
    |ids| (ids.len() <= 10_000).then_some(ids)
);

/// Whether a text has no character at which programs in C would cut it off.
fn is_whole(text: &str) -> bool {
    !text.contains('\0')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read<B: Bounded<Sent = String>>(text: &str) -> Option<B::Read> {
        B::read(text.to_owned())
    }

    #[test]
    fn bounds_are_counted_in_characters() {
        assert!(read::<Name>("").is_none());
        assert!(read::<Name>(&"é".repeat(100)).is_some());
        assert!(read::<Name>(&"é".repeat(101)).is_none());
        assert!(read::<Description>(&"☃".repeat(1000)).is_some());
        assert!(read::<Description>(&"☃".repeat(1001)).is_none());
        assert!(read::<AgentSecret>("123456789012345").is_none());
        assert!(read::<AgentSecret>("1234567890123456").is_some());
        assert!(read::<AgentSecret>(&"☃".repeat(257)).is_none());
        assert!(read::<AgentSecret>("1234567890\n1234567890").is_none());
        assert!(read::<UserName>(&"u".repeat(65)).is_none());
        assert!(read::<UserName>("a\u{7f}b").is_none());
        assert!(Port::read(0).is_none() && Port::read(1).is_some());
        assert!(Port::read(65535).is_some() && Port::read(65536).is_none());
    }

    #[test]
    fn mac_addresses_are_kept_in_upper_case_with_colons() {
        assert_eq!(read::<DeviceMac>("0a-1b-2c-3d-4e-5f").unwrap(), "0A:1B:2C:3D:4E:5F");
        assert_eq!(read::<DeviceMac>("0a1b.2c3d.4e5f\r\n").unwrap(), "0A:1B:2C:3D:4E:5F");
        assert!(read::<DeviceMac>("01:00:5E:00:00:01").is_none());
    }

    #[test]
    fn words_and_schema_say_the_same_bounds() {
        assert_eq!(Seconds::<10, 86_400>::expected(), "a whole number of seconds from 10 to 86400");
        let schema = Seconds::<10, 86_400>::schema(&mut SchemaGenerator::default()).to_value();
        assert_eq!(schema, serde_json::json!({ "type": "integer", "minimum": 10, "maximum": 86_400 }));
    }
}
