//! The keys of a list's query, taken one after the other.

use std::collections::HashSet;
use std::fmt::Display;

use crate::error::{Error, FieldError, Result};
use crate::rest::{Call, is_nearly};

/// How many things a page of a list has, unless the query says otherwise, and at most.
pub(super) const USUAL: usize = 100;
pub(super) const MOST: usize = 500;

/// What was wrong with a query, a field each; and whether it has a key that is known.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) wrong: Vec<FieldError>,
    pub(super) any: bool,
}

/// Has `take` take every key of `known`. It answers what was expected in place of the value. Each of them comes once; other
/// keys are passed over, but not those that nearly are one of them: what was to choose must not silently mean all.
pub(super) fn take_all<E: Display>(
    call: &Call,
    known: &[&str],
    mut take: impl FnMut(&str, &str) -> Result<(), E>,
) -> Taken {
    let (mut taken, mut seen) = (Taken::default(), HashSet::new());
    for (key, value) in call.queries() {
        let Some(meant) = known.iter().find(|known| is_nearly(&key, known)) else { continue };
        if key != *meant {
            taken.wrong.push(FieldError::new(*meant, "expected this key as it is written here"));
            continue;
        }
        let expected = match take(&key, &value) {
            _ if !seen.insert(*meant) => "this key once".to_owned(),
            Ok(()) => continue,
            Err(expected) => expected.to_string(),
        };
        taken.wrong.push(FieldError::new(key, format!("expected {expected}")));
    }
    taken.any = !seen.is_empty();
    taken
}

impl Taken {
    /// # Errors
    /// 400 naming every key that was wrong.
    pub(super) fn check(self) -> Result<()> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Error::invalid_fields("Invalid query", self.wrong)) }
    }
}

/// How many things a page is to have; what was expected if that is no such number.
pub(super) fn limit(text: &str) -> Result<usize, &'static str> {
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or("a whole number from 1 to 500")
}
