//! The current password, which whoever changes what they log in with has to know: a session that was left open or
//! stolen must not be enough.

use secrecy::{ExposeSecret, SecretString};

use super::By;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::store::users::UserRow;

/// Checks that the caller, who is `stored`, knows their password. Wrong ones count as failed logins do.
///
/// # Errors
/// It is missing or wrong; there were too many wrong ones.
pub(super) async fn confirm(by: &By, stored: &UserRow, given: Option<&SecretString>) -> Result<()> {
    let Some(given) = given else {
        return Err(Error::new(
            Kind::Invalid,
            "current_password_required",
            "To change what you log in with, enter your current password too",
        ));
    };
    let attempt = by.host.throttle.attempt(&stored.username, by.address).await?;
    let hash = stored.password_hash.expose_secret().to_owned();
    let verdict = by.host.passwords.verify(Some(hash), given.clone()).await?;
    if verdict.ok {
        attempt.succeeded();
        return Ok(());
    }
    attempt.failed();
    Err(Error::new(Kind::Invalid, "wrong_password", "The current password is wrong")
        .refusing(Action::PasswordConfirm, Some((SubjectKind::User, stored.id))))
}
