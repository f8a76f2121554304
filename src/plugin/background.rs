//! What plugins do in the background: tasks and timers that the stopping server ends and waits for.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::panics::text_of;
use crate::model::shutdown::Shutdown;
use crate::registry::unblocking;

/// How long what is given up gets to be dropped.
const GRACE: Duration = Duration::from_secs(1);

/// The work of all plugins, by their names.
#[derive(Default)]
pub(super) struct Background(Mutex<HashMap<&'static str, Work>>);

/// The work of one plugin.
#[derive(Clone, Default)]
struct Work {
    tasks: TaskTracker,
    /// Says that the work is to come to its end.
    stop: Shutdown,
    /// Ends what has not ended by itself.
    kill: Shutdown,
}

impl Background {
    fn of(&self, plugin: &'static str) -> Work {
        self.0.lock().entry(plugin).or_default().clone()
    }

    /// Does `work` beside everything else. A panic in it is logged under the plugin's name.
    pub(super) fn spawn<F, W>(&self, plugin: &'static str, work: F)
    where
        F: FnOnce(Shutdown) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let Work { tasks, stop, kill } = self.of(plugin);
        tasks.spawn(async move {
            let work = caught(plugin, async move { work(stop).await });
            tokio::select! {
                biased;
                () = kill.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Has a plugin's work end, and waits for it, but not for longer than `patience`.
    pub(super) async fn end(&self, plugin: &'static str, patience: Duration) -> bool {
        let Work { tasks, stop, kill } = self.of(plugin);
        stop.cancel();
        tasks.close();
        if tokio::time::timeout(patience, tasks.wait()).await.is_ok() {
            return true;
        }
        kill.cancel();
        let _ = tokio::time::timeout(GRACE, tasks.wait()).await;
        false
    }
}

/// The work to its end; a panic ends it alone, and the log says if it blocks its thread.
async fn caught(plugin: &'static str, work: impl Future<Output = ()>) {
    let mut work = pin!(unblocking(format!("work of the plugin {plugin}"), work));
    std::future::poll_fn(|cx| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| {
            let text = text_of(&*panic);
            tracing::error!(plugin, "work of the plugin {plugin} panicked and has ended: {text}");
            Poll::Ready(())
        })
    })
    .await;
}
