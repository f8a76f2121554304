//! `/api/admin/users`: user management, for admins and the local operator.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, FAVORITES, FLAG, GIVEN_PASSWORD, PASSWORD, Rule};
use super::count::counted;
use super::field::Field;
use super::user_change::{
    Change, RoleName, change_user, check_may_grant, check_may_manage, check_superadmin_stays, not_found,
};
use super::username::new_username;
use crate::audit::{Action, SubjectKind};
use crate::auth::accounts::Account;
use crate::auth::permission::Role;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Json, NoBody};
use crate::store::users::{self, NewUser, UserRow};

pub(super) const ROLE: Rule<String, RoleName> = Rule::word("admin or user");
const SUPERADMIN: Rule<bool, bool> = Rule::new("true or false", Some);

/// A user as it is shown.
#[derive(Serialize, JsonSchema)]
pub(super) struct UserView {
    id: i64,
    username: String,
    role: RoleName,
    /// Whether the admin also grants and takes the roles admin and superadmin.
    superadmin: bool,
    favorites: Vec<i64>,
}

impl From<Account> for UserView {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            username: account.username,
            role: RoleName::of(account.role),
            superadmin: account.role == Role::Superadmin,
            favorites: account.favorites,
        }
    }
}

/// A new user.
#[derive(Deserialize, JsonSchema)]
pub(super) struct NewUserBody {
    username: Field<String>,
    password: Field<String>,
    #[schemars(with = "RoleName")]
    role: Field<String>,
}

/// What is to change of a user; what is absent or null stays.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserBody {
    #[serde(default)]
    username: Field<String>,
    #[serde(default)]
    #[schemars(with = "RoleName")]
    role: Field<String>,
    /// True also makes the user an admin.
    #[serde(default)]
    superadmin: Field<bool>,
    #[serde(default)]
    favorites: Field<Vec<i64>>,
    /// A new password.
    #[serde(default)]
    password: Field<String>,
    /// Needed for a new password of one's own.
    #[serde(default)]
    current_password: Field<String>,
    /// Whether a new password also ends the user's API tokens and enrolment codes.
    #[serde(default)]
    end_tokens: Field<bool>,
}

impl UserBody {
    fn change(self, stored: &UserRow) -> Result<Change> {
        let mut check = Check::default();
        let username = match self.username {
            Field::Absent | Field::Null => Some(None),
            given => new_username(&mut check, "username", given, Some(&stored.username)).map(Some),
        };
        let role = check.optional("role", self.role, &ROLE);
        let superadmin = check.optional("superadmin", self.superadmin, &SUPERADMIN);
        if let (Some(Some(RoleName::User)), Some(Some(true))) = (role, superadmin) {
            check.wrong(
                "superadmin",
                "expected false or nothing with the role user: a superadmin is an admin",
            );
        }
        let favorites = check.optional("favorites", self.favorites, &FAVORITES);
        let password = check.optional("password", self.password, &PASSWORD);
        let current_password = check.optional("currentPassword", self.current_password, &GIVEN_PASSWORD);
        let end_tokens = check.optional("endTokens", self.end_tokens, &FLAG);
        check.done()?;
        Ok(Change {
            username: username.flatten(),
            favorites: favorites.flatten(),
            role: role.flatten(),
            superadmin: superadmin.flatten(),
            password: password.flatten(),
            current_password: current_password.flatten(),
            end_tokens: end_tokens.flatten().unwrap_or_default(),
        })
    }
}

pub(super) async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<UserView>>> {
    let now = call.host.clock.now();
    let accounts = call
        .host
        .store
        .read(move |db| {
            users::list(db)?.iter().filter_map(|user| users::account(db, user.id, now).transpose()).collect()
        })
        .await;
    let accounts: Vec<Account> = accounts?;
    Ok(Answer::ok("Users retrieved successfully.", accounts.into_iter().map(UserView::from).collect()))
}

pub(super) async fn get(call: Call, _: NoBody) -> Result<Answer<UserView>> {
    let id = call.id()?;
    let now = call.host.clock.now();
    let account = call.host.store.read(move |db| users::account(db, id, now)).await?.ok_or_else(not_found)?;
    Ok(Answer::ok("User retrieved successfully", account.into()))
}

pub(super) async fn create(call: Call, Json(body): Json<NewUserBody>) -> Result<Answer<i64>> {
    let mut check = Check::default();
    let username = new_username(&mut check, "username", body.username, None);
    let password = check.required("password", body.password, &PASSWORD);
    let role = check.required("role", body.role, &ROLE);
    let (Some(username), Some(password), Some(role)) = (username, password, role) else {
        return Err(check.error());
    };
    let role = role.of_new();
    check_may_grant(&call.caller, role)?;
    let password_hash = call.host.passwords.hash_new(&username, password).await?.into();
    let user = NewUser { username, password_hash, role };
    let id = call
        .change(Action::UserCreate, move |db, entry| {
            let id = users::insert(db, &user)?;
            entry.on(SubjectKind::User, id, user.username);
            Ok(id)
        })
        .await?;
    Ok(Answer::created("User created successfully", id))
}

pub(super) async fn update(call: Call, Json(body): Json<UserBody>) -> Result<Answer<()>> {
    let id = call.id()?;
    change_user(&call, id, |stored| body.change(stored)).await?;
    Ok(Answer::done("User updated successfully"))
}

pub(super) async fn delete(call: Call, _: NoBody) -> Result<Answer<()>> {
    let id = call.id()?;
    let caller = call.caller.clone();
    call.change(Action::UserDelete, move |db, entry| {
        let user = users::get(db, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::User, id, user.username.as_str());
        check_may_manage(&caller, &user)?;
        check_superadmin_stays(db, &user)?;
        // Also of oneself: deleting an admin takes their role.
        check_may_grant(&caller, user.role)?;
        let owned = users::owned_counts(db, id)?;
        if owned.agents + owned.devices > 0 {
            return Err(Error::conflict(
                "user_owns_things",
                format!(
                    "The user still owns {} and {}. Delete them first, in admin mode.",
                    counted(owned.agents, "agent"),
                    counted(owned.devices, "device")
                ),
            ));
        }
        users::delete(db, id)
    })
    .await?;
    call.host.accounts.forget(id);
    call.host.sessions.forget_all_of(id, None);
    call.host.tokens.refresh(id).await?;
    Ok(Answer::done("User deleted successfully"))
}
