//! Log lines that the other end can cause. A server that floods its agent must not fill the agent's disk: of each kind
//! a few lines a minute are written, and how many more there were. What the other end said is cut, and shown without
//! what steers a terminal.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use crate::model::shown::Hidden;

/// The lines of a kind that are written in one [`WINDOW`].
const LINES: u32 = 10;
/// Over how long lines are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// How much of a text from the other end is shown.
const SHOWN: usize = 200;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message that is no command.
    Nonsense,
    /// A command that was not begun.
    Refused,
    /// A command that ended in a panic.
    Failed,
    /// A command that blocked its thread.
    Blocked,
    /// A command that was answered.
    Answered,
    /// A reply that was too large to be sent.
    TooLarge,
    /// What has to do with the agent's secret.
    Secret,
    /// A connection that was made, was not made, or ended.
    Connection,
}

/// How many kinds there are.
const KINDS: usize = Kind::Connection as usize + 1;

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Nonsense => "messages that are no command",
            Self::Refused => "refused commands",
            Self::Failed => "failed commands",
            Self::Blocked => "commands that blocked their thread",
            Self::Answered => "answered commands",
            Self::TooLarge => "replies that were too large",
            Self::Secret => "the agent's secret",
            Self::Connection => "the connection",
        }
    }
}

/// The lines of a kind in the present window.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    since: Option<Instant>,
    written: u32,
    suppressed: u64,
}

/// Counts lines by kind.
#[derive(Debug, Default)]
pub(super) struct Chatter {
    counts: Mutex<[Count; KINDS]>,
    /// What a line that comes once was written about.
    logged: Mutex<HashSet<&'static str>>,
}

const ALL: [Kind; KINDS] = [
    Kind::Nonsense,
    Kind::Refused,
    Kind::Failed,
    Kind::Blocked,
    Kind::Answered,
    Kind::TooLarge,
    Kind::Secret,
    Kind::Connection,
];

impl Chatter {
    /// Writes `line` unless there were too many of its kind.
    pub(super) fn say(&self, kind: Kind, line: impl FnOnce()) {
        self.settle();
        if self.count(kind, Instant::now()) {
            line();
        }
    }

    /// Writes `line` unless one about the same was written so before.
    pub(super) fn say_once(&self, about: &'static str, line: impl FnOnce()) {
        if self.logged.lock().insert(about) {
            line();
        }
    }

    /// Says how many lines were suppressed, as soon as the time they are counted over has passed.
    pub(super) fn settle(&self) {
        self.report(Instant::now(), WINDOW);
    }

    /// Says so at once.
    pub(super) fn finish(&self) {
        self.report(Instant::now(), Duration::ZERO);
    }

    /// Counts a line, and decides whether it is written.
    fn count(&self, kind: Kind, now: Instant) -> bool {
        let mut counts = self.counts.lock();
        let count = &mut counts[kind as usize];
        count.since.get_or_insert(now);
        if count.written < LINES {
            count.written += 1;
            true
        } else {
            count.suppressed += 1;
            false
        }
    }

    fn report(&self, now: Instant, after: Duration) {
        for kind in ALL {
            if let Some(suppressed) = self.over(kind, now, after) {
                tracing::warn!("{suppressed} more lines about {} suppressed", kind.name());
            }
        }
    }

    /// Ends a kind's window once it has lasted for `after`; gives how many lines it suppressed, if any.
    fn over(&self, kind: Kind, now: Instant, after: Duration) -> Option<u64> {
        let mut counts = self.counts.lock();
        let count = &mut counts[kind as usize];
        let suppressed = count.suppressed;
        if count.since.is_some_and(|since| now.duration_since(since) >= WINDOW) {
            *count = Count::default();
        } else if count.since.is_some_and(|since| now.duration_since(since) >= after) {
            // What is written is still counted.
            count.suppressed = 0;
        } else {
            return None;
        }
        (suppressed > 0).then_some(suppressed)
    }
}

/// Text from the other end as it may stand in a line.
pub(super) fn shown(text: &str) -> String {
    let mut short: String =
        text.chars().take(SHOWN).map(|c| if Hidden::of(c).is_some() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_writes_few_lines_and_their_number() {
        let (chatter, start) = (Chatter::default(), Instant::now());
        let written = (0..10_000).filter(|_| chatter.count(Kind::Nonsense, start)).count();
        assert_eq!(written, LINES as usize);
        assert!(chatter.count(Kind::Refused, start), "another kind is not concerned");
        assert_eq!(chatter.over(Kind::Nonsense, start + WINDOW / 2, WINDOW), None);
        assert_eq!(chatter.over(Kind::Nonsense, start + WINDOW, WINDOW), Some(9_990));
        assert_eq!(chatter.over(Kind::Nonsense, start + WINDOW, WINDOW), None, "said once");
        assert!(chatter.count(Kind::Nonsense, start + WINDOW));
    }

    #[test]
    fn the_end_of_a_connection_opens_no_new_room() {
        let (chatter, start) = (Chatter::default(), Instant::now());
        for _ in 0..20 {
            chatter.count(Kind::Refused, start);
        }
        assert_eq!(chatter.over(Kind::Refused, start, Duration::ZERO), Some(10));
        assert!(!chatter.count(Kind::Refused, start));
    }

    #[test]
    fn what_the_other_end_said_is_cut_and_cannot_steer() {
        let text = shown("a\u{1b}[31m\r\nb\u{202e}c\u{2028}d\u{200b}e\u{feff}ü");
        assert_eq!(text, "a\u{fffd}[31m\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}ü");
        assert_eq!(shown(&"x".repeat(100_000)).chars().count(), SHOWN + 1);
        assert_eq!(shown(&"x".repeat(SHOWN)).len(), SHOWN);
    }
}
