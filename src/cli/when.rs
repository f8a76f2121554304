//! Times as people read them in a table: how far from now.

use serde_json::Value;

use crate::clock::{Clock, Millis};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The time in an answer of the API, in milliseconds since the epoch, or `never`.
pub(super) fn in_words(at: &Value) -> String {
    at.as_i64().map_or_else(|| "never".to_owned(), |at| from_now(at, Clock::default().now()))
}

/// The same as a point in time, for logs.
pub(super) fn stamp(at: &Value) -> String {
    let at = at.as_i64().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    at.map_or_else(String::new, |at| format!("{at:.0}"))
}

fn from_now(at: Millis, now: Millis) -> String {
    let away = at.abs_diff(now);
    // Two of the next larger unit, so that nothing is shown coarser than by half.
    let (unit, name) = match away {
        0..120_000 => (SECOND, "s"),
        120_000..7_200_000 => (MINUTE, "min"),
        7_200_000..172_800_000 => (HOUR, "h"),
        _ => (DAY, "d"),
    };
    let number = (away + unit / 2) / unit;
    if at > now { format!("in {number} {name}") } else { format!("{number} {name} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_the_unit_that_fits() {
        for (seconds, words) in [
            (0, "0 s ago"),
            (-59, "59 s ago"),
            (119, "in 119 s"),
            (3599, "in 60 min"),
            (-7199, "120 min ago"),
            (86_400, "in 24 h"),
            (30 * 86_400, "in 30 d"),
        ] {
            assert_eq!(from_now(5_000_000_000 + seconds * 1000, 5_000_000_000), words);
        }
        assert_eq!(super::in_words(&Value::Null), "never");
    }
}
