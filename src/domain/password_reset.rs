//! A forgotten password: whoever may manage the user makes a one-time token, with which the user chooses a new one.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::By;
use super::failed::log_failed;
use super::new_password::NewPassword;
use super::user::{check_may_manage, not_found};
use crate::auth::Caller;
use crate::auth::first_admin;
use crate::auth::reset;
use crate::auth::second_factor;
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::model::access::Access;
use crate::model::audit::{Action, SubjectKind};
use crate::model::digest::Digest;
use crate::model::permission::{Scope, allowed, to_manage};
use crate::store::password_resets::ResetRow;
use crate::store::users::UserRow;
use crate::store::{Conn, password_resets, standing, users};

/// The account under which wrong tokens are counted; no user name has a control character.
const THROTTLED_AS: &str = "\0password reset";

/// Makes a token with which a user chooses a new password, in place of one there was, and answers it with when it is no
/// longer good.
///
/// # Errors
/// The caller is a program, the user themselves, or may not change the user; there is no such user; the database
/// refuses.
pub async fn issue(by: &By, id: i64) -> Result<(SecretString, Millis)> {
    by.caller.refuse_token()?;
    if by.caller.user_id() == Some(id) {
        return Err(Error::forbidden(
            "Your own password is changed in your account, with your current one, and not with a reset",
        ));
    }
    make(by, id, reset::LIFETIME).await
}

/// Makes the token with which the first admin chooses a password after the first start. It is the local operator who
/// starts a server.
///
/// # Errors
/// There is no first admin; the database refuses.
pub async fn issue_first(host: &Arc<Host>) -> Result<SecretString> {
    let by = By {
        host: host.clone(),
        caller: Caller::Operator,
        address: None,
        admin_mode: true,
        access: Access::Public,
    };
    make(&by, first_admin::ID, reset::FIRST_LIFETIME).await.map(|(token, _)| token)
}

async fn make(by: &By, id: i64, lifetime: Millis) -> Result<(SecretString, Millis)> {
    let (token, key) = reset::fresh()?;
    let expires_at = by.now() + lifetime;
    let caller = by.caller.clone();
    by.change(Action::PasswordResetIssue, move |db, entry| {
        let user = users::get(db, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::User, id, user.username.as_str());
        check_may_manage(&caller, &user)?;
        password_resets::put(db, ResetRow { user: id, issuer: caller.user_id() }, &key.0, expires_at)
    })
    .await?;
    Ok((token, expires_at))
}

/// Gives the user of a token a new password; `end_tokens` also ends their API tokens and enrolment codes.
///
/// # Errors
/// The token is not good, or there were too many such; the password is a weak one; the database refuses.
pub async fn reset(by: &By, token: &SecretString, password: SecretString, end_tokens: bool) -> Result<()> {
    let host = &by.host;
    let attempt = host.throttle.attempt(THROTTLED_AS, by.address).await?;
    let key = reset::digest(token.expose_secret());
    let of_host = host.clone();
    let user = host.store.read(move |db| user_of(db, &of_host, key)).await?;
    let Some(user) = user else {
        attempt.failed();
        let error = not_good();
        log_failed(by, "password reset", &error);
        return Err(error);
    };
    let hash = SecretString::from(host.passwords.hash_new(&user.username, password).await?);
    let new = NewPassword { hash, keep: None, end_tokens };
    let (id, storing, of_host) = (user.id, new.clone(), host.clone());
    let done = by.change(Action::PasswordReset, move |db, entry| {
        entry.on(SubjectKind::User, id, user.username);
        // Of several who come with the same token, one is first; storing the password deletes it.
        match user_of(db, &of_host, key)? {
            Some(stored) if stored.id == id => storing.store(db, id),
            _ => Err(not_good()),
        }
    });
    if let Err(e) = done.await {
        attempt.failed();
        return Err(e);
    }
    attempt.succeeded();
    host.accounts.forget(id);
    new.stored(host, id).await
}

/// The user who may choose a new password with a token now: as long as its issuer may still give it.
fn user_of(db: &Conn, host: &Host, key: Digest) -> Result<Option<UserRow>> {
    let Some(reset) = password_resets::get(db, &key.0, host.clock.now(), reset::LONGEST)? else {
        return Ok(None);
    };
    let Some(user) = users::get(db, reset.user)? else { return Ok(None) };
    let Some(issuer) = reset.issuer else { return Ok(Some(user)) };
    let issuer = standing::of_user(db, issuer)?;
    let may = issuer.is_some_and(|issuer| {
        allowed(issuer.role, to_manage(user.role), Scope::Any)
            && !second_factor::lacks(issuer, &host.config.load())
    });
    Ok(may.then_some(user))
}

/// What is answered alike to wrong, used, replaced and expired tokens.
fn not_good() -> Error {
    Error::new(
        Kind::Invalid,
        "invalid_reset_token",
        "The reset token is wrong, expired or already used. Ask for a new one.",
    )
    .refusing(Action::PasswordReset, None)
}
