//! The log's lines of whoever tried to get in and failed: each names the address, so that a program such as fail2ban can
//! keep it out.
//!
//! They look alike and stay as they are: a filter reads them. Nothing that was typed is in them: a user name may be a
//! password in the wrong field.

use super::By;
use crate::error::{Error, Kind};

/// Logs that `what` failed if `error` says that what was shown was not good. Whoever has to wait is not logged: they were
/// before.
pub(crate) fn log_failed(by: &By, what: &'static str, error: &Error) {
    let shown_in_vain = match error.kind() {
        // With the right password and no code nothing has failed yet.
        Kind::Unauthenticated => error.code() != "totp_required",
        Kind::Forbidden | Kind::Invalid => error.refusal().is_some(),
        _ => false,
    };
    if shown_in_vain {
        tracing::info!(
            address = by.address.map(tracing::field::display),
            code = error.code(),
            "Failed {what}"
        );
    }
}
