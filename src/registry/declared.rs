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
/// The longest that any operation waits to be sent.
const LONGEST_DELIVERY: Duration = Duration::from_hours(24);
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

/// Whether what is waited for unless somebody says otherwise is no longer than what may be said.
const fn is_delivery(within: Duration, longest: Duration) -> bool {
    within.as_secs() >= 1
        && within.as_nanos() <= longest.as_nanos()
        && longest.as_nanos() <= LONGEST_DELIVERY.as_nanos()
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
    assert!(
        is_delivery(C::DELIVER_WITHIN, C::LONGEST_DELIVERY),
        "the DELIVER_WITHIN of a command must be 1 s to its LONGEST_DELIVERY, and that a day at most"
    );
    assert!(
        !C::URGENT || matches!(C::CLASS, Class::Action | Class::Question),
        "URGENT does nothing for a command whose CLASS is Class::Long or Class::Control: leave it out"
    );
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::super::{AgentContext, CommandError, Empty};
    use super::*;

    macro_rules! tried {
        ($name:ident: $($constant:item)*) => {
            struct $name;
            impl Command for $name {
                const NAME: &'static str = "TRIED";
                const SUMMARY: &'static str = "Be tried";
                $($constant)*
                type Payload = Empty;
                type Reply = Empty;
                async fn run(_: &AgentContext, _: Empty) -> Result<Empty, CommandError> {
                    Ok(Empty {})
                }
            }
        };
    }

    tried!(Good: const URGENT: bool = true; const CLASS: Class = Class::Question;);
    tried!(Late: const DELIVER_WITHIN: Duration = Duration::from_hours(2);
        const LONGEST_DELIVERY: Duration = Duration::from_hours(1););
    tried!(Later: const LONGEST_DELIVERY: Duration = Duration::from_hours(25););
    tried!(Never: const DELIVER_WITHIN: Duration = Duration::ZERO;);
    tried!(Hurried: const URGENT: bool = true; const CLASS: Class = Class::Long;);

    #[test]
    fn what_no_program_could_use_is_not_compiled() {
        declared::<Good>();
        for (tried, words) in [
            (declared::<Late> as fn(), "DELIVER_WITHIN"),
            (declared::<Later>, "a day at most"),
            (declared::<Never>, "DELIVER_WITHIN"),
            (declared::<Hurried>, "URGENT does nothing"),
        ] {
            let panic = std::panic::catch_unwind(tried).expect_err(words);
            let said = panic.downcast_ref::<&str>().copied().unwrap_or_default();
            assert!(said.contains(words), "{said}");
        }
    }
}
