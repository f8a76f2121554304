//! Whose the things are that a caller makes.

use crate::auth::permission::Role;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::store::users;

/// The owner of what the caller is about to make: the caller. What the local operator makes belongs to the
/// superadmin, since every thing has an owner and the operator is no user.
///
/// # Errors
/// There is no superadmin.
pub(super) async fn owner_of_new(call: &Call) -> Result<i64> {
    if let Some(user) = call.caller.user_id() {
        return Ok(user);
    }
    let users = call.host.store.read(users::list).await?;
    let superadmin = users.into_iter().find(|user| user.role == Role::Superadmin);
    superadmin.map(|user| user.id).ok_or_else(|| {
        Error::conflict("no_superadmin", "There is no superadmin to own what the local operator creates.")
    })
}
