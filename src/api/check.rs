//! Checks the fields of a body, collecting everything that is wrong before answering.
//!
//! A [`Rule`] says what a field must be, in words for people and as a reading into the type the domain works with.
//! Whether a field is required, optional or may stay as it is stored is said where it is used.

use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::field::Field;
use crate::auth::password_rule::has_good_length;
use crate::clock::Millis;
use crate::error::{Error, FieldError, Result};
use crate::model::shown::Hidden;
use crate::registry::{MacAddress, ProbeTarget};
use crate::text::bare;

/// The end of the year 9999, in milliseconds since the epoch.
const LAST_TIME: Millis = 253_402_300_799_999;

/// What a field must be: `T` as it is sent, `U` as it is used.
pub(super) struct Rule<T, U> {
    expected: &'static str,
    read: fn(T) -> Option<U>,
}

/// Names of agents and devices.
pub(super) const NAME: Rule<String, String> = Rule {
    expected: "text of 1 to 100 characters, none of them NUL",
    read: |text| (is_whole(&text) && (1..=100).contains(&text.chars().count())).then_some(text),
};

/// Descriptions of agents and devices.
pub(super) const DESCRIPTION: Rule<String, String> = Rule {
    expected: "text of at most 1000 characters, none of them NUL",
    read: |text| (is_whole(&text) && text.chars().count() <= 1000).then_some(text),
};

/// New secrets of agents.
pub(super) const AGENT_SECRET: Rule<String, SecretString> = Rule {
    expected: "text of 16 to 256 characters that all show, without blanks at either end",
    read: |text| {
        // An agent reads its secret from a file, where editors put marks and blanks around it.
        let good = (16..=256).contains(&text.chars().count())
            && text.trim() == text
            && text.chars().all(|c| Hidden::of(c).is_none());
        good.then(|| text.into())
    },
};

/// MAC addresses of devices, given in any usual notation and kept in one.
pub(super) const MAC_ADDRESS: Rule<String, String> = Rule {
    expected: "the MAC address of a device, like AA:BB:CC:DD:EE:FF, AA-BB-CC-DD-EE-FF, AABB.CCDD.EEFF or AABBCCDDEEFF; \
               all zeros, broadcast and multicast addresses (their second digit is odd) are no device’s",
    read: |text| text.parse::<MacAddress>().ok().map(|mac| mac.to_string()),
};

/// UDP ports.
pub(super) const PORT: Rule<i64, i64> = Rule {
    expected: "a whole number from 1 to 65535",
    read: |port| (1..=65535).contains(&port).then_some(port),
};

/// IDs of other objects.
pub(super) const ID: Rule<i64, i64> = Rule { expected: "the ID of an agent, a whole number", read: Some };

/// Addresses of devices on their network.
pub(super) const ADDRESS: Rule<String, String> = Rule {
    expected: "the IP address, the name or the MAC address of one host",
    read: |text| {
        let text = bare(&text);
        text.parse::<ProbeTarget>().is_ok().then(|| text.to_owned())
    },
};

/// Names of users, where one is to be found. New ones must keep to more: `username`.
pub(super) const USERNAME: Rule<String, String> = Rule {
    expected: "text of 1 to 64 characters without control characters",
    read: |text| {
        let good = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        good.then_some(text)
    },
};

/// New passwords of users. Weak ones are refused where they are hashed.
pub(super) const PASSWORD: Rule<String, SecretString> = Rule {
    expected: "text of at least 10 characters and at most 1024 bytes, without NUL, and without a byte order mark or a \
               line end at its ends",
    read: |text| {
        // Programs that read it from a file take them off, or do not.
        let around = |c: char| matches!(c, '\u{feff}' | '\r' | '\n');
        let good = is_whole(&text) && has_good_length(&text) && text.trim_matches(around) == text;
        good.then(|| text.into())
    },
};

/// Passwords and codes that are only compared.
pub(super) const GIVEN_PASSWORD: Rule<String, SecretString> =
    Rule { expected: "text", read: |text| Some(text.into()) };

/// Text that is only compared.
pub(super) const GIVEN_TEXT: Rule<String, String> = Rule { expected: "text", read: Some };

/// Whether a text has no character at which programs in C would cut it off.
fn is_whole(text: &str) -> bool {
    !text.contains('\0')
}

/// Yes or no.
pub(super) const FLAG: Rule<bool, bool> = Rule { expected: "true or false", read: Some };

/// Points in time.
const TIME: Rule<i64, Millis> = Rule { expected: "a time in milliseconds since the epoch", read: Some };

/// Favourite devices.
pub(super) const FAVORITES: Rule<Vec<i64>, Vec<i64>> =
    Rule::new("a list of at most 10000 device IDs, whole numbers", |ids| {
        (ids.len() <= 10_000).then_some(ids)
    });

impl<T, U> Rule<T, U> {
    /// What `read` makes of what is sent; `expected` says in words what that must be.
    pub(super) const fn new(expected: &'static str, read: fn(T) -> Option<U>) -> Self {
        Self { expected, read }
    }
}

