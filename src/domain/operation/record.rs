//! What was done while its caller waited, stored as an operation afterwards and behind the caller's back.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::Operations;
use super::machine::{Input, NOT_KNOWN};
use super::queue::reply_of;
use crate::control::{DispatchError, Witness, Witnessed};
use crate::domain::By;
use crate::domain::command_error::agent_text;
use crate::domain::server_side;
use crate::host::Host;
use crate::model::operation::{Operation, OperationKind, State, Word, agent_code, reason};
use crate::registry::CommandEntry;
use crate::store::operation_rows;

/// How long one waits for others.
const EVERY: Duration = Duration::from_millis(500);
/// How often it is tried to record a late answer.
const LOOKS: u32 = 60;
/// Operations of one transaction: pages that many of them share are written once.
const CHUNK: usize = 2000;
/// Operations that wait in memory at most.
const MOST: usize = 20_000;

/// What is still to be stored.
#[derive(Default)]
pub struct Recorded {
    waiting: Mutex<Vec<Operation>>,
    stirred: Notify,
    /// How many found no room since that was logged last.
    dropped: AtomicU64,
}

/// What was asked of an agent directly.
pub(in crate::domain) struct Direct {
    pub(in crate::domain) kind: OperationKind,
    pub(in crate::domain) owner: i64,
    pub(in crate::domain) agent: i64,
    pub(in crate::domain) device: Option<i64>,
    pub(in crate::domain) entry: &'static CommandEntry,
    pub(in crate::domain) payload: String,
    pub(in crate::domain) began: i64,
}

/// A command on its way to an agent whose caller waits. What comes of it is noted with [`ended`](Self::ended); dropped
/// before, because whoever asked may no longer do so, it is noted all the same if it was sent by then.
pub(in crate::domain) struct Watched<'a> {
    by: &'a By,
    /// None once it is noted.
    watched: Option<(Direct, Witnessed)>,
}

impl<'a> Watched<'a> {
    /// One, and what learns of it that it was sent.
    pub(in crate::domain) fn new(by: &'a By, direct: Direct) -> (Self, Witness) {
        let (witness, witnessed) = Witness::new();
        (Self { by, watched: Some((direct, witnessed)) }, witness)
    }

