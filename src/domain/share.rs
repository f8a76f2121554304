//! Shares: letting other users see or wake a device, or all devices of an agent.
//!
//! A share brings devices within another user's reach ([`By::devices`]) and nothing else: the agents they are reached
//! through stay their owner's. Only an owner shares, or an admin for them in admin mode; whoever is shared with
//! neither shares on nor changes anything. Ending a share that was given to oneself is
//! [`given_share`](super::given_share).

use super::By;
use super::agent::not_found as no_such_agent;
use super::device::Needed;
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, Entry, SubjectKind};
use crate::model::event::Event;
use crate::model::permission::Permission;
use crate::store::shares::{NewShare, Shared};
use crate::store::{Conn, Right, Whose, agents, devices, shares, users};

pub use crate::store::shares::ShareRow;

/// Of so many devices of an agent that is shared, or is no more, it is passed on at most: others' events are kept, too.
pub(super) const SHOWN: usize = 200;
/// Shares of one thing at once.
const MAX_OF_THING: usize = 100;
/// Shares of one owner with one user at once, so that nobody's list is flooded; and of one owner with all. There is no
/// bound on what one user is given by all: one sharer could use it up for the others.
const MAX_OF_PAIR: i64 = 1000;
const MAX_OF_OWNER: i64 = 10_000;

/// What kind of thing shares are of.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// A device.
    Device,
    /// An agent: all its devices.
    Agent,
}

/// The thing that somebody asks for, before it is known whether it is within reach.
struct Asked {
    of: Of,
    id: i64,
    needed: Needed,
    whose: Whose,
}

/// What is shared, or to be.
struct Thing {
    shared: Shared,
    owner: i64,
}

impl Asked {
    fn by(by: &By, of: Of, id: i64) -> Self {
        let needed = Needed::of(by, Permission::DevicesShare);
        Self { of, id, needed, whose: by.whose(Permission::DevicesShare) }
    }

    /// The thing, noted in `entry` as what something is done to.
    fn find(&self, db: &Conn, entry: Option<&mut Entry>) -> Result<Thing> {
        let id = self.id;
        let (thing, kind, name) = match self.of {
            Of::Device => {
                let device = self.needed.find(db, id, devices::get)?;
                (Thing { shared: Shared::Device(id), owner: device.owner }, SubjectKind::Device, device.name)
            }
            Of::Agent => {
                let agent = agents::get(db, self.whose, id)?.ok_or_else(no_such_agent)?;
                (Thing { shared: Shared::Agent(id), owner: agent.owner }, SubjectKind::Agent, agent.name)
            }
        };
        if let Some(entry) = entry {
            entry.on(kind, id, name);
        }
        Ok(thing)
    }
}

/// The shares of a thing.
///
/// # Errors
/// There is no such thing of the caller's, or it is shared with them for less; the database cannot be read.
pub async fn list(by: &By, of: Of, id: i64) -> Result<Vec<ShareRow>> {
    let (asked, now) = (Asked::by(by, of, id), by.now());
    by.host.store.read(move |db| shares::list(db, asked.find(db, None)?.shared, now)).await
}

/// Shares a thing with the user of a name, until `expires` or for ever; in place of the share they have of it.
///
/// # Errors
/// As for [`list`]; there is no such user, or it is the owner; there are too many shares; the database refuses.
pub async fn create(
    by: &By,
    of: Of,
    id: i64,
    username: String,
    right: Right,
    expires: Option<Millis>,
) -> Result<ShareRow> {
    let (asked, now) = (Asked::by(by, of, id), by.now());
    let settled = by.host.clock.settled();
    let (share, devices) = by
        .change(Action::ShareCreate, move |db, entry| {
            let thing = asked.find(db, Some(&mut *entry))?;
            let user = user_to_share_with(db, &thing, &username)?;
            let share = put(db, &thing, &NewShare { user, right, created: now, expires }, settled)?;
            let allows = if right == Right::Wake { "view and wake" } else { "view" };
            entry.detail = Some(format!("with user {user}: {allows}"));
            Ok((share, shares::devices_of(db, thing.shared, SHOWN)?))
        })
        .await?;
    changed(by, &devices, share.user);
    Ok(share)
}

/// Takes a share of a thing back.
///
/// # Errors
/// As for [`list`]; there is no such share; the database refuses.
pub async fn delete(by: &By, of: Of, id: i64, share: i64) -> Result<()> {
    let (asked, now) = (Asked::by(by, of, id), by.now());
    let (user, devices) = by
        .change(Action::ShareDelete, move |db, entry| {
            let thing = asked.find(db, Some(&mut *entry))?;
            let user = shares::delete(db, thing.shared, share, now)?.ok_or_else(not_found)?;
            entry.detail = Some(format!("with user {user}"));
            Ok((user, shares::devices_of(db, thing.shared, SHOWN)?))
        })
        .await?;
    changed(by, &devices, user);
    Ok(())
}

/// What follows when devices of an owner came within a user's reach, or went from it.
pub(super) fn changed(by: &By, devices: &[(i64, i64)], user: i64) {
    // A favourite may name one of them.
    by.host.accounts.forget(user);
    for (device, owner) in devices {
        by.host.events.emit(Event::DeviceShared { device: *device, owner: *owner, user });
    }
}

/// The user of a name. That an owner learns whether there is one is unavoidable: a wrong name must be answered as wrong.
fn user_to_share_with(db: &Conn, thing: &Thing, username: &str) -> Result<i64> {
    let user = users::by_name(db, username)?.ok_or_else(|| {
        Error::new(
            Kind::Invalid,
            "no_matching_user",
            "username is no user's name: check how it is written, capitals included",
        )
    })?;
    if user.id == thing.owner {
        return Err(Error::new(
            Kind::Invalid,
            "shared_with_owner",
            "username names the owner, who needs no share: name somebody else",
        ));
    }
    Ok(user.id)
}

/// Gives a share, if that makes not too many. One in place of another makes none more.
fn put(db: &Conn, thing: &Thing, new: &NewShare, settled: Option<Millis>) -> Result<ShareRow> {
    let Thing { shared, owner } = *thing;
    let is_new = shares::of_thing(db, shared, new.user, new.created)?.is_none();
    shares::put(db, shared, new, settled)?;
    let all = shares::list(db, shared, new.created)?;
    if is_new {
        let (of_pair, of_owner) = shares::counts_of(db, owner, new.user)?;
        let limit = if all.len() > MAX_OF_THING {
            format!("This is shared with {MAX_OF_THING} users, which is the limit. Delete a share first.")
        } else if of_pair > MAX_OF_PAIR {
            format!(
                "{MAX_OF_PAIR} things of this owner are shared with this user, which is the limit. Delete a share \
                 first, or share an agent with all its devices."
            )
        } else if of_owner > MAX_OF_OWNER {
            format!("This owner has shared {MAX_OF_OWNER} times, which is the limit. Delete a share first.")
        } else {
            String::new()
        };
        if !limit.is_empty() {
            return Err(Error::conflict("too_many_shares", limit));
        }
    }
    let put = all.into_iter().find(|share| share.user == new.user);
    put.ok_or_else(|| Error::internal("a share that was just given is not there"))
}

pub(super) fn not_found() -> Error {
    Error::not_found("Share not found")
}
