//! Deletes operations that ended long ago, or are too many, and requests that were kept long enough.
//!
//! What is old goes by the time that was lived through. Where there are too many, whoever has most loses their oldest.

use std::time::Duration;

use tokio::time::sleep;

use super::Operations;
use crate::clock::Millis;
use crate::error::Result;
use crate::host::Host;
use crate::store::{idempotency_keys, operations};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60);
const DAY: Millis = 24 * 60 * 60 * 1000;

/// Looks again and again. The first look waits: a start has better things to do.
pub(super) async fn keep(host: &Host) {
    loop {
        sleep(EVERY).await;
        if let Err(e) = Operations::of(host).forget_agents(host).await {
            tracing::warn!("It could not be looked for which agents something waits: {e}");
        }
        match prune(host).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "Old operations were deleted"),
            Err(e) => tracing::warn!("Old operations could not be deleted: {e}"),
        }
    }
}

/// Deletes what the configuration says is too old or too much, and tells how many operations that was.
///
/// # Errors
/// The database refuses.
pub async fn prune(host: &Host) -> Result<u64> {
    let config = host.config.load().operations;
    let mut deleted = 0;
    if let Some(settled) = host.clock.settled() {
        while host.store.write(move |db| idempotency_keys::delete_before(db, settled - DAY)).await? > 0 {}
        if config.retention_days > 0 {
            let oldest = settled - Millis::from(config.retention_days) * DAY;
            let mut from = Some(0);
            while let Some(key) = from {
                let (some, next) =
                    host.store.write(move |db| operations::delete_before(db, key, oldest)).await?;
                deleted += some;
                from = next;
            }
        }
    }
    Ok(deleted + prune_surplus(host, i64::from(config.max_entries)).await?)
}

async fn prune_surplus(host: &Host, bound: i64) -> Result<u64> {
    if bound == 0 {
        return Ok(0);
    }
    let mut counts = host.store.read_long(0, operations::counts).await?;
    let mut surplus = counts.iter().map(|(_, count)| count).sum::<i64>() - bound;
    let mut deleted = 0;
    while surplus > 0 {
        let Some(most) = counts.iter_mut().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0)
        else {
            break;
        };
        let owner = most.0;
        let some = host.store.write(move |db| operations::delete_oldest(db, owner, surplus)).await?;
        let some_or_all = if some == 0 { most.1 } else { i64::try_from(some).unwrap_or(most.1) };
        most.1 -= some_or_all;
        surplus -= i64::try_from(some).unwrap_or(surplus);
        deleted += some;
    }
    Ok(deleted)
}
