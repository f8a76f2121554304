//! Whether whoever made an operation may still have it done: asked again when it is sent, which may be long after.

use crate::clock::Millis;
use crate::error::Result;
use crate::model::operation::{MakerKind, Operation, OperationKind};
use crate::model::permission::{Permission, Scope, allowed};
use crate::store::{Conn, Reach, Right, Whose, devices, standing};

/// Whether whoever made an operation may still have it done.
///
/// # Errors
/// The database refuses.
pub(in crate::domain) fn is_allowed(db: &Conn, operation: &Operation, now: Millis) -> Result<bool> {
    let Some(user) = operation.maker.user else { return Ok(true) };
    let standing = match (operation.maker.kind, operation.maker.id) {
        (MakerKind::Token, Some(token)) => standing::of_token(db, user, token, now)?,
        _ => standing::of_user(db, user)?,
    };
    let Some(standing) = standing else { return Ok(false) };
    let permission = match operation.kind {
        OperationKind::Wake => Permission::DevicesWake,
        OperationKind::Command => Permission::AgentsCommand,
    };
    if user == operation.owner || allowed(standing.role, permission, Scope::Any) {
        return Ok(true);
    }
    // A share is good for waking alone.
    let Some(device) = operation.device.filter(|_| operation.kind == OperationKind::Wake) else {
        return Ok(false);
    };
    let reach = Reach { whose: Whose::User(user), shared: Some((Right::Wake, now)), only: None };
    Ok(devices::get(db, &reach, device)?.is_some())
}
