//! Stores the steps of operations: those of many as one write, so that the queues of a thousand agents take one place
//! among those who write, and share a commit.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::Operations;
use super::machine::{Input, step};
use super::right::Rights;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::operation::{Operation, reason};
use crate::store::{Conn, operation_trail, operations};

/// Steps of one write.
const SOME: usize = 128;

/// What waits to be stored.
#[derive(Default)]
pub(super) struct Ledger {
    waiting: Mutex<Vec<Waiting>>,
    stirred: Notify,
}

struct Waiting {
    known: Arc<Operation>,
    input: Input,
    done: oneshot::Sender<Result<Option<Arc<Operation>>>>,
}

impl Operations {
    /// Stores what `input` makes of an operation as it is `known`, or as it is by then. Answers what it is now; none if
    /// that changes nothing.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) async fn step(&self, known: Arc<Operation>, input: Input) -> Result<Option<Arc<Operation>>> {
        let (done, stored) = oneshot::channel();
        self.ledger.waiting.lock().push(Waiting { known, input, done });
        self.ledger.stirred.notify_one();
        stored.await.unwrap_or_else(|_| Err(Error::internal("the server is stopping")))
    }

    /// Stores what waits, as it comes.
    pub(super) async fn keep_ledger(&self, host: &Host) {
        loop {
            self.ledger.stirred.notified().await;
            loop {
                let some: Vec<_> = {
                    let mut waiting = self.ledger.waiting.lock();
                    let end = waiting.len().min(SOME);
                    waiting.drain(..end).collect()
                };
                if some.is_empty() {
                    break;
                }
                self.store(host, some).await;
            }
        }
    }

    async fn store(&self, host: &Host, some: Vec<Waiting>) {
        let (steps, callers): (Vec<_>, Vec<_>) =
            some.into_iter().map(|one| ((one.known, one.input), one.done)).unzip();
        match self.step_all(host, steps).await {
            Ok(stored) => stored.into_iter().zip(callers).for_each(|(now, caller)| {
                let _ = caller.send(Ok(now));
            }),
            Err(e) => {
                tracing::warn!(steps = callers.len(), "What became of operations could not be stored: {e}");
                for caller in callers {
                    let _ = caller.send(Err(e.clone()));
                }
            }
        }
    }

    /// As [`step`](Self::step), for many at once and in one write.
    ///
    /// # Errors
    /// The database refuses; then none is stored.
    pub(super) async fn step_all(
        &self,
        host: &Host,
        steps: Vec<(Arc<Operation>, Input)>,
    ) -> Result<Vec<Option<Arc<Operation>>>> {
        let clock = host.clock.clone();
        let stored = host.store.write(move |db| {
            let now = clock.now();
            let mut rights = Rights::default();
            let mut one = |(known, input): &(Arc<Operation>, Input)| {
                Ok(apply_with(db, known, input, now, &mut rights)?.map(Arc::new))
            };
            steps.iter().map(&mut one).collect::<Result<Vec<_>>>()
        });
        let stored = stored.await?;
        stored.iter().flatten().for_each(|now| self.published(host, now));
        Ok(stored)
    }
}

/// Stores one step. Whoever may no longer have done what an operation is about does not have it sent either.
pub(super) fn apply(db: &Conn, known: &Operation, input: &Input, now: i64) -> Result<Option<Operation>> {
    apply_with(db, known, input, now, &mut Rights::default())
}

fn apply_with(
    db: &Conn,
    known: &Operation,
    input: &Input,
    now: i64,
    rights: &mut Rights,
) -> Result<Option<Operation>> {
    let refused = Input::Refused(
        reason::NOT_ALLOWED.into(),
        "Whoever asked for this may no longer do so: it was not sent",
    );
    let input = if *input == Input::Turn && !rights.allow(db, known, now)? { &refused } else { input };
    let take = |known: &Operation| {
        // Of one that was at most sent once, the times that are stored with it say when.
        let last = if known.version > 1 { operation_trail::last(db, known.id)? } else { 0 };
        let Some(next) = step(known, input, now, last) else { return Ok(None) };
        Ok(operations::change(db, &next.after, &next.trail)?.then_some(next.after))
    };
    if let Some(after) = take(known)? {
        return Ok(Some(after));
    }
    // Somebody changed it since.
    match operations::get(db, known.id)?.filter(|stored| stored.version != known.version) {
        Some(stored) => take(&stored),
        None => Ok(None),
    }
}
