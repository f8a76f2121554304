//! What is shared with a user, and ending one share.
//!
//! Nobody has to keep what somebody else shares with them: whoever a share is with removes it, as its owner takes it
//! back. Of an agent that is shared nothing is shown but that: it stays its owner's.

use super::By;
use super::share::{SHOWN, changed, not_found};
use crate::error::Result;
use crate::model::audit::{Action, SubjectKind};
use crate::model::permission::Permission;
use crate::model::reach::Whose;
use crate::store::{given_shares, shares};

pub use crate::store::given_shares::GivenRow;
pub use crate::store::shares::Shared;

/// The shares that the caller was given, or everyone's, and whether the agents in them may be shown.
///
/// # Errors
/// The database cannot be read.
pub async fn list(by: &By) -> Result<(Vec<GivenRow>, bool)> {
    let (whose, now) = (by.whose(Permission::DevicesShare), by.now());
    let rows = by.host.store.read(move |db| given_shares::list(db, whose, now)).await?;
    Ok((rows, whose == Whose::Anyones))
}

/// Ends a share that the caller was given, or gave.
///
/// # Errors
/// There is no such share of the caller's; the database refuses.
pub async fn delete(by: &By, id: i64) -> Result<()> {
    let (whose, now) = (by.whose(Permission::DevicesShare), by.now());
    let (user, devices) = by
        .change(Action::ShareDelete, move |db, entry| {
            let share = given_shares::get(db, id, now)?.ok_or_else(not_found)?;
            match whose {
                Whose::User(user) if user == share.with.0 => {
                    entry.action = Action::ShareDecline;
                    entry.detail = Some(format!("by user {}", share.owner.0));
                }
                Whose::User(user) if user != share.owner.0 => return Err(not_found()),
                Whose::User(_) | Whose::Anyones => entry.detail = Some(format!("with user {}", share.with.0)),
            }
            match share.of {
                Shared::Device(id) => entry.on(SubjectKind::Device, id, share.name),
                Shared::Agent(id) => entry.on(SubjectKind::Agent, id, share.name),
            }
            given_shares::delete(db, id)?;
            Ok((share.with.0, shares::devices_of(db, share.of, SHOWN)?))
        })
        .await?;
    changed(by, &devices, user);
    Ok(())
}
