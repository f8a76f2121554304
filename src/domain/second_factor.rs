//! A user's second factor: setting it up, turning it off, and removing that of who lost it.
//!
//! It is set up in two steps, so that nobody locks themselves out with an app that does not work: the seed is shown,
//! and the factor is in force once a code of it was given. Both the seed and the recovery codes are in the answer that
//! made them and nowhere else.

use secrecy::SecretString;

use super::second_factor_code::{counted, wrong};
use super::user::{check_may_manage, not_found};
use super::{By, current_password};
use crate::auth::second_factor::{self, Code, RECOVERY_CODES, is_required, totp};
use crate::auth::typed_code;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::store::{second_factors, sessions, users};

/// How it stands with the caller's second factor.
pub struct State {
    /// Whether one is in force.
    pub enabled: bool,
    /// Whether the configuration wants one of the caller's role.
    pub required: bool,
    /// How many recovery codes are not used yet.
    pub recovery_codes_left: i64,
}

/// What an app is set up with.
pub struct Seed {
    /// The seed in base32.
    pub text: SecretString,
    /// The same as apps read it from a QR code.
    pub url: SecretString,
}

/// How it stands with the caller's second factor.
///
/// # Errors
/// The caller has no session; the database cannot be read.
pub async fn state(by: &By) -> Result<State> {
    let (account, _) = by.caller.session()?;
    let (enabled, required) = (account.second_factor, is_required(account.role, &by.host.config.load()));
    let user = account.id;
    let recovery_codes_left = by.host.store.read(move |db| second_factors::codes_left(db, user)).await?;
    Ok(State { enabled, required, recovery_codes_left })
}

/// Begins to set up the caller's second factor, in place of one that was begun before.
///
/// # Errors
/// The caller has no session; the current password is missing or wrong, or there were too many wrong ones; a factor is in
/// force; the database refuses.
pub async fn begin(by: &By, current_password: Option<SecretString>) -> Result<Seed> {
    let (account, _) = by.caller.session()?;
    let (id, name) = (account.id, account.username.clone());
    let user = by.host.store.read(move |db| users::get(db, id)).await?.ok_or_else(not_found)?;
    current_password::confirm(by, &user, current_password.as_ref()).await?;

    let text = totp::fresh_seed()?;
    let url = totp::url(&text, &name);
    let storing = text.clone();
    by.change(Action::TotpBegin, move |db, entry| {
        entry.on(SubjectKind::User, id, name);
        if second_factors::begin(db, id, &storing)? {
            return Ok(());
        }
        Err(Error::conflict(
            "totp_enabled",
            "Your second factor is in force already. Turn it off before you set up another.",
        ))
    })
    .await?;
    Ok(Seed { text, url })
}

/// Puts the caller's second factor in force, ends all their sessions but the one that asks, and answers the recovery
/// codes, each of which lets its user in once in place of a code.
///
/// # Errors
/// The caller has no session; the code is wrong, or there were too many wrong ones; there is no factor to confirm; the
/// database refuses.
pub async fn confirm(by: &By, code: Code) -> Result<Vec<SecretString>> {
    let (account, current) = by.caller.session()?;
    let (id, name) = (account.id, account.username.clone());
    let mut texts = Vec::with_capacity(RECOVERY_CODES);
    let mut keys = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let (text, key) = typed_code::fresh()?;
        texts.push(text);
        keys.push(key);
    }
    let now = by.now();
    let confirmed = by.change(Action::TotpEnable, move |db, entry| {
        entry.on(SubjectKind::User, id, name);
        match second_factor::confirm(db, id, &code, &keys, now)? {
            // Whoever else is logged in has shown the password alone.
            Some(true) => sessions::delete_of_user(db, id, Some(&current.0)),
            Some(false) => Err(wrong(Kind::Invalid)),
            None => Err(Error::conflict(
                "totp_not_begun",
                "There is no second factor to confirm: it was not begun, or begun too long ago. Begin again.",
            )),
        }
    });
    counted(by, id, confirmed).await?;
    by.host.accounts.forget(id);
    by.host.sessions.forget_all_of(id, Some(current));
    Ok(texts)
}

/// Turns the caller's second factor off.
///
/// # Errors
/// The caller has no session; the current password is missing, or it or the code is wrong, or there were too many wrong
/// ones; there is no factor in force; the database refuses.
pub async fn turn_off(by: &By, current_password: Option<SecretString>, code: Code) -> Result<()> {
    let (account, _) = by.caller.session()?;
    let (id, name) = (account.id, account.username.clone());
    let user = by.host.store.read(move |db| users::get(db, id)).await?.ok_or_else(not_found)?;
    current_password::confirm(by, &user, current_password.as_ref()).await?;

    let now = by.now();
    let removed = by.change(Action::TotpDisable, move |db, entry| {
        entry.on(SubjectKind::User, id, name);
        if second_factors::confirmed(db, id)?.is_none() {
            return Err(not_enabled());
        }
        if !second_factor::take(db, id, &code, now)? {
            return Err(wrong(Kind::Invalid));
        }
        second_factors::delete(db, id)
    });
    counted(by, id, removed).await?;
    by.host.accounts.forget(id);
    Ok(())
}

/// Removes the second factor of another user, who lost the app and the recovery codes. Whoever manages the user vouches
/// for who asked. One's own is turned off with a code alone: a session that was stolen from an admin must not be enough.
///
/// # Errors
/// The caller is a program, the user themselves, or may not change the user; there is no such user, or no factor of
/// theirs; the database refuses.
pub async fn remove(by: &By, id: i64) -> Result<()> {
    by.caller.refuse_token()?;
    if by.caller.user_id() == Some(id) {
        return Err(Error::forbidden(
            "Your own second factor is turned off in your account, with your password and a code",
        ));
    }
    let caller = by.caller.clone();
    by.change(Action::TotpDisable, move |db, entry| {
        let user = users::get(db, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::User, id, user.username.as_str());
        check_may_manage(&caller, &user)?;
        if second_factors::delete(db, id)? { Ok(()) } else { Err(not_enabled()) }
    })
    .await?;
    by.host.accounts.forget(id);
    Ok(())
}

/// What is answered where there is nothing to turn off.
fn not_enabled() -> Error {
    Error::conflict("totp_not_enabled", "There is no second factor in force: nothing was changed")
}
