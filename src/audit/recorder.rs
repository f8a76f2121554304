//! Writes what is noted besides changes, behind the back of whoever did it.
//!
//! Noting costs a lock and a look into a map; a task writes once a second what has come together, in one transaction.
//! A server that is killed loses that second, one that stops in order nothing. What cannot be written, as on a full disk,
//! waits until it can; beyond what fits it is counted, and an entry tells how much was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::tally::Tally;
use super::{Entry, Noted};
use crate::clock::Clock;
use crate::model::shutdown::Shutdown;
use crate::store::{Store, audit};

/// How long an entry waits for others.
const EVERY: Duration = Duration::from_secs(1);
/// Entries of one transaction, so that other writers wait a few milliseconds at most.
const CHUNK: usize = 500;

/// What is noted and not yet written.
pub struct Recorder {
    store: Store,
    clock: Clock,
    tally: Mutex<Tally>,
    /// Held while writing: entries are written in the order they were noted in, and whoever has written out knows that
    /// nothing noted before is still on its way.
    turn: tokio::sync::Mutex<()>,
    /// Notified when something is noted after a time of nothing.
    stirred: Notify,
    /// Whether the last writing failed, which is logged once.
    failing: AtomicBool,
}

impl Recorder {
    /// A recorder that has nothing to write.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            tally: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            stirred: Notify::new(),
            failing: AtomicBool::new(false),
        }
    }

    /// Notes something that was done, or that failed.
    pub fn note(&self, entry: Entry) {
        self.add(|tally| tally.add_done(Noted { entry, only_if_there: false }));
    }

    /// Notes a refusal, which is counted with others like it.
    pub fn refuse(&self, refused: Noted) {
        self.add(|tally| tally.add_refused(refused));
    }

    fn add(&self, add: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally.lock();
        let idle = tally.is_idle();
        add(&mut tally);
        drop(tally);
        if idle {
            self.stirred.notify_one();
        }
    }

    /// Writes every second what was noted, until `shutdown` begins; what is left then, [`finish`](Self::finish) writes.
    pub async fn run(&self, shutdown: Shutdown) {
        let work = async {
            loop {
                self.stirred.notified().await;
                while !self.tally.lock().is_idle() {
                    sleep(EVERY).await;
                    self.write_out().await;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    /// Writes what was noted so far, except for refusals that are still being counted.
    pub async fn write_out(&self) {
        self.write(false).await;
    }

    /// Writes everything. Called when the server stops.
    pub async fn finish(&self) {
        self.write(true).await;
    }

    async fn write(&self, end: bool) {
        let _turn = self.turn.lock().await;
        let due: Arc<[Noted]> = self.tally.lock().take(self.clock.now(), end).into();
        for start in (0..due.len()).step_by(CHUNK) {
            let written = due.clone();
            let written = self.store.write(move |db| {
                written.iter().skip(start).take(CHUNK).try_for_each(|noted| audit::insert_noted(db, noted))
            });
            if let Err(e) = written.await {
                self.tally.lock().put_back(due.iter().skip(start).cloned());
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!("The audit log cannot be written and waits in memory: {e}");
                }
                return;
            }
        }
        if !due.is_empty() && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("The audit log is written again");
        }
    }
}
