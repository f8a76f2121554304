//! How much is logged, while the server runs.
//!
//! Deliberately not stored: after a restart, or when the configuration is read again, its `logLevel` counts.

use super::By;
use crate::config::Level;
use crate::error::Result;
use crate::model::audit::Action;

/// Sets the level of the log until the next start.
///
/// # Errors
/// The caller may not any more; the audit log cannot be written.
pub async fn set(by: &By, level: Level) -> Result<()> {
    by.change(Action::LogLevelSet, move |_, entry| {
        entry.detail = Some(level.to_string());
        Ok(())
    })
    .await?;
    by.host.log_level.set(level, |before| {
        tracing::info!(
            "The log level is {level} now, and was {before}; the next start takes the configuration's"
        );
    });
    Ok(())
}
