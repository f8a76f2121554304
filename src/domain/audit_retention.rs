//! Deletes what is too old for the audit log, or too much.
//!
//! The configuration says how many days an entry is kept and how many entries there may be; `audit::surplus` says which go beyond
//! that number. A few rows at a time are deleted, so that nobody waits for it. What is old goes
//! by the time that was lived through, not by one reading of the wall clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::audit::surplus::plan;
use crate::clock::Millis;
use crate::error::Result;
use crate::host::Host;
use crate::model::shutdown::Shutdown;
use crate::store::audit;
use crate::watch::span;

/// How often it is looked for what is too old.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How often it is looked whether there are too many: somebody may be flooding the log.
const COUNT_EVERY: Duration = Duration::from_secs(60);
const DAY: Millis = 24 * 60 * 60 * 1000;

/// Looks now and again and again, until `shutdown` begins.
pub async fn run(host: &Host, shutdown: Shutdown) {
    let work = async {
        let mut looked = None::<Instant>;
        loop {
            let due = looked.is_none_or(|looked| looked.elapsed() >= EVERY);
            let pruned = if due { prune(host).await } else { prune_surplus(host).await };
            match pruned {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "Old entries of the audit log were deleted"),
                Err(e) => tracing::warn!("Old entries of the audit log could not be deleted: {e}"),
            }
            if due {
                looked = Some(Instant::now());
            }
            sleep(COUNT_EVERY).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

/// Deletes what the configuration says is too old or too much, and tells how many entries that was.
///
/// # Errors
/// The database refuses.
pub async fn prune(host: &Host) -> Result<u64> {
    let config = host.config.load().audit;
    let mut deleted = 0;
    if config.retention_days > 0 {
        say_what_waits(host);
        // Until when, if at all, time was lived through: a wrong clock must not delete for good.
        let settled = host.clock.settled();
        while let Some(settled) = settled {
            let oldest = settled - Millis::from(config.retention_days) * DAY;
            let some = host.store.write(move |db| audit::delete_before(db, oldest)).await?;
            deleted += some;
            if some == 0 {
                break;
            }
        }
    }
    Ok(deleted + prune_surplus(host).await?)
}

/// Deletes what is more than the configuration says, and tells how many entries that was.
async fn prune_surplus(host: &Host) -> Result<u64> {
    let bound = i64::from(host.config.load().audit.max_entries);
    if bound == 0 || host.store.read(audit::count).await? <= bound {
        return Ok(0);
    }
    let heaps = host.store.read(audit::heaps).await?;
    let mut deleted = 0;
    for (heap, mut surplus) in plan(heaps, bound) {
        let heap = Arc::new(heap);
        while surplus > 0 {
            let of = heap.clone();
            let some = host.store.write(move |db| audit::delete_oldest(db, &of, surplus)).await?;
            if some == 0 {
                break;
            }
            deleted += some;
            surplus -= i64::try_from(some).unwrap_or(surplus);
        }
    }
    Ok(deleted)
}

/// Says in the log that old entries wait, and for what.
fn say_what_waits(host: &Host) {
    let Some(ahead) = host.clock.doubt() else { return };
    if ahead > 0 {
        tracing::warn!(
            "The clock is {} ahead of the time that this server has run through: what is too old by it is deleted bit by \
             bit as the server runs on. If the clock is wrong, set it right.",
            span(ahead)
        );
    } else {
        tracing::warn!(
            "The clock is {} behind the time that this server has run through: nothing is deleted for its age until they \
             agree. If the clock is wrong, set it right.",
            span(ahead)
        );
    }
}
