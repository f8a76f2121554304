//! Whose the things are that a caller makes.

use super::user_change::not_found;
use crate::auth::permission::Role;
use crate::error::{Error, Kind, Result};
use crate::http::Call;
use crate::model::id::parse_id;
use crate::store::users;

/// The query's key with which the local operator names an owner.
const OWNER: &str = "ownerID";

/// The owner of what the caller is about to make: the caller. The local operator is no user, and every thing has an
/// owner: what the operator makes belongs to the user that the query's `ownerID` names, else to the superadmin. From
/// everyone else `ownerID` is ignored.
///
/// # Errors
/// The operator names no user (400, 404), or there is no superadmin.
pub(super) async fn owner_of_new(call: &Call) -> Result<i64> {
    if let Some(user) = call.caller.user_id() {
        return Ok(user);
    }
    if let Some(given) = call.query(OWNER) {
        let invalid = || Error::new(Kind::Invalid, "invalid_id", "Invalid ownerID: expected a user's ID");
        let id = parse_id(&given).ok_or_else(invalid)?;
        let user = call.host.accounts.get(id).await?;
        return user.map(|user| user.id).ok_or_else(not_found);
    }
    let users = call.host.store.read(users::list).await?;
    let superadmin = users.into_iter().find(|user| user.role == Role::Superadmin);
    superadmin.map(|user| user.id).ok_or_else(|| {
        Error::conflict("no_superadmin", "There is no superadmin to own what the local operator creates.")
    })
}
