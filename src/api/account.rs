//! `PUT /api/account/{id}`: the account page of existing clients.
//!
//! Outside admin mode it is always the caller's own account, whatever the path says: clients put all kinds of things
//! there.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::{Favorites, Flag, GivenSecret, NewPassword};
use super::check::Check;
use super::field::Field;
use super::role::RoleName;
use super::tags::ACCOUNT;
use super::username::{NewUserName, new_username};
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
    username: Field<NewUserName>,
    favorites: Field<Favorites>,
    /// A new password; absent or null keeps the old one.
    #[serde(default)]
    password: Field<NewPassword>,
    /// Needed for a new password of one's own.
    #[serde(default)]
    current_password: Field<GivenSecret>,
    /// Whether a new password also ends the user's API tokens and enrolment codes.
    #[serde(default)]
    end_tokens: Field<Flag>,
    /// Ignored unless the caller may grant roles.
    #[serde(default)]
    role: Field<RoleName>,
}

impl AccountBody {
    fn change(self, stored: &str, may_grant: bool) -> Result<UserChange> {
        Check::all(|check| {
            let username = new_username(check, "username", self.username, Some(stored));
            let favorites = check.required("favorites", self.favorites);
            let password = check.optional("password", self.password);
            let current_password = check.optional("currentPassword", self.current_password);
            let end_tokens = check.optional("endTokens", self.end_tokens);
            let role = if may_grant { check.optional("role", self.role) } else { Some(None) };
            Some(UserChange {
                username: Some(username?),
                favorites: Some(favorites?),
                role: role?.map(Into::into),
                superadmin: None,
                password: password?,
                current_password: current_password?,
                end_tokens: end_tokens?.unwrap_or_default(),
            })
        })
    }
}

async fn update(call: Call, Json(body): Json<AccountBody>) -> Result<Answer<()>> {
    account::change(&call, || call.id(), |stored, may_grant| body.change(stored, may_grant)).await?;
    Ok(Answer::done("User Account updated successfully"))
}
