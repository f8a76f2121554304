//! What becomes of operations when their agent, their device or whoever asked for them is deleted: in the same transaction.

use super::ledger::apply;
use super::machine::Input;
use crate::clock::Millis;
use crate::error::Result;
use crate::model::operation::{Operation, State, reason};
use crate::store::{Conn, operations};

/// Ends what is live of an agent that is being deleted. What was sent may have been done.
///
/// # Errors
/// The database refuses.
pub fn agent_gone(db: &Conn, agent: i64, now: Millis) -> Result<Vec<Operation>> {
    let gone = Input::Refused(reason::AGENT_DELETED.into(), "Its agent was deleted");
    operations::all_live_of_agent(db, agent)?
        .iter()
        // What has a driver of its own notices by itself.
        .filter(|one| one.progress.is_none())
        .filter_map(|one| apply(db, one, &gone, now).transpose())
        .collect()
}

/// Withdraws what a user who is being deleted, or a token of theirs, asked for.
///
/// # Errors
/// The database refuses.
pub fn user_gone(db: &Conn, user: i64, now: Millis) -> Result<Vec<Operation>> {
    let gone = Input::Refused(reason::NOT_ALLOWED.into(), "Whoever asked for it was deleted");
    operations::all_live_of_user(db, user)?
        .iter()
        // A wake until online has a driver that notices by itself, and what was sent may still be answered.
        .filter(|one| one.progress.is_none() && one.state == State::Queued)
        .filter_map(|one| apply(db, one, &gone, now).transpose())
        .collect()
}

/// Ends what is live of a device that is being deleted.
///
/// # Errors
/// The database refuses.
pub fn device_gone(db: &Conn, device: i64, now: Millis) -> Result<Vec<Operation>> {
    let gone = Input::Refused(reason::DEVICE_DELETED.into(), "Its device was deleted");
    operations::all_live_of_device(db, device)?
        .iter()
        // What has a driver of its own notices by itself.
        .filter(|one| one.progress.is_none())
        .filter_map(|one| apply(db, one, &gone, now).transpose())
        .collect()
}
