//! Checks the fields of a body, collecting everything that is wrong before answering.
//!
//! What a field may hold is said by its type: [`bounded`](super::bounded).

use super::bounded::{Bounded, Time};
use super::field::Field;
use crate::clock::Millis;
use crate::error::{Error, FieldError, Result};

/// The end of the year 9999, in milliseconds since the epoch.
const LAST_TIME: Millis = 253_402_300_799_999;

/// The wrong fields of a body, as they are found.
#[derive(Default)]
pub(super) struct Check {
    wrong: Vec<FieldError>,
}

impl Check {
    /// What `read` makes of the fields of a body; it answers nothing where one that it needs is wrong.
    ///
    /// # Errors
    /// 400 naming every wrong field, if there is one.
    pub(super) fn all<T>(read: impl FnOnce(&mut Self) -> Option<T>) -> Result<T> {
        let mut check = Self::default();
        match read(&mut check) {
            Some(body) if check.wrong.is_empty() => Ok(body),
            _ => Err(Error::invalid_fields("Invalid payload", check.wrong)),
        }
    }

    /// The value of a field that must be there. `None` has been noted as wrong.
    pub(super) fn required<B: Bounded>(&mut self, name: &str, field: Field<B>) -> Option<B::Read> {
        let value = match field {
            Field::Value(value) => B::read(value),
            Field::Absent | Field::Null | Field::Wrong => None,
        };
        if value.is_none() {
            self.wrong(name, format!("expected {}", B::expected()));
        }
        value
    }

    /// The value of a field that may be absent or null. The outer `None` has been noted as wrong.
    pub(super) fn optional<B: Bounded>(&mut self, name: &str, field: Field<B>) -> Option<Option<B::Read>> {
        match field {
            Field::Absent | Field::Null => Some(None),
            given => self.required(name, given).map(Some),
        }
    }

    /// The value of a field that must be there and passes in any case when it is sent as it is `stored`: rows that
    /// break today's rules stay editable.
    pub(super) fn replaced<B: Bounded>(
        &mut self,
        name: &str,
        field: Field<B>,
        stored: &B::Read,
    ) -> Option<B::Read>
    where
        B::Sent: PartialEq<B::Read>,
        B::Read: Clone,
    {
        match field {
            Field::Value(value) if value == *stored => Some(stored.clone()),
            other => self.required(name, other),
        }
    }

    /// When something ends that is made at the time `now`: absent or null for never. The outer `None` has been noted as
    /// wrong.
    pub(super) fn end(&mut self, name: &str, field: Field<Time>, now: Millis) -> Option<Option<Millis>> {
        let end = self.optional(name, field)?;
        if end.is_some_and(|end| !(now + 1..=LAST_TIME).contains(&end)) {
            self.wrong(name, "expected a time in the future, in milliseconds since the epoch");
            return None;
        }
        Some(end)
    }

    /// Notes that a field is wrong.
    pub(super) fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.wrong.push(FieldError::new(name, message));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::bounded::{AgentId, Name, Port};
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let read = Check::all(|check| {
            assert_eq!(check.required::<Name>("name", Field::Null), None);
            assert_eq!(check.optional::<Port>("port", Field::Wrong), None);
            assert_eq!(check.optional::<AgentId>("agentID", Field::Value(4)), Some(Some(4)));
            assert_eq!(check.optional::<AgentId>("agentID", Field::Null), Some(None));
            Some(())
        });
        let error = read.unwrap_err();
        let names: Vec<_> = error.fields().iter().map(|f| f.field.as_str()).collect();
        assert_eq!(names, ["name", "port"]);
    }
}
