//! Waking a device until it is seen: an operation that sends packets and looks until the device is up or its time is over.
//!
//! It is stored before anybody learns of it, and goes on when its caller is gone and after a restart.

mod driver;
mod plan;

use std::time::Duration;

use self::plan::Progress;
use crate::clock::Millis;
use crate::error::{Error, Result};

pub use self::driver::{resume, start};

/// What is stored as the payload of a wake until online, and as how far it is.
///
/// # Errors
/// None in practice.
pub fn stored(timeout: Duration) -> Result<(String, String)> {
    let payload = serde_json::json!({"until": "online", "timeout": timeout.as_secs()}).to_string();
    let timeout = Millis::try_from(timeout.as_millis()).unwrap_or(Millis::MAX);
    let progress = Progress { timeout, ..Progress::default() };
    Ok((payload, serde_json::to_string(&progress).map_err(Error::internal)?))
}
