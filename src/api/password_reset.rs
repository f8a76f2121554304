//! A forgotten password: `POST /api/admin/users/{id}/password-reset` makes a one-time token, with which
//! `POST /api/auth/reset-password` chooses a new one.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::check::{Check, FLAG, GIVEN_PASSWORD, PASSWORD};
use super::field::Field;
use crate::clock::Millis;
use crate::domain::password_reset;
use crate::error::Result;
use crate::rest::{Answer, Call, Json, NoBody};

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
    let (token, expires_at) = password_reset::issue(&call, call.id()?).await?;
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
    password_reset::reset(&call, &token, password, end_tokens.unwrap_or_default()).await?;
    Ok(Answer::done("Password changed successfully. Log in with it."))
}
