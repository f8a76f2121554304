//! The signal that the server stops.

/// Cancelled once, when the server stops.
pub type Shutdown = tokio_util::sync::CancellationToken;