    /// Notes how it ended, and waits for what its agent answers late where it timed out. One that was never sent is none.
    pub(in crate::domain) fn ended<T: AsRef<str>>(
        mut self,
        outcome: std::result::Result<Option<T>, &DispatchError>,
    ) {
        if let Some((direct, witnessed)) = self.watched.take().filter(|(_, witnessed)| witnessed.was_sent()) {
            note(self.by, direct, End::Outcome(outcome), witnessed);
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if let Some((direct, witnessed)) = self.watched.take().filter(|(_, witnessed)| witnessed.was_sent()) {
            note(self.by, direct, End::<&str>::GivenUp, witnessed);
        }
    }
}

/// How a command ended that was sent directly.
enum End<'a, T> {
    Outcome(std::result::Result<Option<T>, &'a DispatchError>),
    /// Whoever asked may no longer do so.
    GivenUp,
}

fn note<T: AsRef<str>>(by: &By, direct: Direct, end: End<'_, T>, late: Witnessed) {
    let code = match &end {
        End::Outcome(Err(DispatchError::Failed(said))) => said.code.as_deref(),
        _ => None,
    };
    let evidence = code.map(agent_code);
    let (state, why, message, said, result): (_, Option<&'static str>, _, Option<String>, _) = match end {
        End::GivenUp => (
            State::TimedOut,
            Some(reason::NOT_ALLOWED),
            "Whoever asked for this may no longer do so. It was sent before; whether it was done is unknown",
            None,
            None,
        ),
        End::Outcome(outcome) => match outcome {
            Ok(result) => (
                State::Succeeded,
                None,
                "The agent answered that it was done",
                None,
                result.map(|json| json.as_ref().to_owned()),
            ),
            Err(DispatchError::Failed(said)) => (
                State::Failed,
                Some(reason::COMMAND_FAILED),
                "The agent answered that it could not do it",
                Some(agent_text(&said.message)),
                None,
            ),
            Err(DispatchError::BadReply(_)) => (
                State::Failed,
                Some(reason::BAD_REPLY),
                "The agent answered something that is no reply to this command; its firmware may not fit this server",
                None,
                None,
            ),
            Err(DispatchError::TimedOut) => (
                State::TimedOut,
                Some(reason::AGENT_TIMEOUT),
                "The agent did not answer in time; whether it did what was asked is unknown",
                None,
                None,
            ),
            Err(DispatchError::GivenUp) => (
                State::Canceled,
                Some(reason::CANCELED),
                "Whoever asked hung up before the agent answered; an agent that understands it was asked to end it",
                None,
                None,
            ),
            Err(DispatchError::Disconnected) => (
                State::TimedOut,
                Some(reason::CONNECTION_LOST),
                "The connection to the agent was lost before the agent answered; whether it did what was asked is unknown",
                None,
                None,
            ),
            Err(DispatchError::Unsupported) => {
                (State::Failed, Some(reason::COMMAND_NOT_SUPPORTED), NOT_KNOWN, None, None)
            }
            Err(
                DispatchError::Offline
                | DispatchError::Busy
                | DispatchError::Payload(_)
                | DispatchError::TooLong,
            ) => return,
        },
    };
    let operations = Operations::of(&by.host);
    let ended = by.now().max(direct.began);
    let operation = Operation {
        id: operations.ids.next(direct.began),
        kind: direct.kind,
        state,
        reason: why.map(Word::Borrowed),
        message: message.to_owned(),
        said: said.filter(|said| !said.is_empty()),
        owner: direct.owner,
        agent: Some(direct.agent),
        device: direct.device,
        command: direct.entry.name.to_owned(),
        payload: direct.payload,
        result,
        evidence,
        attempts: 1,
        max_attempts: 1,
        created_at: direct.began,
        deliver_by: direct.began + 25_000,
        started_at: Some(direct.began),
        ended_at: Some(ended),
        maker: super::maker(by),
        parent: None,
        run_timeout: i64::try_from(direct.entry.timeout.as_millis()).unwrap_or(i64::MAX),
        repeatable: direct.entry.idempotent,
        class: super::class(direct.entry),
        not_before: 0,
        due_at: None,
        progress: None,
        direct: true,
        version: 0,
    };
    let mut waiting = operations.recorded.waiting.lock();
    if waiting.len() >= MOST {
        operations.recorded.dropped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let first = waiting.is_empty();
    let unanswered = [Some(reason::AGENT_TIMEOUT), Some(reason::NOT_ALLOWED)].contains(&why);
    let followed = unanswered.then(|| operation.clone());
    waiting.push(operation);
    drop(waiting);
    // The last futures may be dropped when the runtime is gone already.
    if let (Some(operation), Ok(runtime)) = (followed, Handle::try_current()) {
        runtime.spawn(follow(by.host.clone(), direct.entry, operation, late));
    }
    if first {
        operations.recorded.stirred.notify_one();
    }
}

/// Waits until an answer comes that is late, or none can come any more, and records it.
async fn follow(host: Arc<Host>, entry: &'static CommandEntry, operation: Operation, late: Witnessed) {
    let answered = tokio::select! {
        answered = late.reply() => answered,
        () = host.shutdown.cancelled() => return,
    };
    let Some(answered) = answered else { return };
    let agent = operation.agent.unwrap_or(0);
    let answered = match operation.kind {
        OperationKind::Command => server_side::after(&host, agent, entry, answered).await,
        OperationKind::Wake => answered,
    };
    if matches!(&answered, Err(DispatchError::Failed(said)) if said.is_canceled()) {
        return;
    }
    let operations = Operations::of(&host);
    let operation = Arc::new(operation);
    let reply = Input::Answered(reply_of(answered));
    // It may still wait to be stored itself.
    for _ in 0..LOOKS {
        if let Ok(Some(_)) = operations.step(operation.clone(), reply.clone()).await {
            return;
        }
        sleep(EVERY).await;
    }
    tracing::warn!(operation = %operation.id, "What an agent answered late could not be recorded");
}

impl Operations {
    pub(super) async fn keep_records(&self, host: &Host) {
        loop {
            self.recorded.stirred.notified().await;
            while !self.recorded.waiting.lock().is_empty() {
                sleep(EVERY).await;
                self.write_records(host).await;
                let dropped = self.recorded.dropped.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    tracing::warn!(
                        dropped,
                        "Commands were done and are not in the list of operations: {MOST} waited to be stored already. \
                         The disk does not keep up, or refuses"
                    );
                }
            }
        }
    }

    /// Stores what waits.
    pub(super) async fn write_records(&self, host: &Host) {
        loop {
            let some: Arc<[Operation]> = {
                let mut waiting = self.recorded.waiting.lock();
                let end = waiting.len().min(CHUNK);
                waiting.drain(..end).collect()
            };
            if some.is_empty() {
                return;
            }
            let rows = some.clone();
            let written = host.store.write(move |db| operation_rows::insert_all(db, &rows));
            if let Err(e) = written.await {
                tracing::warn!("Operations could not be recorded and wait in memory: {e}");
                let mut waiting = self.recorded.waiting.lock();
                let room = MOST.saturating_sub(waiting.len());
                waiting.extend(some.iter().take(room).cloned());
                return;
            }
            // Nobody waits for the end of what had ended before it was stored, and nothing is due.
            host.events.emit_all(some.iter().map(super::passed_on::changed).collect());
        }
    }
}
