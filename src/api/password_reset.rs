//! A forgotten password: whoever may manage the user makes a one-time token, with which the user chooses a new one.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::check::{Check, FLAG, GIVEN_PASSWORD, PASSWORD};
use super::field::Field;
use crate::audit::{Action, SubjectKind};
use crate::auth::permission::{Scope, allowed, to_manage};
use crate::auth::reset::{self, ResetKey};
use crate::auth::second_factor;
use crate::clock::Millis;
use crate::domain::failed::log_failed;
use crate::domain::new_password::NewPassword;
use crate::domain::user::{check_may_manage, not_found};
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::http::{Answer, Call, Json, NoBody};
use crate::store::password_resets::ResetRow;
use crate::store::users::UserRow;
use crate::store::{Conn, password_resets, standing, users};

/// The account under which wrong tokens are counted; no user name has a control character.
const THROTTLED_AS: &str = "\0password reset";

/// A reset that was just made.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResetView {
    /// What the user sends to choose a new password. It is shown only now.
    token: String,
    /// When it is no longer good, in milliseconds since the epoch.
    expires_at: Millis,
}

pub(super) async fn issue(call: Call, _: NoBody) -> Result<Answer<ResetView>> {
    let id = call.id()?;
    call.caller.refuse_token()?;
    if call.caller.user_id() == Some(id) {
        return Err(Error::forbidden(
            "Your own password is changed in your account, with your current one, and not with a reset",
        ));
    }
    let (token, key) = reset::fresh()?;
    let expires_at = call.host.clock.now() + reset::LIFETIME;
    let caller = call.caller.clone();
    call.change(Action::PasswordResetIssue, move |db, entry| {
        let user = users::get(db, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::User, id, user.username.as_str());
        check_may_manage(&caller, &user)?;
        password_resets::put(db, ResetRow { user: id, issuer: caller.user_id() }, &key.0, expires_at)
    })
    .await?;
    let view = ResetView { token: token.expose_secret().to_owned(), expires_at };
    Ok(Answer::created("Password reset created. Its token is shown only this once.", view))
}

/// What is given to choose a new password.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResetBody {
    token: Field<String>,
    password: Field<String>,
    /// Whether the user's API tokens and enrolment codes end, too.
    #[serde(default)]
    end_tokens: Field<bool>,
}

pub(super) async fn reset(call: Call, Json(body): Json<ResetBody>) -> Result<Answer<()>> {
    let mut check = Check::default();
    let token = check.required("token", body.token, &GIVEN_PASSWORD);
    let password = check.required("password", body.password, &PASSWORD);
    let end_tokens = check.optional("endTokens", body.end_tokens, &FLAG);
    let (Some(token), Some(password), Some(end_tokens)) = (token, password, end_tokens) else {
        return Err(check.error());
    };

    let host = &call.host;
    let attempt = host.throttle.attempt(THROTTLED_AS, call.peer.address).await?;
    let key = ResetKey::of(token.expose_secret());
    let of_host = host.clone();
    let user = host.store.read(move |db| user_of(db, &of_host, key)).await?;
    let Some(user) = user else {
        attempt.failed();
        let error = not_good();
        log_failed(&call, "password reset", &error);
        return Err(error);
    };
    let hash = SecretString::from(host.passwords.hash_new(&user.username, password).await?);
    let new = NewPassword { hash, keep: None, end_tokens: end_tokens.unwrap_or_default() };
    let (id, storing, of_host) = (user.id, new.clone(), host.clone());
    let done = call.change(Action::PasswordReset, move |db, entry| {
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
    new.stored(host, id).await?;
    Ok(Answer::done("Password changed successfully. Log in with it."))
}

/// The user who may choose a new password with a token now: as long as its issuer may still give it.
fn user_of(db: &Conn, host: &Host, key: ResetKey) -> Result<Option<UserRow>> {
    let Some(reset) = password_resets::get(db, &key.0, host.clock.now())? else { return Ok(None) };
    let Some(user) = users::get(db, reset.user)? else { return Ok(None) };
    let Some(issuer) = reset.issuer else { return Ok(Some(user)) };
    let issuer = standing::of_user(db, issuer)?;
    let may = issuer.is_some_and(|issuer| {
        allowed(issuer.role, to_manage(user.role), Scope::Any)
            && !second_factor::lacks(issuer, &host.config.load())
    });
    Ok(may.then_some(user))
}

/// Wrong, used, replaced and expired tokens are told apart by nobody.
fn not_good() -> Error {
    Error::new(
        Kind::Invalid,
        "invalid_reset_token",
        "The reset token is wrong, expired or already used. Ask for a new one.",
    )
    .refusing(Action::PasswordReset, None)
}
