//! `/api/account/totp`: one's own second factor. Open also to users who must set one up and may do nothing else until
//! then.

use schemars::{JsonSchema, json_schema};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::bounded::{GivenSecret, bounded};
use super::check::Check;
use super::field::Field;
use super::tags::ACCOUNT;
use crate::auth::second_factor::Code;
use crate::domain::second_factor::{self, State};
use crate::error::Result;
use crate::error::failures::{self as f, Failure};
use crate::rest::{Answer, Call, Json, NoBody, Route};

/// How asking for the current password can fail.
const PASSWORD: &[Failure] =
    &[f::NOT_FOUND, f::CURRENT_PASSWORD_REQUIRED, f::WRONG_PASSWORD, f::TOO_MANY_ATTEMPTS];

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/account/totp", "Whether the caller has a second factor")
            .setting_up()
            .tag(ACCOUNT)
            .handler(state),
        Route::post("/api/account/totp", "Begin to set up a second factor, whose secret is shown only now")
            .setting_up()
            .tag(ACCOUNT)
            .example(r#"{"currentPassword": "a long password"}"#)
            .creates()
            .fails(PASSWORD)
            .fails(&[f::TOTP_ENABLED])
            .handler(begin),
        Route::post(
            "/api/account/totp/confirm",
            "Put the second factor in force; recovery codes are shown only now",
        )
        .setting_up()
        .tag(ACCOUNT)
        .example(r#"{"code": "123456"}"#)
        .fails(&[f::WRONG_TOTP_CODE, f::TOTP_NOT_BEGUN, f::TOO_MANY_ATTEMPTS])
        .handler(confirm),
        Route::delete("/api/account/totp", "Turn the caller's second factor off")
            .setting_up()
            .tag(ACCOUNT)
            .example(r#"{"currentPassword": "a long password", "code": "123456"}"#)
            .fails(PASSWORD)
            .fails(&[f::WRONG_TOTP_CODE, f::TOTP_NOT_ENABLED])
            .handler(turn_off),
    ]
}

bounded!(
    /// A code of the second factor.
    TotpCode: String => Code,
    "a code of six digits from your app, or a recovery code, as text",
    |_| json_schema!({ "type": "string", "examples": ["123456"] }),
    |text| Code::read(&text)
);

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
    current_password: Field<GivenSecret>,
}

/// A code of the app.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ConfirmBody {
    code: Field<TotpCode>,
}

/// What is needed to turn it off.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnOffBody {
    #[serde(default)]
    current_password: Field<GivenSecret>,
    /// Of the app, or a recovery code.
    code: Field<TotpCode>,
}

async fn state(call: Call, _: NoBody) -> Result<Answer<StateView>> {
    let State { enabled, required, recovery_codes_left } = second_factor::state(&call).await?;
    let view = StateView { enabled, required, recovery_codes_left };
    Ok(Answer::ok("Second factor retrieved successfully", view))
}

async fn begin(call: Call, Json(body): Json<BeginBody>) -> Result<Answer<SeedView>> {
    let password = Check::all(|check| check.optional("currentPassword", body.current_password))?;
    let seed = second_factor::begin(&call, password).await?;
    let view = SeedView {
        secret: seed.text.expose_secret().to_owned(),
        otpauth_url: seed.url.expose_secret().to_owned(),
    };
    let message = "Add this to your app, then confirm with a code of it. The secret is shown only this once.";
    Ok(Answer::created(message, view))
}

async fn confirm(call: Call, Json(body): Json<ConfirmBody>) -> Result<Answer<CodesView>> {
    let code = Check::all(|check| check.required("code", body.code))?;
    let codes = second_factor::confirm(&call, code).await?;
    let recovery_codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    let message = "Your second factor is in force. Keep the recovery codes: they are shown only this once.";
    Ok(Answer::ok(message, CodesView { recovery_codes }))
}

async fn turn_off(call: Call, Json(body): Json<TurnOffBody>) -> Result<Answer<()>> {
    let (password, code) = Check::all(|check| {
        let password = check.optional("currentPassword", body.current_password);
        let code = check.required("code", body.code);
        Some((password?, code?))
    })?;
    second_factor::turn_off(&call, password, code).await?;
    Ok(Answer::done("Your second factor is off"))
}
