//! A forgotten password: `POST /api/admin/users/{id}/password-reset` makes a one-time token, with which
//! `POST /api/auth/reset-password` chooses a new one.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::bounded::{Flag, GivenSecret, NewPassword};
use super::check::Check;
use super::field::Field;
use super::tags::{SIGNING_IN, USERS};
use crate::clock::Millis;
use crate::domain::password_reset;
use crate::error::Result;
use crate::error::failures as f;
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, Json, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/auth/reset-password", "Choose a new password with a reset token")
            .public()
            .tag(SIGNING_IN)
            .example(r#"{"token": "what the admin was shown", "password": "a long password"}"#)
            .fails(&[f::INVALID_RESET_TOKEN, f::TOO_MANY_ATTEMPTS])
            .handler(reset),
        Route::post(
            "/api/admin/users/{id}/password-reset",
            "Make a one-time token with which a user chooses a new password",
        )
        .session_needs(&[P::UsersWrite])
        .tag(USERS)
        .subject(SubjectKind::User)
        .creates()
        .fails(&[f::NOT_FOUND])
        .handler(issue),
    ]
}

/// A reset that was just made.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResetView {
    /// What the user sends to choose a new password. It is shown only now.
    token: String,
    /// When it is no longer good, in milliseconds since the epoch.
    expires_at: Millis,
}

async fn issue(call: Call, _: NoBody) -> Result<Answer<ResetView>> {
    let (token, expires_at) = password_reset::issue(&call, call.id()?).await?;
    let view = ResetView { token: token.expose_secret().to_owned(), expires_at };
    Ok(Answer::created("Password reset created. Its token is shown only this once.", view))
}

/// What is given to choose a new password.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResetBody {
    token: Field<GivenSecret>,
    password: Field<NewPassword>,
    /// Whether the user's API tokens and enrolment codes end, too.
    #[serde(default)]
    end_tokens: Field<Flag>,
}

async fn reset(call: Call, Json(body): Json<ResetBody>) -> Result<Answer<()>> {
    let (token, password, end_tokens) = Check::all(|check| {
        let token = check.required("token", body.token);
        let password = check.required("password", body.password);
        let end_tokens = check.optional("endTokens", body.end_tokens);
        Some((token?, password?, end_tokens?))
    })?;
    password_reset::reset(&call, &token, password, end_tokens.unwrap_or_default()).await?;
    Ok(Answer::done("Password changed successfully. Log in with it."))
}
