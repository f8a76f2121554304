//! `/api/shares`: what is shared with a user, and ending one share.

use schemars::JsonSchema;
use serde::Serialize;

use super::tags::SHARES;
use crate::clock::Millis;
use crate::domain::given_share::{self, GivenRow, Shared};
use crate::error::Result;
use crate::error::failures as f;
use crate::model::permission::Permission as P;
use crate::model::reach::Right;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/shares", "List what is shared with the caller")
            .needs(&[P::DevicesShare])
            .tag(SHARES)
            .admin_mode()
            .handler(list),
        Route::delete(
            "/api/shares/{id}",
            "Remove what is shared with the caller, or take back a share of the caller's",
        )
        .needs(&[P::DevicesShare])
        .tag(SHARES)
        .admin_mode()
        .fails(&[f::NOT_FOUND])
        .handler(delete),
    ]
}

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
    fn of(row: GivenRow, shows_agents: bool) -> Self {
        let (kind, id, hidden) = match row.of {
            Shared::Device(id) => (SharedKind::Device, id, false),
            Shared::Agent(id) => (SharedKind::Agent, id, !shows_agents),
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

async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<GivenView>>> {
    let (rows, shows_agents) = given_share::list(&call).await?;
    let views = rows.into_iter().map(|row| GivenView::of(row, shows_agents)).collect();
    Ok(Answer::ok("Shares retrieved successfully.", views))
}

async fn delete(call: Call, _: NoBody) -> Result<Answer<()>> {
    given_share::delete(&call, call.id()?).await?;
    Ok(Answer::done("Share deleted successfully"))
}
