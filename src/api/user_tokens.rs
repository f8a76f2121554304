//! `/api/admin/users/{id}/tokens`: other users' API tokens.
//!
//! Whoever manages a user sees and revokes their tokens. Only the local operator makes one for somebody else: a token
//! acts as its user, and no role lets one user act as another.

use super::token_body::TokenBody;
use super::tokens::{NewTokenView, TokenView, create_for, list_of, revoke_of};
use crate::domain::user::{check_may_manage, not_found};
use crate::error::Result;
use crate::http::{Answer, Call, Json, NoBody};
use crate::store::users;

pub(super) async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<TokenView>>> {
    let user = call.id()?;
    call.host.accounts.get(user).await?.ok_or_else(not_found)?;
    Ok(list_of(&call, user))
}

pub(super) async fn create(call: Call, Json(body): Json<TokenBody>) -> Result<Answer<NewTokenView>> {
    create_for(&call, call.id()?, body).await
}

pub(super) async fn revoke(call: Call, _: NoBody) -> Result<Answer<()>> {
    let (user, id) = (call.id()?, call.id_of("tokenID")?);
    let caller = call.caller.clone();
    revoke_of(&call, user, id, move |db| {
        let user = users::get(db, user)?.ok_or_else(not_found)?;
        check_may_manage(&caller, &user)
    })
    .await
}
