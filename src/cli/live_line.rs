//! The line of a terminal that changes while something goes on. It is on standard error, so that answers stay alone.

use std::io::{self, IsTerminal, Write as _};

use super::output::printable;

/// How wide a terminal is that does not say it.
const WIDTH: usize = 80;

/// A line that is drawn anew in its place, where there is a terminal that can.
pub(super) struct LiveLine {
    on: bool,
}

impl LiveLine {
    /// A line; none if nothing but the answer is wanted.
    pub(super) fn new(quiet: bool) -> Self {
        let plain = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self { on: !quiet && !plain && io::stderr().is_terminal() }
    }

    /// Whether there is one.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Draws it in the place of what it was, harmless, and cut where the terminal ends: it could not take back a second
    /// line.
    pub(super) fn draw(&self, line: &str) {
        let line: String = printable(line).chars().take(width().saturating_sub(1)).collect();
        self.write(&format!("\r\u{1b}[K{line}"));
    }

    /// Leaves it as it is.
    pub(super) fn leave(&self) {
        self.write("\n");
    }

    /// Takes it away.
    pub(super) fn clear(&self) {
        self.write("\r\u{1b}[K");
    }

    fn write(&self, text: &str) {
        if self.on {
            // Whoever does not read it misses it.
            let mut terminal = io::stderr().lock();
            let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
        }
    }
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(WIDTH)
}
