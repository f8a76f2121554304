//! `/api/admin/users/{id}/tokens`: other users' API tokens.

use super::token_body::TokenBody;
use super::tokens::{NewTokenView, TokenView, create_for, list_of, revoke_of};
use crate::error::Result;
use crate::rest::{Answer, Call, Json, NoBody};

pub(super) async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<TokenView>>> {
    list_of(&call, call.id()?).await
}

pub(super) async fn create(call: Call, Json(body): Json<TokenBody>) -> Result<Answer<NewTokenView>> {
    create_for(&call, call.id()?, body).await
}

pub(super) async fn revoke(call: Call, _: NoBody) -> Result<Answer<()>> {
    revoke_of(&call, call.id()?, call.id_of("tokenID")?).await
}
