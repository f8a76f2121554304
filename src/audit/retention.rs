//! Deletes what is too old for the audit log, or too much.
//!
//! The configuration says how many days an entry is kept and how many entries there may be. Beyond that number refusals
//! go first: whoever is refused again and again must not push out what was done. A few rows at a time are deleted, so
//! that nobody waits for it.

use std::time::Duration;

use tokio::time::sleep;

use crate::clock::Millis;
use crate::error::Result;
use crate::host::Host;
use crate::model::shutdown::Shutdown;
use crate::store::audit;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60 * 60);
const DAY: Millis = 24 * 60 * 60 * 1000;

/// Looks now and every hour, until `shutdown` is told.
pub async fn run(host: &Host, shutdown: Shutdown) {
    let work = async {
        loop {
            match prune(host).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "Old entries of the audit log were deleted"),
                Err(e) => tracing::warn!("Old entries of the audit log could not be deleted: {e}"),
            }
            sleep(EVERY).await;
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
        let oldest = host.clock.now() - Millis::from(config.retention_days) * DAY;
        loop {
            let some = host.store.write(move |db| audit::delete_before(db, oldest)).await?;
            deleted += some;
            if some == 0 {
                break;
            }
        }
    }
    let bound = i64::from(config.max_entries);
    if bound > 0 {
        let mut surplus = host.store.read(audit::count).await? - bound;
        while surplus > 0 {
            let some = host.store.write(move |db| audit::delete_surplus(db, surplus)).await?;
            deleted += some;
            surplus -= i64::try_from(some).unwrap_or(surplus);
            if some == 0 {
                break;
            }
        }
    }
    Ok(deleted)
}
