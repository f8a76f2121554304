//! How many operations may be live at once, of one agent and of one user.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::error::{Error, Kind, Result};
use crate::store::{Conn, operations};

/// Live operations of one agent, and of one user.
const OF_AGENT: i64 = 50;
const OF_USER: i64 = 1000;
/// When one may be made again where there are too many.
const RETRY: Duration = Duration::from_secs(10);
/// Users that are remembered.
const MANY: usize = 10_000;

/// How many operations of each user are live at most: as many as were counted, and those that were made since. What has
/// ended is taken off when the limit seems to be reached and they are counted again: to count a thousand each time would
/// take longer than all else there is to making one.
#[derive(Default)]
pub(super) struct Room(Mutex<HashMap<i64, i64>>);

impl Room {
    /// Takes a place for an operation that is about to be stored, in the same transaction.
    ///
    /// # Errors
    /// There are too many of the agent, or of the user; the database refuses.
    pub(super) fn take(&self, db: &Conn, agent: i64, user: Option<i64>) -> Result<()> {
        if operations::live_of_agent(db, agent)? >= OF_AGENT {
            return Err(too_many(format!(
                "{OF_AGENT} operations wait for this agent, which is the limit. Cancel some, or try again later."
            )));
        }
        let Some(user) = user else { return Ok(()) };
        let known = self.0.lock().get(&user).copied();
        let live = match known.filter(|live| *live < OF_USER) {
            Some(live) => live,
            None => operations::live_of_user(db, user)?,
        };
        if live >= OF_USER {
            return Err(too_many(format!(
                "{OF_USER} operations of yours are queued or running, which is the limit. Cancel some, or try again later."
            )));
        }
        let mut known = self.0.lock();
        if known.len() >= MANY {
            known.clear();
        }
        known.insert(user, live + 1);
        Ok(())
    }
}

fn too_many(message: String) -> Error {
    Error::new(Kind::TooMany, "too_many_operations", message).retry_after(RETRY)
}
