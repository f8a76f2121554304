//! Numbers on the command line: whole ones within bounds. What is none of these is refused with what is expected.

use std::ops::RangeInclusive;

/// Seconds, with an example as all of these.
pub(super) const SECONDS: &str = "a whole number of seconds, such as 60";
/// Minutes.
pub(super) const MINUTES: &str = "a whole number of minutes, such as 60";
/// Hours.
pub(super) const HOURS: &str = "a whole number of hours, such as 24";
/// Days.
pub(super) const DAYS: &str = "a whole number of days, such as 90";
/// How many there are of something.
pub(super) const COUNT: &str = "a whole number, such as 50";
/// A port.
pub(super) const PORT: &str = "the number of a port, such as 9";
/// The ports there are.
pub(super) const PORTS: RangeInclusive<i64> = 1..=65535;

/// Reads a number, or says what is expected: `what`, within `bounds`.
pub(super) fn number<T: TryFrom<i64>>(
    what: &'static str,
    bounds: RangeInclusive<i64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.trim().parse().ok().filter(|number| bounds.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| expected(what, &bounds))
    }
}

/// Reads an ID.
pub(super) fn id(text: &str) -> Result<i64, String> {
    number("an ID, which is a whole number such as 7", 1..=i64::MAX)(text)
}

fn expected(what: &str, bounds: &RangeInclusive<i64>) -> String {
    match (bounds.start(), bounds.end()) {
        (least, &i64::MAX) => format!("expected {what}, at least {least}"),
        (least, most) => format!("expected {what}, from {least} to {most}"),
    }
}
