//! API tokens, with which programs do what their user may.
//!
//! A token's text is in the answer that made it and nowhere else. Only a person makes tokens: one's own, or the local
//! operator for anyone. Whoever manages a user sees and revokes theirs.

use std::sync::Arc;

use secrecy::SecretString;

use super::By;
use super::user::{self, check_may_manage};
use crate::auth::tokens::{Token, Tokens};
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::model::permission::{Permission, has};
pub use crate::store::tokens::NewToken;
use crate::store::{Conn, devices, tokens, users};

/// Tokens of one user at once.
const MAX_OF_USER: i64 = 100;

/// The tokens of a user, the expired ones included.
///
/// # Errors
/// The caller may not see users, and it is not their own; there is no such user; the database cannot be read.
pub async fn list(by: &By, user: i64) -> Result<Vec<Arc<Token>>> {
    if !is_own(by, user) {
        by.caller.require(Permission::UsersRead)?;
    }
    by.host.accounts.get(user).await?.ok_or_else(user::not_found)?;
    Ok(by.host.tokens.of_user(user))
}

/// Makes a token of `user`, with permissions that the user has, and answers it with its text.
///
/// # Errors
/// The caller is neither the user nor the local operator, or a program; the user is none, may not do what the token would
/// allow, does not see its devices, or has too many; the database refuses.
pub async fn create(by: &By, user: i64, new: NewToken) -> Result<(Arc<Token>, SecretString)> {
    by.caller.refuse_token()?;
    if !is_own(by, user) && !by.caller.is_operator() {
        return Err(Error::forbidden(
            "A token acts as its user: nobody else but the local operator makes one",
        ));
    }
    let now = by.now();
    let (text, key) = Tokens::fresh()?;
    let id = by
        .change(Action::TokenCreate, move |db, entry| {
            check_grantable(db, user, &new, now)?;
            let id = tokens::insert(db, user, &key.0, now, &new)?;
            entry.on(SubjectKind::Token, id, new.name);
            Ok(id)
        })
        .await?;
    by.host.tokens.refresh(user).await?;
    let made = by.host.tokens.of_user(user).into_iter().find(|token| token.row.id == id);
    // Revoked by someone else in this moment.
    Ok((made.ok_or_else(not_found)?, text))
}

/// Revokes a token of `user`.
///
/// # Errors
/// There is no such user, the caller may not change them, or they have no such token; the database refuses.
pub async fn revoke(by: &By, user: i64, id: i64) -> Result<()> {
    let caller = by.caller.clone();
    by.change(Action::TokenRevoke, move |db, entry| {
        let owner = users::get(db, user)?.ok_or_else(user::not_found)?;
        check_may_manage(&caller, &owner)?;
        let name = tokens::name(db, user, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::Token, id, name);
        tokens::delete(db, user, id)
    })
    .await?;
    by.host.tokens.refresh(user).await
}

/// Whether `user` is who calls.
fn is_own(by: &By, user: i64) -> bool {
    by.caller.user_id() == Some(user)
}

/// Refuses a token that would allow what its user may not do, or that is one too many.
fn check_grantable(db: &Conn, user: i64, new: &NewToken, now: Millis) -> Result<()> {
    let owner = users::get(db, user)?.ok_or_else(user::not_found)?;
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
