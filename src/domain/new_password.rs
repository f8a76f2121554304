//! A new password on its way into the database, and what ends with the old one.

use secrecy::{ExposeSecret, SecretString};

use crate::auth::first_admin;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::digest::Digest;
use crate::store::{Conn, enrolment_codes, password_resets, sessions, tokens, users};

/// A new password, hashed.
#[derive(Clone)]
pub(super) struct NewPassword {
    /// The hash.
    pub(super) hash: SecretString,
    /// The one session of the user that stays.
    pub(super) keep: Option<Digest>,
    /// Whether the user's API tokens and enrolment codes end, too.
    pub(super) end_tokens: bool,
}

impl NewPassword {
    /// Stores the password and deletes what the old one gave access to, in the transaction of `db`.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) fn store(&self, db: &Conn, user: i64) -> Result<()> {
        users::set_password_hash(db, user, self.hash.expose_secret())?;
        sessions::delete_of_user(db, user, self.keep.map(|key| key.0).as_ref())?;
        password_resets::delete_of_user(db, user)?;
        // Who knew the old password may have made them.
        password_resets::delete_by_issuer(db, user)?;
        if self.end_tokens {
            tokens::delete_of_user(db, user)?;
            enrolment_codes::delete_of_user(db, user)?;
        }
        Ok(())
    }

    /// Ends what was deleted, after the commit.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) async fn stored(&self, host: &Host, user: i64) -> Result<()> {
        host.sessions.forget_all_of(user, self.keep);
        if self.end_tokens {
            host.tokens.refresh(user).await?;
        }
        if user == first_admin::ID {
            remove_credentials(host).await?;
        }
        Ok(())
    }
}

async fn remove_credentials(host: &Host) -> Result<()> {
    let directory = host.config.load().data_directory.clone();
    let removed = tokio::task::spawn_blocking(move || first_admin::remove_credentials(&directory)).await;
    match removed.map_err(Error::internal)? {
        Ok(true) => {
            tracing::info!("The first admin's password was changed: its credentials file is removed");
        }
        Ok(false) => {}
        Err(e) => tracing::warn!(
            "The first admin's password was changed, but its credentials file cannot be removed: {e}. \
             The password in it no longer works; remove the file by hand."
        ),
    }
    Ok(())
}
