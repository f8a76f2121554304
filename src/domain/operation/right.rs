//! Whether whoever made an operation may still have it done: asked again when it is sent, which may be long after.

use std::collections::HashMap;

use crate::clock::Millis;
use crate::error::Result;
use crate::model::operation::{MakerKind, Operation, OperationKind};
use crate::model::permission::{Permission, Scope, allowed};
use crate::store::standing::{self, Standing};
use crate::store::{Conn, Reach, Right, Whose, devices};

/// Who made operations, and whether they may still have something done: what was found within one transaction.
#[derive(Default)]
pub(super) struct Rights(HashMap<(MakerKind, Option<i64>, i64), Option<Standing>>);

impl Rights {
    /// As [`is_allowed`], without asking twice about whoever made several.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) fn allow(&mut self, db: &Conn, operation: &Operation, now: Millis) -> Result<bool> {
        let Some(user) = operation.maker.user else { return Ok(true) };
        let of = (operation.maker.kind, operation.maker.id, user);
        let standing = match self.0.get(&of) {
            Some(known) => *known,
            None => *self.0.entry(of).or_insert(standing(db, operation, user, now)?),
        };
        suffices(db, operation, (user, standing), now)
    }
}

/// Whether whoever made an operation may still have it done.
///
/// # Errors
/// The database refuses.
pub(in crate::domain) fn is_allowed(db: &Conn, operation: &Operation, now: Millis) -> Result<bool> {
    Rights::default().allow(db, operation, now)
}

fn standing(db: &Conn, operation: &Operation, user: i64, now: Millis) -> Result<Option<Standing>> {
    match (operation.maker.kind, operation.maker.id) {
        (MakerKind::Token, Some(token)) => standing::of_token(db, user, token, now),
        _ => standing::of_user(db, user),
    }
}

fn suffices(
    db: &Conn,
    operation: &Operation,
    (user, standing): (i64, Option<Standing>),
    now: Millis,
) -> Result<bool> {
    let Some(standing) = standing else { return Ok(false) };
    let permission = match operation.kind {
        OperationKind::Wake => Permission::DevicesWake,
        OperationKind::Command if operation.device.is_some() => Permission::DevicesPower,
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
