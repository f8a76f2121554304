//! The service's clockwork: what comes up on the wheel is worked off until the service has stopped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::agent::Agent;
use super::close::Why;
use super::core::{Due, Task};
use super::outlet::FAREWELL;
use super::{Control, RETRY, wheel};
use crate::model::shutdown::Shutdown;

/// Entries of the wheel that are worked off before other tasks get their turn.
const BATCH: usize = 64;
/// A tick that comes so late does because the process stood still.
const STANDSTILL: Duration = Duration::from_secs(5);
/// The steps in which connections are closed at the end.
const CLOSING_STEP: Duration = Duration::from_millis(50);

impl Control {
    /// Starts the clockwork of heartbeats, pings and time-outs. It runs until [`Control::stop`] is done, so that
    /// commands still under way end; once `shutdown` begins, no agent is admitted and no new command taken.
    pub fn start(self: &Arc<Self>, shutdown: Shutdown) {
        let (control, stopped) = (Arc::downgrade(self), self.stopped.clone());
        tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(wheel::TICK));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                let due = tokio::select! {
                    due = ticks.tick() => due,
                    () = stopped.cancelled() => return,
                };
                let Some(control) = control.upgrade() else { return };
                if due.elapsed() >= STANDSTILL {
                    control.core.stood_still();
                }
                if shutdown.is_cancelled() {
                    control.stopping.store(true, SeqCst);
                }
                control.tick().await;
            }
        });
    }

    /// Works off what came up on the wheel.
    pub(super) async fn tick(&self) {
        for (i, due) in self.core.timer.due().into_iter().enumerate() {
            // All agents depend on this task: whatever goes wrong with one of them must not end it.
            let done = catch_unwind(AssertUnwindSafe(|| self.work_off(&due)));
            if done.is_err() {
                tracing::error!(
                    agent = due.agent.id(),
                    "looking after an agent panicked; the others are looked after"
                );
                // Its heartbeats and its end hang on this entry.
                let again = self.core.now() + wheel::millis(RETRY);
                self.core.timer.at(again, Due { agent: due.agent, task: due.task });
            }
            if i % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn work_off(&self, Due { agent, task }: &Due) {
        match *task {
            Task::KeepAlive(epoch) => agent.keep_alive(&self.core, epoch),
            Task::Deadlines => agent.deadlines(&self.core),
            #[cfg(test)]
            Task::Panic => panic!("a fault of the tests"),
        }
    }

    /// Admits no one any more, fails what is under way, and ends every connection with 1001, spread over `spread`;
    /// resolves when the connections are gone, or a few seconds later.
    pub async fn stop(&self, spread: Duration) {
        self.stopping.store(true, SeqCst);
        let agents = self.online();
        agents.iter().for_each(|agent| agent.fail_commands());
        let steps = spread.div_duration_f64(CLOSING_STEP).max(1.0);
        let steps = agents.len().min(steps as usize).max(1);
        for (i, step) in agents.chunks(agents.len().div_ceil(steps).max(1)).enumerate() {
            if i > 0 {
                sleep(spread / u32::try_from(steps).unwrap_or(1)).await;
            }
            step.iter().for_each(|agent| agent.disconnect(&self.core, Why::Stopping));
        }
        // Whoever was just being admitted when the door was closed.
        self.online().iter().for_each(|agent| agent.disconnect(&self.core, Why::Stopping));
        self.tasks.close();
        if timeout(FAREWELL + RETRY, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "some agents' connections did not end in time");
        }
        self.stopped.cancel();
    }

    fn online(&self) -> Vec<Arc<Agent>> {
        self.agents.read().values().filter(|agent| agent.is_online()).cloned().collect()
    }
}
