//! `/api/admin/users`: user management, for admins and the local operator.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::{Favorites, Flag, GivenSecret, NewPassword};
use super::check::Check;
use super::field::Field;
use super::role::RoleName;
use super::tags::USERS;
use super::username::{NewUserName, new_username};
use crate::auth::permission::Role;
use crate::clock::Millis;
use crate::domain::user::{self, Listed};
use crate::domain::user_change::{UserChange, change_user};
use crate::error::Result;
use crate::error::failures::{self as f, Failure};
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, Json, NoBody, Route};

/// How a change of a user can fail.
pub(super) const OF_CHANGE: &[Failure] = &[
    f::NOT_FOUND,
    f::USERNAME_TAKEN,
    f::CURRENT_PASSWORD_REQUIRED,
    f::WRONG_PASSWORD,
    f::TOO_MANY_ATTEMPTS,
    f::USER_CHANGED,
    f::PASSWORD_CHANGED,
    f::LAST_SUPERADMIN,
];

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/admin/users", "List users").needs(&[P::UsersRead]).tag(USERS).handler(list),
        Route::post("/api/admin/users", "Create a user")
            .needs(&[P::UsersWrite])
            .tag(USERS)
            .example(r#"{"username": "ann", "password": "a long password", "role": "user"}"#)
            .creates()
            .fails(&[f::USERNAME_TAKEN])
            .handler(create),
        Route::get("/api/admin/users/{id}", "A user")
            .needs(&[P::UsersRead])
            .tag(USERS)
            .subject(SubjectKind::User)
            .fails(&[f::NOT_FOUND])
            .handler(get),
        Route::put("/api/admin/users/{id}", "Change a user")
            .needs(&[P::UsersWrite])
            .tag(USERS)
            .subject(SubjectKind::User)
            .example(r#"{"role": "admin"}"#)
            // A new password is a person's to give.
            .fails(&[f::SESSION_REQUIRED])
            .fails(OF_CHANGE)
            .handler(update),
        Route::delete("/api/admin/users/{id}", "Delete a user")
            .needs(&[P::UsersWrite])
            .tag(USERS)
            .subject(SubjectKind::User)
            .fails(&[f::NOT_FOUND, f::USER_OWNS_THINGS, f::LAST_SUPERADMIN])
            .handler(delete),
    ]
}

/// A user as it is shown.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserView {
    id: i64,
    username: String,
    role: RoleName,
    /// Whether the admin also grants and takes the roles admin and superadmin.
    superadmin: bool,
    favorites: Vec<i64>,
    /// When the user was made, in milliseconds since the epoch; null where that is not known, as for users of a database
    /// of the original server.
    created_at: Option<Millis>,
    /// When the user logged in last; null where that is not known.
    last_login: Option<Millis>,
}

impl From<Listed> for UserView {
    fn from(Listed { account, created_at, last_login }: Listed) -> Self {
        Self {
            created_at,
            last_login,
            id: account.id,
            username: account.username,
            role: account.role.into(),
            superadmin: account.role == Role::Superadmin,
            favorites: account.favorites,
        }
    }
}

/// A new user.
#[derive(Deserialize, JsonSchema)]
pub(super) struct NewUserBody {
    username: Field<NewUserName>,
    password: Field<NewPassword>,
    role: Field<RoleName>,
}

/// What is to change of a user; what is absent or null stays.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserBody {
    #[serde(default)]
    username: Field<NewUserName>,
    #[serde(default)]
    role: Field<RoleName>,
    /// True also makes the user an admin.
    #[serde(default)]
    superadmin: Field<Flag>,
    #[serde(default)]
    favorites: Field<Favorites>,
    /// A new password.
    #[serde(default)]
    password: Field<NewPassword>,
    /// Needed for a new password of one's own.
    #[serde(default)]
    current_password: Field<GivenSecret>,
    /// Whether a new password also ends the user's API tokens and enrolment codes.
    #[serde(default)]
    end_tokens: Field<Flag>,
}

impl UserBody {
    fn change(self, stored: &str) -> Result<UserChange> {
        Check::all(|check| {
            let username = match self.username {
                Field::Absent | Field::Null => Some(None),
                given => new_username(check, "username", given, Some(stored)).map(Some),
            };
            let role = check.optional("role", self.role);
            let superadmin = check.optional("superadmin", self.superadmin);
            if let (Some(Some(RoleName::User)), Some(Some(true))) = (role, superadmin) {
                check.wrong(
                    "superadmin",
                    "expected false or nothing with the role user: a superadmin is an admin",
                );
            }
            let favorites = check.optional("favorites", self.favorites);
            let password = check.optional("password", self.password);
            let current_password = check.optional("currentPassword", self.current_password);
            let end_tokens = check.optional("endTokens", self.end_tokens);
            Some(UserChange {
                username: username?,
                favorites: favorites?,
                role: role?.map(Into::into),
                superadmin: superadmin?,
                password: password?,
                current_password: current_password?,
                end_tokens: end_tokens?.unwrap_or_default(),
            })
        })
    }
}

async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<UserView>>> {
    let users = user::list(&call).await?;
    Ok(Answer::ok("Users retrieved successfully.", users.into_iter().map(UserView::from).collect()))
}

async fn get(call: Call, _: NoBody) -> Result<Answer<UserView>> {
    let user = user::get(&call, call.id()?).await?;
    Ok(Answer::ok("User retrieved successfully", user.into()))
}

async fn create(call: Call, Json(body): Json<NewUserBody>) -> Result<Answer<i64>> {
    let (username, password, role) = Check::all(|check| {
        let username = new_username(check, "username", body.username, None);
        let password = check.required("password", body.password);
        let role = check.required("role", body.role);
        Some((username?, password?, role?))
    })?;
    let id = user::create(&call, username, password, role.into()).await?;
    Ok(Answer::created("User created successfully", id))
}

async fn update(call: Call, Json(body): Json<UserBody>) -> Result<Answer<()>> {
    let id = call.id()?;
    change_user(&call, id, |stored| body.change(stored)).await?;
    Ok(Answer::done("User updated successfully"))
}

async fn delete(call: Call, _: NoBody) -> Result<Answer<()>> {
    user::delete(&call, call.id()?).await?;
    Ok(Answer::done("User deleted successfully"))
}
