//! Whose the things are that somebody makes.

use super::By;
use super::user::not_found;
use crate::error::{Error, Result};
use crate::store::users;

/// The owner of what the caller is about to make: the caller. The local operator is no user, and every thing has an
/// owner: what the operator makes belongs to the user `named`, else to the superadmin. From everyone else `named` is
/// ignored.
///
/// # Errors
/// The operator names a user that there is not, or there is no superadmin.
pub async fn owner_of_new(by: &By, named: Option<i64>) -> Result<i64> {
    if let Some(user) = by.caller.user_id() {
        return Ok(user);
    }
    if let Some(named) = named {
        let user = by.host.accounts.get(named).await?;
        return user.map(|user| user.id).ok_or_else(not_found);
    }
    by.host.store.read(users::first_superadmin).await?.ok_or_else(|| {
        Error::conflict("no_superadmin", "There is no superadmin to own what the local operator creates.")
    })
}
