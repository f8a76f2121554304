//! `/api/account/tokens`: the API tokens of one's own.
//!
//! A token's text is in the answer that made it and nowhere else. Only a person makes tokens: no route here takes a
//! token, whatever its permissions.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::token_body::TokenBody;
use crate::audit::{Action, SubjectKind};
use crate::auth::permission::{Permission, has};
use crate::auth::tokens::{Token, Tokens};
use crate::clock::Millis;
use crate::domain::user::not_found as no_such_user;
use crate::error::{Error, Kind, Result};
use crate::http::{Answer, Call, Json, NoBody};
use crate::store::tokens::NewToken;
use crate::store::{Conn, devices, tokens, users};

/// Tokens of one user at once.
const MAX_OF_USER: i64 = 100;

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
    Ok(list_of(&call, own(&call)?))
}

pub(super) async fn create(call: Call, Json(body): Json<TokenBody>) -> Result<Answer<NewTokenView>> {
    create_for(&call, own(&call)?, body).await
}

pub(super) async fn revoke(call: Call, _: NoBody) -> Result<Answer<()>> {
    let (user, id) = (own(&call)?, call.id()?);
    revoke_of(&call, user, id, |_| Ok(())).await
}

pub(super) fn list_of(call: &Call, user: i64) -> Answer<Vec<TokenView>> {
    let tokens = call.host.tokens.of_user(user);
    Answer::ok(
        "Tokens retrieved successfully.",
        tokens.iter().map(|token| TokenView::from(&**token)).collect(),
    )
}

/// Makes a token of `user`, with permissions that the user has.
pub(super) async fn create_for(call: &Call, user: i64, body: TokenBody) -> Result<Answer<NewTokenView>> {
    let now = call.host.clock.now();
    let new = body.for_new(now)?;
    let (text, key) = Tokens::fresh()?;
    let id = call
        .change(Action::TokenCreate, move |db, entry| {
            check_grantable(db, user, &new, now)?;
            let id = tokens::insert(db, user, &key.0, now, &new)?;
            entry.on(SubjectKind::Token, id, new.name);
            Ok(id)
        })
        .await?;
    call.host.tokens.refresh(user).await?;
    let made = call.host.tokens.of_user(user).into_iter().find(|token| token.row.id == id);
    // Revoked by someone else in this moment.
    let made = made.ok_or_else(not_found)?;
    let view = NewTokenView { token_view: TokenView::from(&*made), token: text.expose_secret().to_owned() };
    Ok(Answer::created("Token created successfully. It is shown only this once: keep it now.", view))
}

/// Revokes a token of `user`, if `check` has nothing against it.
pub(super) async fn revoke_of(
    call: &Call,
    user: i64,
    id: i64,
    check: impl FnOnce(&Conn) -> Result<()> + Send + 'static,
) -> Result<Answer<()>> {
    call.change(Action::TokenRevoke, move |db, entry| {
        check(db)?;
        let name = tokens::name(db, user, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::Token, id, name);
        tokens::delete(db, user, id)
    })
    .await?;
    call.host.tokens.refresh(user).await?;
    Ok(Answer::done("Token revoked successfully"))
}

/// Refuses a token that would allow what its user may not do, or that is one too many.
fn check_grantable(db: &Conn, user: i64, new: &NewToken, now: Millis) -> Result<()> {
    let owner = users::get(db, user)?.ok_or_else(no_such_user)?;
    if let Some(beyond) = new.permissions.iter().find(|permission| !has(owner.role, **permission)) {
        return Err(Error::forbidden(format!(
            "The token’s user does not have the permission {}, so that no token of theirs can",
            beyond.name()
        )));
    }
    let asked = new.devices.as_deref().unwrap_or_default();
    if devices::seen_among(db, user, asked, now)?.len() < asked.len() {
        return Err(Error::new(
            Kind::Invalid,
            "no_matching_device",
            "One of the devices (deviceIDs) does not exist, or is neither the token’s user’s own nor shared with them",
        ));
    }
    if tokens::count(db, user)? >= MAX_OF_USER {
        return Err(Error::conflict(
            "too_many_tokens",
            format!("The user has {MAX_OF_USER} tokens, which is the limit. Revoke one first."),
        ));
    }
    Ok(())
}

fn not_found() -> Error {
    Error::not_found("Token not found")
}