impl<T: DeserializeOwned> Rule<String, T> {
    /// One of the words of an enum. Read from text: serde would also take `{"word": null}`.
    pub(super) const fn word(expected: &'static str) -> Self {
        Self { expected, read: |text| serde_json::from_value(text.into()).ok() }
    }
}

/// The wrong fields of a body, as they are found.
#[derive(Default)]
pub(super) struct Check {
    wrong: Vec<FieldError>,
}

impl Check {
    /// The value of a field that must be there. `None` has been noted as wrong.
    pub(super) fn required<T, U>(&mut self, name: &str, field: Field<T>, rule: &Rule<T, U>) -> Option<U> {
        let value = match field {
            Field::Value(value) => (rule.read)(value),
            Field::Absent | Field::Null | Field::Wrong => None,
        };
        if value.is_none() {
            self.wrong.push(FieldError::new(name, format!("expected {}", rule.expected)));
        }
        value
    }

    /// The value of a field that may be absent or null. The outer `None` has been noted as wrong.
    pub(super) fn optional<T, U>(
        &mut self,
        name: &str,
        field: Field<T>,
        rule: &Rule<T, U>,
    ) -> Option<Option<U>> {
        match field {
            Field::Absent | Field::Null => Some(None),
            given => self.required(name, given, rule).map(Some),
        }
    }

    /// The value of a field that must be there and passes in any case when it is sent as it is `stored`: rows that
    /// break today's rules stay editable.
    pub(super) fn replaced<T: PartialEq<U>, U: Clone>(
        &mut self,
        name: &str,
        field: Field<T>,
        stored: &U,
        rule: &Rule<T, U>,
    ) -> Option<U> {
        match field {
            Field::Value(value) if value == *stored => Some(stored.clone()),
            other => self.required(name, other, rule),
        }
    }

    /// When something ends that is made at the time `now`: absent or null for never. The outer `None` has been noted as
    /// wrong.
    pub(super) fn end(&mut self, name: &str, field: Field<i64>, now: Millis) -> Option<Option<Millis>> {
        let end = self.optional(name, field, &TIME)?;
        if end.is_some_and(|end| !(now + 1..=LAST_TIME).contains(&end)) {
            self.wrong(name, "expected a time in the future, in milliseconds since the epoch");
            return None;
        }
        Some(end)
    }

    /// Notes that a field is wrong for a reason that no rule knows.
    pub(super) fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.wrong.push(FieldError::new(name, message));
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_good(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Ends the check.
    ///
    /// # Errors
    /// 400 naming every wrong field, if there is one.
    pub(super) fn done(self) -> Result<()> {
        if self.is_good() { Ok(()) } else { Err(self.error()) }
    }

    /// The error that names every wrong field.
    pub(super) fn error(self) -> Error {
        Error::invalid_fields("Invalid payload", self.wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text<U>(rule: &Rule<String, U>, text: &str) -> Option<U> {
        (rule.read)(text.to_owned())
    }

    #[test]
    fn bounds_are_counted_in_characters() {
        assert!(text(&NAME, "").is_none());
        assert!(text(&NAME, &"é".repeat(100)).is_some());
        assert!(text(&NAME, &"é".repeat(101)).is_none());
        assert!(text(&DESCRIPTION, &"☃".repeat(1000)).is_some());
        assert!(text(&DESCRIPTION, &"☃".repeat(1001)).is_none());
        assert!(text(&AGENT_SECRET, "123456789012345").is_none());
        assert!(text(&AGENT_SECRET, "1234567890123456").is_some());
        assert!(text(&AGENT_SECRET, &"☃".repeat(257)).is_none());
        assert!(text(&AGENT_SECRET, "1234567890\n1234567890").is_none());
        assert!(text(&USERNAME, &"u".repeat(65)).is_none());
        assert!(text(&USERNAME, "a\u{7f}b").is_none());
        assert!((PORT.read)(0).is_none() && (PORT.read)(1).is_some());
        assert!((PORT.read)(65535).is_some() && (PORT.read)(65536).is_none());
    }

    #[test]
    fn mac_addresses_are_kept_in_upper_case_with_colons() {
        assert_eq!(text(&MAC_ADDRESS, "0a-1b-2c-3d-4e-5f").unwrap(), "0A:1B:2C:3D:4E:5F");
        assert_eq!(text(&MAC_ADDRESS, "0a1b.2c3d.4e5f\r\n").unwrap(), "0A:1B:2C:3D:4E:5F");
        assert!(text(&MAC_ADDRESS, "01:00:5E:00:00:01").is_none());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let mut check = Check::default();
        assert_eq!(check.required("name", Field::Null, &NAME), None);
        assert_eq!(check.optional("port", Field::Wrong, &PORT), None);
        assert_eq!(check.optional("agentID", Field::Value(4), &ID), Some(Some(4)));
        assert_eq!(check.optional("agentID", Field::Null, &ID), Some(None));
        let error = check.done().unwrap_err();
        let names: Vec<_> = error.fields().iter().map(|f| f.field.as_str()).collect();
        assert_eq!(names, ["name", "port"]);
    }
}
