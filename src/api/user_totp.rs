//! `DELETE /api/admin/users/{id}/totp`: for a user who lost the app and the recovery codes.

use super::tags::USERS;
use crate::domain::second_factor;
use crate::error::Result;
use crate::error::failures as f;
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::delete("/api/admin/users/{id}/totp", "Remove a user's second factor")
            .session_needs(&[P::UsersWrite])
            .tag(USERS)
            .subject(SubjectKind::User)
            .fails(&[f::NOT_FOUND, f::TOTP_NOT_ENABLED])
            .handler(remove),
    ]
}

async fn remove(call: Call, _: NoBody) -> Result<Answer<()>> {
    second_factor::remove(&call, call.id()?).await?;
    Ok(Answer::done("The user's second factor was removed"))
}
