//! `/api/admin/users/{id}/tokens`: other users' API tokens.

use super::tags::TOKENS;
use super::token_body::TokenBody;
use super::tokens::{NewTokenView, TokenView, create_for, list_of, revoke_of};
use super::tokens::{OF_NEW, TOKEN};
use crate::error::Result;
use crate::error::failures as f;
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, Json, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/admin/users/{id}/tokens", "List a user's API tokens")
            .needs(&[P::UsersRead])
            .tag(TOKENS)
            .subject(SubjectKind::User)
            .fails(&[f::NOT_FOUND])
            .handler(list),
        Route::post(
            "/api/admin/users/{id}/tokens",
            "Create an API token for a user, whose text is shown only now",
        )
        .operator()
        .tag(TOKENS)
        .subject(SubjectKind::User)
        .example(TOKEN)
        .creates()
        .fails(OF_NEW)
        .handler(create),
        Route::delete("/api/admin/users/{id}/tokens/{tokenID}", "Revoke an API token of a user")
            .needs(&[P::UsersWrite])
            .tag(TOKENS)
            .subject(SubjectKind::User)
            .fails(&[f::NOT_FOUND])
            .handler(revoke),
    ]
}

async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<TokenView>>> {
    list_of(&call, call.id()?).await
}

async fn create(call: Call, Json(body): Json<TokenBody>) -> Result<Answer<NewTokenView>> {
    create_for(&call, call.id()?, body).await
}

async fn revoke(call: Call, _: NoBody) -> Result<Answer<()>> {
    revoke_of(&call, call.id()?, call.id_of("tokenID")?).await
}
