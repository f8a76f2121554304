//! A code of a second factor as it comes in a body: reading it, counting wrong ones, and the errors about it.
//!
//! Whoever tries one tries it inside [`counted`]: a login, and whoever turns the factor off.

use std::future::Future;

use super::check::Rule;
use crate::audit::{Action, SubjectKind};
use crate::auth::second_factor::Code;
use crate::error::{Error, Kind, Result};
use crate::http::Call;

/// A code that must be there.
pub(super) const CODE: Rule<String, Code> =
    Rule::new("a code of six digits from your app, or a recovery code, as text", |text| Code::read(&text));

/// The code of the error that [`wrong`] is.
const WRONG: &str = "wrong_totp_code";

/// What is answered to a wrong code. Used ones are told apart from it by nobody.
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
/// What `work` answers; 429 after too many wrong codes, and then nothing is tried.
pub(super) async fn counted<T>(
    call: &Call,
    user: i64,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let attempt = call.host.throttle.attempt_code(user).await?;
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
