//! Shutting a device down, restarting it or sending it to sleep until it is no longer seen: an operation that has the
//! agent on the device do it, and then looks until the device is gone or its time is over.
//!
//! What is sent is stored before it is sent, and never sent twice. After a restart of the server it goes on looking.

mod driver;
mod plan;

use std::time::Duration;

use self::plan::Progress;
use crate::clock::Millis;
use crate::error::{Error, Result};

pub use self::driver::{resume, start};

/// What is stored as the payload of a power command until the device is offline, and as how far it is.
///
/// # Errors
/// None in practice.
pub fn stored(delay: u32, timeout: Duration) -> Result<(String, String)> {
    let payload =
        serde_json::json!({"delaySeconds": delay, "until": "offline", "timeout": timeout.as_secs()});
    let timeout = Millis::try_from(timeout.as_millis()).unwrap_or(Millis::MAX);
    let progress = Progress { delay: Millis::from(delay) * 1000, timeout, ..Progress::default() };
    Ok((payload.to_string(), serde_json::to_string(&progress).map_err(Error::internal)?))
}
