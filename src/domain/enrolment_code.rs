//! Codes with which machines make their own agents.
//!
//! A code is shown when it is made and never again. What it makes belongs to whoever made the code, so that it gives no
//! more than its maker has: one new agent a use. Using one is [`enrolment`](super::enrolment).

use secrecy::SecretString;

use super::By;
use crate::auth::typed_code;
use crate::error::{Error, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::model::permission::Permission;
use crate::store::enrolment_codes;

pub use crate::store::enrolment_codes::{EnrolmentCodeRow, NewEnrolmentCode};

/// Codes of one user at once.
const MAX_OF_USER: i64 = 100;

fn not_found() -> Error {
    Error::not_found("Enrolment code not found: it is used up, expired or revoked, or never was")
}

/// The codes that are still good.
///
/// # Errors
/// The database cannot be read.
pub async fn list(by: &By) -> Result<Vec<EnrolmentCodeRow>> {
    let (whose, now) = (by.whose(Permission::AgentsWrite), by.now());
    by.host.store.read(move |db| enrolment_codes::list(db, whose, now)).await
}

/// Makes a code. Answers its row and the code itself.
///
/// # Errors
/// Its owner has as many as one may have; the database refuses.
pub async fn create(by: &By, new: NewEnrolmentCode) -> Result<(EnrolmentCodeRow, SecretString)> {
    let now = by.now();
    let (code, key) = typed_code::fresh()?;
    let settled = by.host.clock.settled();
    let row = by
        .change(Action::EnrolmentCreate, move |db, entry| {
            if let Some(settled) = settled {
                enrolment_codes::delete_expired(db, settled)?;
            }
            if enrolment_codes::count(db, new.owner, now)? >= MAX_OF_USER {
                return Err(Error::conflict(
                    "too_many_enrolment_codes",
                    format!("There are {MAX_OF_USER} enrolment codes, which is the limit. Revoke one first."),
                ));
            }
            let id = enrolment_codes::insert(db, &key.0, &new)?;
            entry.on(SubjectKind::Enrolment, id, new.name.as_deref().unwrap_or_default());
            Ok(EnrolmentCodeRow {
                id,
                owner: new.owner,
                name: new.name,
                kind: new.kind,
                uses_left: new.uses,
                created: new.created,
                expires: new.expires,
            })
        })
        .await?;
    Ok((row, code))
}

/// Revokes a code.
///
/// # Errors
/// There is no such code of the caller's; the database refuses.
pub async fn revoke(by: &By, id: i64) -> Result<()> {
    let (whose, now) = (by.whose(Permission::AgentsWrite), by.now());
    by.change(Action::EnrolmentRevoke, move |db, entry| {
        let code = enrolment_codes::get(db, whose, id, now)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::Enrolment, id, code.name.unwrap_or_default());
        enrolment_codes::delete(db, id)
    })
    .await?;
    Ok(())
}
