//! Trying a code of a second factor: counting wrong ones, and the error about them.
//!
//! Whoever tries one tries it inside [`counted`]: a login, and whoever turns the factor off.

use std::future::Future;

use super::By;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, SubjectKind};

/// The code of the error that [`wrong`] is.
const WRONG: &str = "wrong_totp_code";

/// What is answered to a wrong code, and to a used one.
pub(super) fn wrong(kind: Kind) -> Error {
    Error::new(
        kind,
        WRONG,
        "The code is wrong or was used before. Wait for your app's next one, or use another recovery code.",
    )
}

/// Whether this is what [`wrong`] answers.
pub(super) fn is_wrong(error: &Error) -> bool {
    error.code() == WRONG
}

/// Does `work`, which tries a code of `user` and fails with [`wrong`] where that is not good.
///
/// # Errors
/// What `work` answers; there were too many wrong codes, and then nothing is tried.
pub(super) async fn counted<T>(
    by: &By,
    user: i64,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let attempt = by.host.throttle.attempt_code(user).await?;
    let done = work.await;
    match &done {
        Ok(_) => attempt.succeeded(),
        Err(e) if is_wrong(e) => attempt.failed(),
        Err(_) => drop(attempt),
    }
    done.map_err(|e| match is_wrong(&e) {
        true => e.refusing(Action::TotpProve, Some((SubjectKind::User, user))),
        false => e,
    })
}
