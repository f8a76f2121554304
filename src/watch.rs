//! Looks every few seconds whether what the running server stands on is still there.
//!
//! Its files in the data directory, whether writing works, the local socket, the wall clock, memory. What can be made
//! again is; of the rest the database's writer and `/readyz` say what is wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock::Millis;
use crate::host::Host;
use crate::local_socket;
use crate::lock::DataLock;
use crate::logging;
use crate::memory::Memory;
use crate::model::shutdown::Shutdown;
use crate::store::server_state;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);
/// After how many looks free memory is given back: six seconds.
const GIVE_BACK_EVERY: u32 = 3;
/// After how many looks it is noted until when the server has lived: five minutes.
const NOTE_EVERY: u32 = 150;
/// After how many looks old logs are deleted: an hour.
const TIDY_EVERY: u32 = 1800;
/// By how much the wall clock must be set to be worth a word.
const SET: Millis = 60 * 1000;

/// What is watched besides the host's own.
pub(crate) struct Watch {
    pub(crate) host: Arc<Host>,
    pub(crate) lock: Arc<DataLock>,
    pub(crate) socket: Socket,
}

/// The local socket: where it lies, and which one is ours.
pub(crate) struct Socket {
    pub(crate) path: PathBuf,
    pub(crate) identity: Arc<parking_lot::Mutex<Option<(u64, u64)>>>,
    /// Serves a listener.
    pub(crate) serve: Box<dyn Fn(UnixListener) + Send + Sync>,
}

impl Watch {
    /// Looks until `shutdown` begins.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let work = async {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut offset = offset(&self.host);
            let memory = Arc::new(parking_lot::Mutex::new(Memory::default()));
            for look in 0.. {
                ticks.tick().await;
                self.look_at_files().await;
                self.host.store.mend().await;
                self.look_at_clock(&mut offset);
                if look % GIVE_BACK_EVERY == GIVE_BACK_EVERY - 1 {
                    let memory = memory.clone();
                    let _ = tokio::task::spawn_blocking(move || memory.lock().give_back()).await;
                }
                if look % NOTE_EVERY == NOTE_EVERY - 1 {
                    note_lived(&self.host).await;
                }
                if look % TIDY_EVERY == 0 {
                    self.tidy().await;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    async fn look_at_files(&self) {
        let (store, lock) = (self.host.store.clone(), self.lock.clone());
        let (socket, own) = (self.socket.path.clone(), self.socket.identity.clone());
        let looked = tokio::task::spawn_blocking(move || {
            // What is lost is logged and kept there.
            let lost = store.look().is_err();
            lock.look();
            // Without a socket at first there is none to miss; in a directory that is gone it is not what is missed.
            !lost && own.lock().is_some() && is_missing(&socket)
        });
        if looked.await.unwrap_or_default() {
            self.listen_again();
        }
    }

    /// Makes the local socket again, which somebody deleted.
    fn listen_again(&self) {
        let path = &self.socket.path;
        match local_socket::bind(path) {
            Ok(listener) => {
                warn!("{} was deleted while the server runs, and is made again", path.display());
                *self.socket.identity.lock() = local_socket::identity(path);
                (self.socket.serve)(listener);
            }
            Err(e) => {
                warn!("{} was deleted while the server runs and cannot be made again: {e}", path.display());
                *self.socket.identity.lock() = None;
            }
        }
    }

    fn look_at_clock(&self, before: &mut Millis) {
        let now = offset(&self.host);
        let set_by = now - *before;
        *before = now;
        if set_by.abs() < SET {
            return;
        }
        let direction = if set_by > 0 { "forward" } else { "back" };
        info!(
            "the wall clock was set {direction} by {}: sessions in use go on; what is old is deleted as time is lived \
             through",
            span(set_by)
        );
        self.host.sessions.clock_was_set();
    }

    /// Deletes old log files.
    async fn tidy(&self) {
        let log = self.host.config.load().log.clone();
        let Some(until) = self.host.clock.settled() else { return };
        let tidied = tokio::task::spawn_blocking(move || logging::tidy(&log, until));
        if let Ok(Err(e)) = tidied.await {
            warn!("old log files cannot be deleted: {e}");
        }
    }
}

/// By how much the wall clock is ahead of the monotonic one.
fn offset(host: &Host) -> Millis {
    host.clock.now() - host.clock.elapsed()
}

fn is_missing(path: &Path) -> bool {
    matches!(std::fs::symlink_metadata(path), Err(e) if e.kind() == std::io::ErrorKind::NotFound)
}

/// Notes until when the server has lived, for the next start.
pub(crate) async fn note_lived(host: &Host) {
    let lived = host.clock.lived();
    if let Err(e) = host.store.write(move |db| server_state::set_lived(db, lived)).await {
        // What it means is logged where it is noticed.
        tracing::debug!("until when the server has lived was not noted: {e}");
    }
}

/// A length of time for people, roughly.
pub(crate) fn span(millis: Millis) -> String {
    let minutes = millis.unsigned_abs() / 60_000;
    match minutes {
        0..=119 => format!("{minutes} minutes"),
        120..=2879 => format!("{} hours", minutes / 60),
        2880..=1_051_199 => format!("{} days", minutes / 1440),
        _ => format!("{} years", minutes / 525_600),
    }
}
