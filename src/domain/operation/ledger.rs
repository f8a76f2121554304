//! Stores the steps of operations: those of many as one write, so that the queues of a thousand agents take one place
//! among those who write, and share a commit.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::Operations;
use super::machine::{Input, step};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::operation::{Operation, reason};
use crate::store::{Conn, operation_trail, operations, standing};

/// Steps of one write.
const SOME: usize = 128;

/// What waits to be stored.
#[derive(Default)]
pub(super) struct Ledger {
    waiting: Mutex<Vec<Waiting>>,
    stirred: Notify,
}

struct Waiting {
    known: Operation,
    input: Input,
    done: oneshot::Sender<Result<Option<Operation>>>,
}

impl Operations {
    /// Stores what `input` makes of an operation as it is `known`, or as it is by then. Answers what it is now; none if
    /// that changes nothing.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) async fn step(&self, known: Operation, input: Input) -> Result<Option<Operation>> {
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
        let steps = Arc::new(steps);
        let clock = host.clock.clone();
        let stored = host.store.write({
            let steps = steps.clone();
            move |db| {
                let now = clock.now();
                steps.iter().map(|(known, input)| apply(db, known, input, now)).collect::<Result<Vec<_>>>()
            }
        });
        match stored.await {
            Ok(stored) => {
                for (now, caller) in stored.into_iter().zip(callers) {
                    if let Some(now) = &now {
                        self.published(host, now);
                    }
                    let _ = caller.send(Ok(now));
                }
            }
            Err(e) => {
                tracing::warn!(steps = steps.len(), "What became of operations could not be stored: {e}");
                for caller in callers {
                    let _ = caller.send(Err(e.clone()));
                }
            }
        }
    }
}

/// Stores one step. Whoever may no longer have done what an operation is about does not have it sent either.
pub(super) fn apply(db: &Conn, known: &Operation, input: &Input, now: i64) -> Result<Option<Operation>> {
    let refused = Input::Refused(
        reason::NOT_ALLOWED.into(),
        "Whoever asked for this may no longer do so: it was not sent",
    );
    let input = if *input == Input::Turn && !is_allowed(db, known, now)? { &refused } else { input };
    if let Some(next) = step(known, input, now)
        && operations::save(db, &next.after)?
    {
        next.trail.iter().try_for_each(|entry| operation_trail::insert(db, known.id, entry))?;
        return Ok(Some(next.after));
    }
    // Somebody changed it since.
    let Some(stored) = operations::get(db, known.id)?.filter(|stored| stored.version != known.version) else {
        return Ok(None);
    };
    let Some(next) = step(&stored, input, now) else { return Ok(None) };
    if !operations::save(db, &next.after)? {
        return Ok(None);
    }
    next.trail.iter().try_for_each(|entry| operation_trail::insert(db, known.id, entry))?;
    Ok(Some(next.after))
}

/// Whether whoever made an operation may still have it done.
fn is_allowed(db: &Conn, operation: &Operation, now: i64) -> Result<bool> {
    use crate::model::operation::{MakerKind, OperationKind};
    use crate::model::permission::{Permission, Role};
    use crate::model::reach::{Reach, Right, Whose};
    use crate::store::devices;

    let Some(user) = operation.maker.user else { return Ok(true) };
    let standing = match (operation.maker.kind, operation.maker.id) {
        (MakerKind::Token, Some(token)) => standing::of_token(db, user, token, now)?,
        _ => standing::of_user(db, user)?,
    };
    let Some(standing) = standing else { return Ok(false) };
    if user == operation.owner
        || crate::model::permission::allowed(
            standing.role,
            Permission::AgentsCommand,
            crate::model::permission::Scope::Any,
        )
    {
        debug_assert!(standing.role >= Role::User);
        return Ok(true);
    }
    // A share is good for waking alone.
    let Some(device) = operation.device.filter(|_| operation.kind == OperationKind::Wake) else {
        return Ok(false);
    };
    let reach = Reach { whose: Whose::User(user), shared: Some((Right::Wake, now)), only: None };
    Ok(devices::get(db, &reach, device)?.is_some())
}
