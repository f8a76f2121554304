//! A step of the start: its line in the log, or why it failed.

use std::fmt;
use std::time::{Duration, Instant};

use tracing::info;

/// Why the server did not start: one line that names the thing and the remedy.
#[derive(Debug)]
pub struct StartError(String);

impl StartError {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// One step of the start, which ends with one log line.
pub(super) struct Step {
    name: &'static str,
    begun: Instant,
}

impl Step {
    pub(super) fn begin(name: &'static str) -> Self {
        Self { name, begun: Instant::now() }
    }

    pub(super) fn done(self, what: impl fmt::Display) {
        log_step(self.name, self.begun.elapsed(), what);
    }
}

/// Logs that a step of the start is done, and how long it took.
pub fn log_step(name: &str, took: Duration, what: impl fmt::Display) {
    // In milliseconds, to a tenth.
    let took_ms = (took.as_secs_f64() * 1e4).round() / 10.0;
    info!(step = name, took_ms, "{name}: {what}");
}
