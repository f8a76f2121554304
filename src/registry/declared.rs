//! What a command declares of itself: checked while it is compiled, and once more at the start.
//!
//! `register_command!` has the compiler do it, which then points at the line of the macro. What only a running program
//! knows, such as the schema of the payload or another command of the same name, is left to the start.

use std::time::Duration;

use super::command::{Class, Command};
use super::wire::{CANCEL, PROGRESS};
use crate::model::agent_about::is_command_name;
use crate::text::is_one_line;

/// The longest summary, in characters.
const LONGEST_SUMMARY: usize = 100;
/// The shortest time-out.
const SHORTEST: Duration = Duration::from_millis(100);

/// The longest time-out of a command.
pub(super) const fn longest(class: Class) -> Duration {
    Duration::from_secs(if matches!(class, Class::Long) { 3600 } else { 60 })
}

/// Whether the protocol itself has a frame of the name.
pub(super) const fn is_reserved(name: &str) -> bool {
    is_equal(name, CANCEL) || is_equal(name, PROGRESS)
}

/// Whether a text can be a command's summary.
pub(super) const fn is_summary(summary: &str) -> bool {
    is_one_line(summary, LONGEST_SUMMARY)
}

/// Whether the server can keep a time-out.
pub(super) const fn is_timeout(timeout: Duration, class: Class) -> bool {
    timeout.as_millis() >= SHORTEST.as_millis() && timeout.as_nanos() <= longest(class).as_nanos()
}

/// `==`, which the compiler does not offer for texts while it compiles.
const fn is_equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    one.len() == other.len()
}

/// Ends the compilation where what `C` declares can be used by no program.
#[doc(hidden)]
#[track_caller]
pub const fn declared<C: Command>() {
    assert!(is_command_name(C::NAME), "the NAME of a command must be 1 to 32 characters of A-Z, 0-9 and _");
    assert!(
        !is_reserved(C::NAME),
        "CANCEL and PROGRESS are frames of the agent protocol: choose another NAME"
    );
    assert!(is_summary(C::SUMMARY), "the SUMMARY of a command must be one line of 1 to 100 characters");
    assert!(
        is_timeout(C::TIMEOUT, C::CLASS),
        "the TIMEOUT of a command must be 0.1 s to 60 s, or up to an hour where its CLASS is Class::Long"
    );
}
