//! `/api/devices/{id}/shares` and `/api/agents/{id}/shares`: who else may see or wake a device, or an agent's devices.
//!
//! A share brings devices within another user's reach (`By::devices`) and nothing else: the agents they are reached
//! through stay their owner's. Only an owner shares, or an admin for them in admin mode; whoever is shared with
//! neither shares on nor changes anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, Rule, USERNAME};

use super::field::Field;
use crate::audit::{Action, Entry, SubjectKind};
use crate::auth::permission::Permission;
use crate::clock::Millis;
use crate::domain::agent::not_found as no_such_agent;
use crate::domain::device::Needed;
use crate::error::{Error, Kind, Result};
use crate::http::{Answer, Call, Json, NoBody};
use crate::store::shares::{NewShare, ShareRow, Shared};
use crate::store::{Conn, Right, Whose, agents, devices, shares, users};

/// Shares of one thing at once.
const MAX_OF_THING: usize = 100;
/// Shares of one owner with one user at once, so that nobody's list is flooded; and of one owner with all. There is no
/// bound on what one user is given by all: one sharer could use it up for the others.
const MAX_OF_PAIR: i64 = 1000;
const MAX_OF_OWNER: i64 = 10_000;

const RIGHT: Rule<Vec<String>, Right> = Rule::new(
    "a list: view to see the device and its status, or view and wake to wake it as well",
    |names| {
        let rights: Option<Vec<Right>> =
            names.into_iter().map(|name| serde_json::from_value(name.into()).ok()).collect();
        rights?.into_iter().max()
    },
);

/// A share as it is shown to whoever gave it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShareView {
    id: i64,
    /// The user it is shared with.
    username: String,
    permissions: &'static [Right],
    /// When it was given, in milliseconds since the epoch.
    created: Millis,
    /// When it ends; null for never.
    expires_at: Option<Millis>,
}

impl From<ShareRow> for ShareView {
    fn from(row: ShareRow) -> Self {
        Self {
            id: row.id,
            username: row.username,
            permissions: row.right.included(),
            created: row.created,
            expires_at: row.expires,
        }
    }
}

/// A new share, or what is to replace the one with the same user.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShareBody {
    /// The user to share with.
    username: Field<String>,
    /// `wake` includes `view`.
    #[schemars(with = "Vec<Right>")]
    permissions: Field<Vec<String>>,
    /// When it ends, in milliseconds since the epoch; absent or null for never.
    #[serde(default)]
    expires_at: Field<i64>,
}

/// What kind of thing a route's shares are of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// A device.
    Device,
    /// An agent: all its devices.
    Agent,
}

/// The thing that a call is about, before it is known whether it is within reach.
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
    fn by(call: &Call, of: Of) -> Result<Self> {
        Ok(Self {
            of,
            id: call.id()?,
            needed: Needed::of(call, Permission::DevicesShare),
            whose: call.whose(Permission::DevicesShare),
        })
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

pub(super) async fn list(call: Call, _: NoBody, of: Of) -> Result<Answer<Vec<ShareView>>> {
    let (asked, now) = (Asked::by(&call, of)?, call.host.clock.now());
    let rows = call.host.store.read(move |db| shares::list(db, asked.find(db, None)?.shared, now)).await?;
    Ok(Answer::ok("Shares retrieved successfully.", rows.into_iter().map(ShareView::from).collect()))
}

pub(super) async fn create(call: Call, Json(body): Json<ShareBody>, of: Of) -> Result<Answer<ShareView>> {
    let (asked, now) = (Asked::by(&call, of)?, call.host.clock.now());
    let mut check = Check::default();
    let username = check.required("username", body.username, &USERNAME);
    let right = check.required("permissions", body.permissions, &RIGHT);
    let expires = check.end("expiresAt", body.expires_at, now);
    let (Some(username), Some(right), Some(expires)) = (username, right, expires) else {
        return Err(check.error());
    };
    let settled = call.host.clock.settled();
    let share = call
        .change(Action::ShareCreate, move |db, entry| {
            let thing = asked.find(db, Some(&mut *entry))?;
            let user = user_to_share_with(db, &thing, &username)?;
            let share = put(db, &thing, &NewShare { user, right, created: now, expires }, settled)?;
            let allows = if right == Right::Wake { "view and wake" } else { "view" };
            entry.detail = Some(format!("with user {user}: {allows}"));
            Ok(share)
        })
        .await?;
    // A favourite may have named what is shared now.
    call.host.accounts.forget(share.user);
    Ok(Answer::created("Share created successfully", share.into()))
}

pub(super) async fn delete(call: Call, _: NoBody, of: Of) -> Result<Answer<()>> {
    let (asked, id, now) = (Asked::by(&call, of)?, call.id_of("shareID")?, call.host.clock.now());
    let user = call
        .change(Action::ShareDelete, move |db, entry| {
            let thing = asked.find(db, Some(&mut *entry))?;
            let user = shares::delete(db, thing.shared, id, now)?.ok_or_else(not_found)?;
            entry.detail = Some(format!("with user {user}"));
            Ok(user)
        })
        .await?;
    call.host.accounts.forget(user);
    Ok(Answer::done("Share deleted successfully"))
}

/// The user of a name. That an owner learns whether there is one is unavoidable: a wrong name must be told.
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

fn not_found() -> Error {
    Error::not_found("Share not found")
}
