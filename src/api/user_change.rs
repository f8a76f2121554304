//! Changing a user, whoever does it: the user's own account page, an admin, or the local operator.
//!
//! The rules that hold everywhere are here: who may change whom, and that one's own new password needs the current one.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::current_password::confirm;
use super::new_password::NewPassword;
use crate::audit::{Action, Entry, SubjectKind};
use crate::auth::Caller;
use crate::auth::permission::{Role, Scope, to_manage};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::model::username::flaw;
use crate::store::users::{self, UserRow};
use crate::store::{Conn, audit, password_resets};

/// A role as it is written and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleName {
    Admin,
    User,
}

impl RoleName {
    pub(super) fn of(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin | Role::Superadmin => Self::Admin,
        }
    }

    /// The role of a user who is given this name and had `before`: a superadmin called admin stays superadmin.
    fn given_to(self, before: Role) -> Role {
        match self {
            Self::User => Role::User,
            Self::Admin => before.max(Role::Admin),
        }
    }

    /// The role of a new user.
    pub(super) fn of_new(self) -> Role {
        self.given_to(Role::User)
    }
}

/// What is to change; none keeps what is stored.
pub(super) struct Change {
    pub(super) username: Option<String>,
    pub(super) favorites: Option<Vec<i64>>,
    pub(super) role: Option<RoleName>,
    /// Whether the user is to be a superadmin, who is an admin besides.
    pub(super) superadmin: Option<bool>,
    pub(super) password: Option<SecretString>,
    pub(super) current_password: Option<SecretString>,
    /// Whether a new password also ends the user's API tokens and enrolment codes.
    pub(super) end_tokens: bool,
}

impl Change {
    /// The role of a user who had `before`.
    fn role_after(&self, before: Role) -> Role {
        let named = self.role.map_or(before, |name| name.given_to(before));
        match self.superadmin {
            Some(true) => Role::Superadmin,
            Some(false) => named.min(Role::Admin),
            None => named,
        }
    }
}

/// Changes the user `id` to what `read` makes of the stored row and the request.
///
/// # Errors
/// There is no such user (404), the caller may not (403), the fields are wrong or the current password is missing or
/// wrong (400), the name is taken or the last superadmin would go (409), too many wrong passwords (429).
pub(super) async fn change_user(
    call: &Call,
    id: i64,
    read: impl FnOnce(&UserRow) -> Result<Change>,
) -> Result<()> {
    let host = &call.host;
    let stored = host.store.read(move |db| users::get(db, id)).await?.ok_or_else(not_found)?;
    check_may_manage(&call.caller, &stored)?;
    let change = read(&stored)?;
    let own = call.caller.user_id() == Some(id);
    let new_password = match &change.password {
        None => None,
        Some(password) => {
            call.caller.refuse_token()?;
            if own {
                confirm(call, &stored, change.current_password.as_ref()).await?;
            }
            let username = change.username.as_ref().unwrap_or(&stored.username);
            let hash = SecretString::from(host.passwords.hash_new(username, password.clone()).await?);
            let keep = if own { Some(call.caller.session()?.1) } else { None };
            Some(NewPassword { hash, keep, end_tokens: change.end_tokens })
        }
    };

    let storing = new_password.clone();
    let caller = call.caller.clone();
    call.change(Action::UserUpdate, move |db, entry| {
        let row = users::get(db, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::User, id, row.username.as_str());
        check_may_manage(&caller, &row)?;
        // What was sent as it was stored passed whatever it holds, and must not come back after a renaming.
        if change.username.as_ref().is_some_and(|name| *name != row.username && flaw(name).is_some()) {
            return Err(Error::conflict(
                "user_changed",
                "The user was renamed by someone else in the meantime. Look again.",
            ));
        }
        // What was confirmed is the password that was stored then.
        if own
            && storing.is_some()
            && row.password_hash.expose_secret() != stored.password_hash.expose_secret()
        {
            return Err(Error::conflict(
                "password_changed",
                "The password was changed by someone else in the meantime. Log in again.",
            ));
        }
        let new_role = change.role_after(row.role);
        if new_role != row.role {
            check_may_grant(&caller, new_role.max(row.role))?;
            check_superadmin_stays(db, &row)?;
        }
        if new_role > row.role {
            // Whoever made one was allowed to for the user of before.
            password_resets::delete_of_user(db, id)?;
        }
        users::update(
            db,
            &UserRow {
                id,
                username: change.username.unwrap_or(row.username),
                password_hash: row.password_hash,
                role: new_role,
                favorites: change.favorites.unwrap_or(row.favorites),
            },
        )?;
        if let Some(new) = storing {
            new.store(db, id)?;
            audit::insert(db, &Entry { action: Action::PasswordChange, ..entry.clone() })?;
        }
        Ok(())
    })
    .await?;
    host.accounts.forget(id);
    match new_password {
        Some(new) => new.stored(host, id).await,
        None => Ok(()),
    }
}

pub(super) fn not_found() -> Error {
    Error::not_found("User not found")
}

/// Refuses a caller who may not change or delete this user. Everyone who is logged in may change themselves; a token
/// does with its own user what it may do with others like them.
pub(super) fn check_may_manage(caller: &Caller, user: &UserRow) -> Result<()> {
    let oneself = matches!(caller, Caller::User { account, .. } if account.id == user.id);
    if oneself || caller.may(to_manage(user.role), Scope::Any) {
        return Ok(());
    }
    Err(Error::forbidden("Only a superadmin changes or deletes other admins"))
}

/// Refuses a caller who may not grant or take this role.
pub(super) fn check_may_grant(caller: &Caller, role: Role) -> Result<()> {
    if caller.may(to_manage(role), Scope::Any) {
        return Ok(());
    }
    Err(Error::forbidden("Only a superadmin grants or takes the roles admin and superadmin"))
}

/// Refuses that the last superadmin goes.
pub(super) fn check_superadmin_stays(db: &Conn, going: &UserRow) -> Result<()> {
    if going.role != Role::Superadmin {
        return Ok(());
    }
    if users::superadmins(db)? > 1 {
        return Ok(());
    }
    Err(Error::conflict(
        "last_superadmin",
        "The last superadmin cannot be deleted or demoted: make another user superadmin first",
    ))
}
