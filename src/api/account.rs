//! `PUT /api/account/{id}`: the account page of existing clients.
//!
//! Outside admin mode it is always the caller's own account, whatever the path says: clients put all kinds of things
//! there.

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{Check, FAVORITES, FLAG, GIVEN_PASSWORD, PASSWORD};
use super::field::Field;
use super::role::{ROLE, RoleName};
use super::tags::ACCOUNT;
use super::username::new_username;
use super::users::OF_CHANGE;
use crate::domain::account;
use crate::domain::user_change::UserChange;
use crate::error::Result;
use crate::error::failures as f;
use crate::rest::{Answer, Call, Json, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::put("/api/account/{id}", "Replace the caller's account")
            .session()
            .tag(ACCOUNT)
            .admin_mode()
            .param::<String>("id", "Means nothing, but in admin mode a user's ID")
            .example(r#"{"username": "admin", "favorites": [1]}"#)
            .fails(&[f::INVALID_ID, f::FORBIDDEN])
            .fails(OF_CHANGE)
            .handler(update),
    ]
}

/// What is to replace an account.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountBody {
    username: Field<String>,
    favorites: Field<Vec<i64>>,
    /// A new password; absent or null keeps the old one.
    #[serde(default)]
    password: Field<String>,
    /// Needed for a new password of one's own.
    #[serde(default)]
    current_password: Field<String>,
    /// Whether a new password also ends the user's API tokens and enrolment codes.
    #[serde(default)]
    end_tokens: Field<bool>,
    /// Ignored unless the caller may grant roles.
    #[serde(default)]
    #[schemars(with = "RoleName")]
    role: Field<String>,
}

impl AccountBody {
    fn change(self, stored: &str, may_grant: bool) -> Result<UserChange> {
        let mut check = Check::default();
        let username = new_username(&mut check, "username", self.username, Some(stored));
        let favorites = check.required("favorites", self.favorites, &FAVORITES);
        let password = check.optional("password", self.password, &PASSWORD);
        let current_password = check.optional("currentPassword", self.current_password, &GIVEN_PASSWORD);
        let end_tokens = check.optional("endTokens", self.end_tokens, &FLAG);
        let role = if may_grant { check.optional("role", self.role, &ROLE) } else { Some(None) };
        check.done()?;
        Ok(UserChange {
            username,
            favorites,
            role: role.flatten().map(Into::into),
            superadmin: None,
            password: password.flatten(),
            current_password: current_password.flatten(),
            end_tokens: end_tokens.flatten().unwrap_or_default(),
        })
    }
}

async fn update(call: Call, Json(body): Json<AccountBody>) -> Result<Answer<()>> {
    account::change(&call, || call.id(), |stored, may_grant| body.change(stored, may_grant)).await?;
    Ok(Answer::done("User Account updated successfully"))
}
