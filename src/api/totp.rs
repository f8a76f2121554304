//! `/api/account/totp`: one's own second factor.
//!
//! It is set up in two steps, so that nobody locks themselves out with an app that does not work: the seed is shown,
//! and the factor is in force once a code of it was given. Both the seed and the recovery codes are in the answer that
//! made them and nowhere else. Open also to users who must set one up and may do nothing else until then.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::check::{Check, GIVEN_PASSWORD};
use super::field::Field;
use super::totp_code::{CODE, counted, wrong};
use crate::audit::{Action, SubjectKind};
use crate::auth::second_factor::{RECOVERY_CODES, is_required, totp};
use crate::auth::typed_code;
use crate::domain::current_password;
use crate::domain::user::not_found;
use crate::error::{Error, Kind, Result};
use crate::http::{Answer, Call, Json, NoBody};
use crate::store::{second_factors, sessions, users};

/// How it stands with the caller's second factor.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateView {
    /// Whether one is in force.
    enabled: bool,
    /// Whether the configuration wants one of the caller's role.
    required: bool,
    recovery_codes_left: i64,
}

/// A second factor to be confirmed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SeedView {
    /// The seed in base32, to be typed into an app. It is shown only now.
    secret: String,
    /// The same as apps read it from a QR code.
    otpauth_url: String,
}

/// The recovery codes of a second factor.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodesView {
    /// Each lets its user in once in place of a code. They are shown only now.
    recovery_codes: Vec<String>,
}

/// What is needed to begin.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BeginBody {
    #[serde(default)]
    current_password: Field<String>,
}

/// A code of the app.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ConfirmBody {
    code: Field<String>,
}

/// What is needed to turn it off.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnOffBody {
    #[serde(default)]
    current_password: Field<String>,
    /// Of the app, or a recovery code.
    code: Field<String>,
}

pub(super) async fn state(call: Call, _: NoBody) -> Result<Answer<StateView>> {
    let (account, _) = call.caller.session()?;
    let (enabled, required) = (account.second_factor, is_required(account.role, &call.host.config.load()));
    let user = account.id;
    let recovery_codes_left = call.host.store.read(move |db| second_factors::codes_left(db, user)).await?;
    let view = StateView { enabled, required, recovery_codes_left };
    Ok(Answer::ok("Second factor retrieved successfully", view))
}

pub(super) async fn begin(call: Call, Json(body): Json<BeginBody>) -> Result<Answer<SeedView>> {
    let mut check = Check::default();
    let password = check.optional("currentPassword", body.current_password, &GIVEN_PASSWORD);
    check.done()?;
    let (account, _) = call.caller.session()?;
    let (id, name) = (account.id, account.username.clone());
    let user = call.host.store.read(move |db| users::get(db, id)).await?.ok_or_else(not_found)?;
    current_password::confirm(&call, &user, password.flatten().as_ref()).await?;

    let seed = totp::fresh_seed()?;
    let url = totp::url(&seed, &name);
    let storing = seed.clone();
    call.change(Action::TotpBegin, move |db, entry| {
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
    let view =
        SeedView { secret: seed.expose_secret().to_owned(), otpauth_url: url.expose_secret().to_owned() };
    let message = "Add this to your app, then confirm with a code of it. The secret is shown only this once.";
    Ok(Answer::created(message, view))
}

pub(super) async fn confirm(call: Call, Json(body): Json<ConfirmBody>) -> Result<Answer<CodesView>> {
    let mut check = Check::default();
    let Some(code) = check.required("code", body.code, &CODE) else { return Err(check.error()) };
    let (account, current) = call.caller.session()?;
    let (id, name) = (account.id, account.username.clone());
    let mut texts = Vec::with_capacity(RECOVERY_CODES);
    let mut keys = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let (text, key) = typed_code::fresh()?;
        texts.push(text.expose_secret().to_owned());
        keys.push(key);
    }
    let now = call.host.clock.now();
    let confirmed = call.change(Action::TotpEnable, move |db, entry| {
        entry.on(SubjectKind::User, id, name);
        match second_factors::confirm(db, id, &code, &keys, now)? {
            // Whoever else is logged in has shown the password alone.
            Some(true) => sessions::delete_of_user(db, id, Some(&current.0)),
            Some(false) => Err(wrong(Kind::Invalid)),
            None => Err(Error::conflict(
                "totp_not_begun",
                "There is no second factor to confirm: it was not begun, or begun too long ago. Begin again.",
            )),
        }
    });
    counted(&call, id, confirmed).await?;
    call.host.accounts.forget(id);
    call.host.sessions.forget_all_of(id, Some(current));
    let message = "Your second factor is in force. Keep the recovery codes: they are shown only this once.";
    Ok(Answer::ok(message, CodesView { recovery_codes: texts }))
}

pub(super) async fn turn_off(call: Call, Json(body): Json<TurnOffBody>) -> Result<Answer<()>> {
    let mut check = Check::default();
    let password = check.optional("currentPassword", body.current_password, &GIVEN_PASSWORD);
    let code = check.required("code", body.code, &CODE);
    let (Some(password), Some(code)) = (password, code) else { return Err(check.error()) };
    let (account, _) = call.caller.session()?;
    let (id, name) = (account.id, account.username.clone());
    let user = call.host.store.read(move |db| users::get(db, id)).await?.ok_or_else(not_found)?;
    current_password::confirm(&call, &user, password.as_ref()).await?;

    let now = call.host.clock.now();
    let removed = call.change(Action::TotpDisable, move |db, entry| {
        entry.on(SubjectKind::User, id, name);
        if second_factors::confirmed(db, id)?.is_none() {
            return Err(not_enabled());
        }
        if !second_factors::take(db, id, &code, now)? {
            return Err(wrong(Kind::Invalid));
        }
        second_factors::delete(db, id)
    });
    counted(&call, id, removed).await?;
    call.host.accounts.forget(id);
    Ok(Answer::done("Your second factor is off"))
}

/// What is answered where there is nothing to turn off.
pub(super) fn not_enabled() -> Error {
    Error::conflict("totp_not_enabled", "There is no second factor in force: nothing was changed")
}
