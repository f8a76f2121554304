//! Changing a user, whoever does it: the user's own account page, an admin, or the local operator.
//!
//! The rules that hold everywhere are here: who may change whom, and that one's own new password needs the current one.

use secrecy::{ExposeSecret, SecretString};

use super::By;
use super::current_password::confirm;
use super::new_password::NewPassword;
use super::user::{check_may_grant, check_may_manage, check_superadmin_stays, not_found};
use crate::error::{Error, Result};
use crate::model::audit::{Action, Entry, SubjectKind};
use crate::model::permission::Role;
use crate::model::username::flaw;
use crate::store::users::{self, UserRow};
use crate::store::{audit, password_resets};

/// What is to change; none keeps what is stored.
pub struct UserChange {
    /// The name to log in with.
    pub username: Option<String>,
    /// The favourite devices.
    pub favorites: Option<Vec<i64>>,
    /// The role, of which [`Role::Admin`] leaves a superadmin one.
    pub role: Option<Role>,
    /// Whether the user is to be a superadmin, who is an admin besides.
    pub superadmin: Option<bool>,
    /// A new password.
    pub password: Option<SecretString>,
    /// Needed for a new password of one's own.
    pub current_password: Option<SecretString>,
    /// Whether a new password also ends the user's API tokens and enrolment codes.
    pub end_tokens: bool,
}

impl UserChange {
    /// The role of a user who had `before`.
    fn role_after(&self, before: Role) -> Role {
        let named = match self.role {
            None => before,
            Some(Role::User) => Role::User,
            Some(admin) => before.max(admin),
        };
        match self.superadmin {
            Some(true) => Role::Superadmin,
            Some(false) => named.min(Role::Admin),
            None => named,
        }
    }
}

/// Changes the user `id` to what `read` makes of their name: one that is sent as it is stored may break today's rules.
///
/// # Errors
/// There is no such user, or the caller may not change them; what `read` answers; the current password is missing or wrong,
/// or there were too many wrong ones; the name is taken, or the last superadmin would go; the database refuses.
pub async fn change_user(by: &By, id: i64, read: impl FnOnce(&str) -> Result<UserChange>) -> Result<()> {
    let host = &by.host;
    let stored = host.store.read(move |db| users::get(db, id)).await?.ok_or_else(not_found)?;
    check_may_manage(&by.caller, &stored)?;
    let change = read(&stored.username)?;
    let own = by.caller.user_id() == Some(id);
    let new_password = match &change.password {
        None => None,
        Some(password) => {
            by.caller.refuse_token()?;
            if own {
                confirm(by, &stored, change.current_password.as_ref()).await?;
            }
            let username = change.username.as_ref().unwrap_or(&stored.username);
            let hash = SecretString::from(host.passwords.hash_new(username, password.clone()).await?);
            let keep = if own { Some(by.caller.session()?.1) } else { None };
            Some(NewPassword { hash, keep, end_tokens: change.end_tokens })
        }
    };

    let storing = new_password.clone();
    let caller = by.caller.clone();
    by.change(Action::UserUpdate, move |db, entry| {
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
