//! Changing a user, whoever does it: the user's own account page, an admin, or the local operator.
//!
//! The rules that hold everywhere are here: who may change whom, that one's own new password needs the current one,
//! and what a new password ends.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::audit::{Action, SubjectKind};
use crate::auth::permission::{Role, Scope, to_manage};
use crate::auth::session::SessionKey;
use crate::auth::{Caller, first_admin};
use crate::error::{Error, Kind, Result};
use crate::http::Call;
use crate::store::Conn;
use crate::store::users::{self, UserRow};

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
    let password_hash = match &change.password {
        None => None,
        Some(password) => {
            call.caller.refuse_token()?;
            if own {
                confirm(call, &stored, change.current_password.as_ref()).await?;
            }
            let username = change.username.as_ref().unwrap_or(&stored.username);
            Some(SecretString::from(host.passwords.hash_new(username, password.clone()).await?))
        }
    };

    let new_password = password_hash.is_some();
    let caller = call.caller.clone();
    call.change(Action::UserUpdate, move |db, entry| {
        let row = users::get(db, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::User, id, row.username.as_str());
        check_may_manage(&caller, &row)?;
        // What was confirmed is the password that was stored then.
        if own && new_password && row.password_hash.expose_secret() != stored.password_hash.expose_secret() {
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
        users::update(
            db,
            &UserRow {
                id,
                username: change.username.unwrap_or(row.username),
                password_hash: password_hash.unwrap_or(row.password_hash),
                role: new_role,
                favorites: change.favorites.unwrap_or(row.favorites),
            },
        )
    })
    .await?;
    host.accounts.forget(id);
    if new_password {
        let except = match &call.caller {
            Caller::User { session, .. } if own => Some(*session),
            _ => None,
        };
        password_changed(call, id, except).await?;
    }
    Ok(())
}

/// Ends what the old password gave access to.
async fn password_changed(call: &Call, user: i64, except: Option<SessionKey>) -> Result<()> {
    call.host.sessions.end_all_of(user, except).await?;
    if user == first_admin::ID {
        let directory = call.host.config.data_directory.clone();
        let removed = tokio::task::spawn_blocking(move || first_admin::remove_credentials(&directory)).await;
        match removed.map_err(Error::internal)? {
            Ok(true) => {
                tracing::info!("The first admin's password was changed: its credentials file is removed")
            }
            Ok(false) => {}
            Err(e) => tracing::warn!(
                "The first admin's password was changed, but its credentials file cannot be removed: {e}. \
                 The password in it no longer works; remove the file by hand."
            ),
        }
    }
    Ok(())
}

/// Checks that the caller knows the password they are about to replace. Wrong ones count as failed logins do.
async fn confirm(call: &Call, stored: &UserRow, given: Option<&SecretString>) -> Result<()> {
    let Some(given) = given else {
        return Err(Error::new(
            Kind::Invalid,
            "current_password_required",
            "To change your own password, send your current one as currentPassword",
        ));
    };
    let attempt = call.host.throttle.attempt(&stored.username, call.peer.address).await?;
    let hash = stored.password_hash.expose_secret().to_owned();
    let verdict = call.host.passwords.verify(Some(hash), given.clone()).await?;
    if verdict.ok {
        attempt.succeeded();
        return Ok(());
    }
    attempt.failed();
    Err(Error::new(Kind::Invalid, "wrong_password", "The current password is wrong"))
}

pub(super) fn not_found() -> Error {
    Error::not_found("User not found")
}

/// Refuses a caller who may not change or delete this user. Everyone may change themselves.
pub(super) fn check_may_manage(caller: &Caller, user: &UserRow) -> Result<()> {
    if caller.user_id() == Some(user.id) || caller.may(to_manage(user.role), Scope::Any) {
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
