//! `/api/account/tokens`: the API tokens of one's own. No route here takes a token, whatever its permissions.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::tags::TOKENS;
use super::token_body::TokenBody;
use crate::auth::permission::Permission;
use crate::auth::tokens::Token;
use crate::clock::Millis;
use crate::domain::token;
use crate::error::failures::{self as f, Failure};
use crate::error::{Error, Result};
use crate::model::audit::SubjectKind;
use crate::rest::{Answer, Call, Json, NoBody, Route};

/// An example of a new token.
pub(super) const TOKEN: &str = r#"{"name": "script", "permissions": ["devices:read", "devices:wake"]}"#;
/// How making one can fail.
pub(super) const OF_NEW: &[Failure] =
    &[f::FORBIDDEN, f::NOT_FOUND, f::NO_MATCHING_DEVICE, f::TOO_MANY_TOKENS];

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/account/tokens", "List the caller's API tokens")
            .session()
            .tag(TOKENS)
            .fails(&[f::NOT_FOUND])
            .handler(list),
        Route::post("/api/account/tokens", "Create an API token, whose text is shown only now")
            .session()
            .tag(TOKENS)
            .example(TOKEN)
            .creates()
            .fails(OF_NEW)
            .handler(create),
        Route::delete("/api/account/tokens/{id}", "Revoke one of the caller's API tokens")
            .session()
            .tag(TOKENS)
            .subject(SubjectKind::Token)
            .fails(&[f::NOT_FOUND])
            .handler(revoke),
    ]
}

/// A token as it is shown.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenView {
    id: i64,
    name: String,
    permissions: Vec<Permission>,
    /// The devices it is restricted to; null for no restriction.
    #[serde(rename = "deviceIDs")]
    device_ids: Option<Vec<i64>>,
    /// When it was made, in milliseconds since the epoch, as every time here.
    created: Millis,
    /// When it ends; null for never.
    expires_at: Option<Millis>,
    /// When it was last used; null for never.
    last_used: Option<Millis>,
}

impl From<&Token> for TokenView {
    fn from(token: &Token) -> Self {
        let row = &token.row;
        Self {
            id: row.id,
            name: row.name.clone(),
            permissions: row.permissions.clone(),
            device_ids: row.devices.as_deref().map(<[i64]>::to_vec),
            created: row.created,
            expires_at: row.expires,
            last_used: token.last_used(),
        }
    }
}

/// A token that was just made.
#[derive(Serialize, JsonSchema)]
pub(super) struct NewTokenView {
    #[serde(flatten)]
    token_view: TokenView,
    /// What to send as `Authorization: Bearer`. It is shown only now.
    token: String,
}

/// The user whose tokens a route of one's own is about.
fn own(call: &Call) -> Result<i64> {
    call.caller.user_id().ok_or_else(|| {
        Error::invalid("The local operator has no tokens of its own: use /api/admin/users/{id}/tokens")
    })
}

pub(super) async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<TokenView>>> {
    list_of(&call, own(&call)?).await
}

pub(super) async fn create(call: Call, Json(body): Json<TokenBody>) -> Result<Answer<NewTokenView>> {
    create_for(&call, own(&call)?, body).await
}

pub(super) async fn revoke(call: Call, _: NoBody) -> Result<Answer<()>> {
    revoke_of(&call, own(&call)?, call.id()?).await
}

pub(super) async fn list_of(call: &Call, user: i64) -> Result<Answer<Vec<TokenView>>> {
    let tokens = token::list(call, user).await?;
    let views = tokens.iter().map(|token| TokenView::from(&**token)).collect();
    Ok(Answer::ok("Tokens retrieved successfully.", views))
}

pub(super) async fn create_for(call: &Call, user: i64, body: TokenBody) -> Result<Answer<NewTokenView>> {
    let (made, text) = token::create(call, user, body.for_new(call.now())?).await?;
    let view = NewTokenView { token_view: TokenView::from(&*made), token: text.expose_secret().to_owned() };
    Ok(Answer::created("Token created successfully. It is shown only this once: keep it now.", view))
}

pub(super) async fn revoke_of(call: &Call, user: i64, id: i64) -> Result<Answer<()>> {
    token::revoke(call, user, id).await?;
    Ok(Answer::done("Token revoked successfully"))
}
