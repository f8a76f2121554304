//! What the servers of this process log, for tests to look at.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};

use netignite::testkit::until;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What was logged so far.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        // What is printed so belongs to the test that runs.
        eprint!("{}", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Whether a line of the log holds `words` by now.
    pub fn has(&self, words: &str) -> bool {
        String::from_utf8_lossy(&self.0.lock().unwrap()).contains(words)
    }

    /// Whether a line of the log holds all these words by now.
    pub fn has_line(&self, words: &[&str]) -> bool {
        let log = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        log.lines().any(|line| words.iter().all(|words| line.contains(words)))
    }

    /// How often `words` stand in the log by now.
    pub fn count(&self, words: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(words).count()
    }

    /// Waits until a line of the log holds `words`.
    pub async fn until(&self, words: &str) {
        until(words, async || self.has(words).then_some(())).await;
    }
}

/// The log of this process from the first call on, which must come before the first server.
pub fn begin() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let made = log.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || made.clone()).with_ansi(false);
        let only_warnings = tracing_subscriber::filter::LevelFilter::WARN;
        tracing_subscriber::registry().with(only_warnings).with(lines).init();
        log
    })
    .clone()
}
