//! What happened to a device: the changes of its presence and the operations about it, the newest first.

use std::fmt;
use std::str::FromStr;

use super::By;
use super::device::not_found;
use super::operation::read::Seen;
use crate::error::Result;
use crate::model::device_presence::DevicePresence;
use crate::model::permission::Permission;
use crate::store::operation_page::{Filter, Of, page};
use crate::store::{device_presence, devices};

/// Where a page begins: below these rows of either table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    presence: i64,
    operation: i64,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { presence: i64::MAX, operation: i64::MAX }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.presence, self.operation)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if digits { text.parse().map_err(drop) } else { Err(()) }
        };
        let (presence, operation) = text.split_once('-').ok_or(())?;
        Ok(Self { presence: number(presence)?, operation: number(operation)? })
    }
}

/// What happened once.
#[derive(Debug)]
pub enum Happening {
    /// The device came to be online, or offline, or something else.
    Presence(DevicePresence),
    /// Somebody wanted something of it.
    Operation(Box<Seen>),
}

/// A page of what happened to a device, at most `limit`, and where to go on if there is more.
///
/// # Errors
/// The caller sees no such device; the database cannot be read.
pub async fn timeline(
    by: &By,
    id: i64,
    from: Cursor,
    limit: usize,
) -> Result<(Vec<Happening>, Option<Cursor>)> {
    let reach = by.devices(Permission::DevicesRead);
    let user = by.caller.user_id();
    let reader = by.reader();
    let read = reader.read(move |db| {
        let device = devices::get(db, &reach, id)?.ok_or_else(not_found)?;
        let most = i64::try_from(limit).unwrap_or(0) + 1;
        let changes = device_presence::page(db, id, Some(from.presence), most)?;
        let filter = Filter { before: from.operation, limit: most, ..Filter::default() };
        let operations = page(db, Of::Device(id), &filter)?;
        let (mut changes, mut operations) =
            (changes.into_iter().peekable(), operations.into_iter().peekable());
        let (mut happened, mut next) = (Vec::new(), from);
        while happened.len() < limit {
            let operation_is_newer = match (changes.peek(), operations.peek()) {
                (None, None) => return Ok((happened, None)),
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (Some(change), Some(operation)) => Some(operation.created_at) > change.presence.since,
            };
            if operation_is_newer {
                happened.extend(operations.next().map(|operation| {
                    next.operation = operation.id.key();
                    let own = user.is_some() && operation.maker.user == user;
                    Happening::Operation(Box::new(Seen { operation, whole: device.shared.is_none(), own }))
                }));
            } else {
                happened.extend(changes.next().map(|change| {
                    next.presence = change.id;
                    Happening::Presence(change.presence)
                }));
            }
        }
        let more = changes.peek().is_some() || operations.peek().is_some();
        Ok((happened, more.then_some(next)))
    });
    read.await
}
