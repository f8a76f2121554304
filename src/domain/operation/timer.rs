//! Time: what expires, times out or may be tried again does so by itself, whether anybody looks or not.
//!
//! One clockwork for all: it knows when something is due first, and asks the database only then. When the wall clock is
//! set, what is due moves along: nothing ends before its time, and nothing waits for years.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::Operations;
use super::ledger::apply;
use super::machine::Input;
use crate::clock::Millis;
use crate::error::Result;
use crate::host::Host;
use crate::model::operation::{Operation, State};
use crate::store::{Conn, operation_times, operations};

/// How often it is looked whether something is due, and whether the wall clock was set.
const TICK: Duration = Duration::from_millis(100);
/// The same while nothing is live: an idle server wakes its machine seldom.
const IDLE_TICK: Duration = Duration::from_millis(500);
/// By how many milliseconds the wall clock must be set at once for times to follow it.
const SET: Millis = 2000;
/// How long the clockwork waits where the database refuses.
const AGAIN: Millis = 1000;

impl Operations {
    pub(super) async fn keep_time(self: &Arc<Self>, host: &Host) {
        // Whatever was due before the start is found by the first look.
        self.first_due.store(0, Ordering::Relaxed);
        let now = host.clock.now();
        if let Err(e) = host.store.write(move |db| operation_times::recall(db, now)).await {
            tracing::warn!(
                "Operations that were made by a clock that was ahead could not be looked for: {e}"
            );
        }
        let mut ahead = host.clock.ahead();
        loop {
            let idle = self.first_due.load(Ordering::Relaxed) == Millis::MAX;
            tokio::select! {
                () = sleep(if idle { IDLE_TICK } else { TICK }) => {}
                () = self.due.notified(), if idle => continue,
            }
            let is_ahead = host.clock.ahead();
            if let (Some(was), Some(is)) = (ahead, is_ahead)
                && (is - was).abs() >= SET
            {
                // Before anything is worked off: as much time as before is left for each, and no more.
                let clock = host.clock.clone();
                let shift = move |db: &Conn| operation_times::shift(db, is - was, clock.now());
                if let Err(e) = host.store.write(shift).await {
                    tracing::warn!("The times of operations could not follow the wall clock: {e}");
                    continue;
                }
                self.first_due.store(0, Ordering::Relaxed);
            }
            ahead = is_ahead.or(ahead);
            let now = host.clock.now();
            if self.first_due.load(Ordering::Relaxed) > now {
                continue;
            }
            // What is made meanwhile sets it again.
            self.first_due.store(Millis::MAX, Ordering::Relaxed);
            if let Err(e) = self.work_off_due(host, now).await {
                tracing::warn!("What is due of operations could not be worked off: {e}");
                self.first_due.fetch_min(now + AGAIN, Ordering::Relaxed);
            }
        }
    }

    async fn work_off_due(&self, host: &Host, now: Millis) -> Result<()> {
        loop {
            let due = host.store.read(move |db| operations::due(db, now)).await?;
            if due.is_empty() {
                break;
            }
            let many = due.len();
            let connected =
                |operation: &Operation| operation.agent.is_some_and(|agent| host.control.is_online(agent));
            let due: Vec<_> = due.into_iter().map(|operation| (connected(&operation), operation)).collect();
            // By the time of the look: set back meanwhile, the clock would leave all of it due by that time, for ever.
            let stored = host.store.write(move |db| {
                let one = |(connected, operation): (bool, Operation)| {
                    let ended = apply(db, &operation, &Input::Tick(connected), now)?;
                    if ended.is_none() && operation.state == State::Queued {
                        // Its next attempt may be made; it has to be sent in time all the same.
                        let later = Operation {
                            due_at: Some(operation.deliver_by),
                            version: operation.version + 1,
                            ..operation
                        };
                        return Ok(operations::save(db, &later)?.then_some((later, false)));
                    }
                    Ok(ended.map(|ended| (ended, true)))
                };
                due.into_iter().map(one).collect::<Result<Vec<_>>>()
            });
            let mut changed = 0;
            for (operation, ended) in stored.await?.into_iter().flatten() {
                changed += 1;
                if ended {
                    self.published(host, &operation);
                } else if let Some(agent) = operation.agent {
                    self.look_at(agent);
                }
            }
            if changed == 0 && many > 0 {
                // Others are changing them at this moment.
                break;
            }
        }
        if let Some(first) = host.store.read(operations::first_due).await? {
            self.first_due.fetch_min(first.max(now + 1), Ordering::Relaxed);
        }
        Ok(())
    }
}
