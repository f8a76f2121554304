//! Users, as whoever manages them sees, makes and deletes them.
//!
//! Who may change whom is decided here, for every verb that is about another user.

use secrecy::SecretString;

use super::count::counted;
use super::{By, operation};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::model::audit::{Action, Entry, SubjectKind};
use crate::model::permission::{Permission, Role, Scope, to_manage};
use crate::store::Conn;
use crate::store::users::{self, NewUser, UserRow};

pub use crate::store::users::Listed;

/// All users, by ID.
///
/// # Errors
/// The caller may not; the database cannot be read.
pub async fn list(by: &By) -> Result<Vec<Listed>> {
    by.caller.require(Permission::UsersRead)?;
    let now = by.now();
    by.reader().read(move |db| users::all_listed(db, now)).await
}

/// One user.
///
/// # Errors
/// The caller may not; there is no such user; the database cannot be read.
pub async fn get(by: &By, id: i64) -> Result<Listed> {
    by.caller.require(Permission::UsersRead)?;
    let now = by.now();
    by.host.store.read(move |db| users::listed(db, id, now)).await?.ok_or_else(not_found)
}

/// Makes a user and answers the ID.
///
/// # Errors
/// The caller may not grant the role, the password is a weak one, the name is taken; the database refuses.
pub async fn create(by: &By, username: String, password: SecretString, role: Role) -> Result<i64> {
    check_may_grant(&by.caller, role)?;
    let password_hash = by.host.passwords.hash_new(&username, password).await?.into();
    let user = NewUser { username, password_hash, role, created_at: by.now() };
    by.change(Action::UserCreate, move |db, entry| {
        let id = users::insert(db, &user)?;
        entry.on(SubjectKind::User, id, user.username);
        Ok(id)
    })
    .await
}

/// Deletes a user who owns nothing, and ends what they are logged in with.
///
/// # Errors
/// There is no such user, or the caller may not; the user owns something or is the last superadmin; the database refuses.
pub async fn delete(by: &By, id: i64) -> Result<()> {
    let caller = by.caller.clone();
    let clock = by.host.clock.clone();
    let delete = move |db: &Conn, entry: &mut Entry| {
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
        let ended = operation::user_gone(db, id, clock.now())?;
        users::delete(db, id)?;
        Ok(ended)
    };
    let ended = by.change(Action::UserDelete, delete).await?;
    operation::publish(&by.host, &ended);
    by.host.accounts.forget(id);
    by.host.sessions.forget_all_of(id, None);
    by.host.tokens.refresh(id).await
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
