//! `/api/shares`: what is shared with a user, and ending one share.
//!
//! Nobody has to keep what somebody else shares with them: whoever a share is with removes it, as its owner takes it
//! back. Of an agent that is shared nothing is shown but that: it stays its owner's.

use schemars::JsonSchema;
use serde::Serialize;

use crate::audit::{Action, SubjectKind};
use crate::auth::permission::Permission;
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, NoBody};
use crate::store::given_shares::{self, GivenRow};
use crate::store::shares::Shared;
use crate::store::{Right, Whose};

/// A share as whoever it is with sees it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GivenView {
    id: i64,
    /// What is shared: a device, or all devices of an agent.
    #[serde(rename = "type")]
    kind: SharedKind,
    /// The device's ID; the agent's only in admin mode.
    #[serde(rename = "sharedID")]
    shared_id: Option<i64>,
    /// The device's name; the agent's only in admin mode.
    shared_name: Option<String>,
    /// Who shares it.
    owner_name: String,
    /// The user it is shared with.
    username: String,
    permissions: &'static [Right],
    /// When it was given, in milliseconds since the epoch.
    created: Millis,
    /// When it ends; null for never.
    expires_at: Option<Millis>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SharedKind {
    Device,
    Agent,
}

impl GivenView {
    fn of(row: GivenRow, whose: Whose) -> Self {
        let (kind, id, hidden) = match row.of {
            Shared::Device(id) => (SharedKind::Device, id, false),
            Shared::Agent(id) => (SharedKind::Agent, id, whose != Whose::Anyones),
        };
        Self {
            id: row.id,
            kind,
            shared_id: (!hidden).then_some(id),
            shared_name: (!hidden).then_some(row.name),
            owner_name: row.owner.1,
            username: row.with.1,
            permissions: row.right.included(),
            created: row.created,
            expires_at: row.expires,
        }
    }
}

pub(super) async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<GivenView>>> {
    let (whose, now) = (call.whose(Permission::DevicesShare), call.host.clock.now());
    let rows = call.host.store.read(move |db| given_shares::list(db, whose, now)).await?;
    let views = rows.into_iter().map(|row| GivenView::of(row, whose)).collect();
    Ok(Answer::ok("Shares retrieved successfully.", views))
}

pub(super) async fn delete(call: Call, _: NoBody) -> Result<Answer<()>> {
    let (id, whose, now) = (call.id()?, call.whose(Permission::DevicesShare), call.host.clock.now());
    let user = call
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
            Ok(share.with.0)
        })
        .await?;
    call.host.accounts.forget(user);
    Ok(Answer::done("Share deleted successfully"))
}

fn not_found() -> Error {
    Error::not_found("Share not found")
}
