//! One run of a command's agent side: how far it is, and whether it is to go on.
//!
//! Whoever runs the command holds the same [`Running`] as the command's context. Neither waits for the other: of what
//! the command reports the newest alone is kept, and that it was canceled is a signal.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The longest message of a report, in characters.
const LONGEST_MESSAGE: usize = 200;

/// How far a command is, as its agent side reports it: in words, in numbers, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Progress {
    /// What is being done, for people: at most 200 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How much is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<u64>,
    /// Of how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl Progress {
    /// How much of how much is done.
    ///
    /// ```
    /// # use netignite::prelude::*;
    /// let half = Progress::of(50, 100).saying("Half of it");
    /// assert_eq!(json!(half), json!({"message": "Half of it", "done": 50, "total": 100}));
    /// ```
    pub fn of(done: u64, total: u64) -> Self {
        Self { message: String::new(), done: Some(done), total: Some(total) }
    }

    /// The same in words, too.
    #[must_use]
    pub fn saying(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// With no more words than may be sent.
    fn cut(mut self) -> Self {
        if let Some((end, _)) = self.message.char_indices().nth(LONGEST_MESSAGE) {
            self.message.truncate(end);
        }
        self
    }
}

impl From<String> for Progress {
    fn from(message: String) -> Self {
        Self::default().saying(message)
    }
}

impl From<&str> for Progress {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

/// One run of a command. A test of a command's agent side reads with it how far the command says that it is, and ends it.
///
/// ```
/// use netignite::prelude::*;
/// use netignite::testkit::FakeNetwork;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let run = Running::default();
/// let reports = run.reports();
/// let agent = FakeNetwork::new(Reachability::Up).context().with_running(run.clone());
/// agent.progress(Progress::of(1, 2).saying("Half of it"));
/// assert_eq!(reports.borrow().as_ref().map(|progress| progress.done), Some(Some(1)));
/// run.cancel();
/// agent.cancelled().await;
/// # });
/// ```
#[derive(Clone, Default)]
pub struct Running(Arc<State>);

#[derive(Default)]
struct State {
    canceled: CancellationToken,
    /// Whether the command looks itself whether it was canceled.
    looks: AtomicBool,
    progress: watch::Sender<Option<Progress>>,
}

impl Running {
    /// Has the command end.
    pub fn cancel(&self) {
        self.0.canceled.cancel();
    }

    /// Waits until the command is to end.
    pub async fn canceled(&self) {
        self.0.canceled.cancelled().await;
    }

    /// Whether the command has looked itself whether it is to end: then it sees to that.
    pub fn looks(&self) -> bool {
        self.0.looks.load(Relaxed)
    }

    /// What the command reports from now on, the newest each time.
    pub fn reports(&self) -> watch::Receiver<Option<Progress>> {
        self.0.progress.subscribe()
    }

    pub(super) fn report(&self, progress: Progress) {
        self.0.progress.send_replace(Some(progress.cut()));
    }

    pub(super) fn look(&self) -> bool {
        self.0.looks.store(true, Relaxed);
        self.0.canceled.is_cancelled()
    }

    pub(super) fn watch(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.looks.store(true, Relaxed);
        self.0.canceled.clone().cancelled_owned()
    }
}
