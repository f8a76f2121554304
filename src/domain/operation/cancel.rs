//! Withdraws operations.

use super::Operations;
use super::ledger::apply;
use super::machine::Input;
use super::read::{Seen, Sight, not_found};
use crate::domain::By;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::model::operation::{OperationId, State};
use crate::store::{Conn, operations};

/// What came of it.
#[derive(Debug)]
pub enum Canceled {
    /// It is withdrawn.
    Done(Seen),
    /// It was over before.
    Ended(Seen),
    /// It was sent and cannot be taken back.
    Running(Seen),
}

/// Withdraws an operation that was not sent.
///
/// # Errors
/// The caller sees no such operation, or may not withdraw it; the database refuses.
pub async fn cancel(by: &By, id: OperationId) -> Result<Canceled> {
    let (sight, may, now) = (Sight::of(by), Sight::to_cancel(by), by.now());
    let entry = by.entry(Action::OperationCancel);
    let withdraw = move |db: &Conn| {
        let operation = operations::get(db, id)?.ok_or_else(not_found)?;
        let seen = sight.see(db, operation.clone())?.ok_or_else(not_found)?;
        let allowed = may.see(db, operation)?.filter(|may| may.whole || may.own);
        if allowed.is_none() {
            return Err(Error::new(
                Kind::Forbidden,
                "not_allowed",
                "You may see this operation, but not withdraw it: whoever asked for it may, and the owner of what \
                     it is about",
            ));
        }
        let after = apply(db, &seen.operation, &Input::Cancel, now)?;
        Ok(match after {
            Some(operation) => {
                let mut entry = entry;
                match (operation.device, operation.agent) {
                    (Some(device), _) => entry.on(SubjectKind::Device, device, ""),
                    (None, agent) => entry.on(SubjectKind::Agent, agent, ""),
                }
                entry.detail = Some(operation.command.clone());
                let noted = crate::model::audit::Noted { entry, only_if_there: false };
                crate::store::audit::insert_noted(db, &noted)?;
                Canceled::Done(Seen { operation, ..seen })
            }
            None if seen.operation.state == State::Running => Canceled::Running(seen),
            None => Canceled::Ended(seen),
        })
    };
    let canceled = by.write(withdraw).await?;
    if let Canceled::Done(seen) = &canceled {
        let operations = Operations::of(&by.host);
        operations.published(&by.host, &seen.operation);
        if let Some(agent) = seen.operation.agent {
            operations.look_at(agent);
        }
    }
    Ok(canceled)
}
