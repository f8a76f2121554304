//! `/api/devices/{id}/shares` and `/api/agents/{id}/shares`: who else may see or wake a device, or an agent's devices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::{Time, UserName, bounded, list as list_of};
use super::check::Check;
use super::field::Field;
use super::tags::SHARES;
use crate::clock::Millis;
use crate::domain::share::{self, Of, ShareRow};
use crate::error::Result;
use crate::error::failures::{self as f, Failure};
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::model::reach::Right;
use crate::rest::{Answer, Call, Json, NoBody, Route};

const SHARE: &str = r#"{"username": "ann", "permissions": ["view", "wake"]}"#;
const OF_NEW: &[Failure] = &[f::NOT_FOUND, f::NO_MATCHING_USER, f::SHARED_WITH_OWNER, f::TOO_MANY_SHARES];

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/agents/{id}/shares", "With whom an agent's devices are shared")
            .needs(&[P::DevicesShare])
            .tag(SHARES)
            .admin_mode()
            .subject(SubjectKind::Agent)
            .fails(&[f::NOT_FOUND])
            .handler(|call, body| list(call, body, Of::Agent)),
        Route::post(
            "/api/agents/{id}/shares",
            "Share all devices of an agent with another user, to see or to wake",
        )
        .needs(&[P::DevicesShare])
        .tag(SHARES)
        .admin_mode()
        .subject(SubjectKind::Agent)
        .example(SHARE)
        .creates()
        .fails(OF_NEW)
        .handler(|call, body| create(call, body, Of::Agent)),
        Route::delete("/api/agents/{id}/shares/{shareID}", "Take back a share of all devices of an agent")
            .needs(&[P::DevicesShare])
            .tag(SHARES)
            .admin_mode()
            .subject(SubjectKind::Agent)
            .fails(&[f::NOT_FOUND])
            .handler(|call, body| delete(call, body, Of::Agent)),
        Route::get("/api/devices/{id}/shares", "With whom a device is shared")
            .needs(&[P::DevicesShare])
            .tag(SHARES)
            .admin_mode()
            .subject(SubjectKind::Device)
            .fails(&[f::NOT_FOUND, f::NOT_SHARED])
            .handler(|call, body| list(call, body, Of::Device)),
        Route::post("/api/devices/{id}/shares", "Share a device with another user, to see or to wake")
            .needs(&[P::DevicesShare])
            .tag(SHARES)
            .admin_mode()
            .subject(SubjectKind::Device)
            .example(SHARE)
            .creates()
            .fails(OF_NEW)
            .fails(&[f::NOT_SHARED])
            .handler(|call, body| create(call, body, Of::Device)),
        Route::delete("/api/devices/{id}/shares/{shareID}", "Take back a share of a device")
            .needs(&[P::DevicesShare])
            .tag(SHARES)
            .admin_mode()
            .subject(SubjectKind::Device)
            .fails(&[f::NOT_FOUND, f::NOT_SHARED])
            .handler(|call, body| delete(call, body, Of::Device)),
    ]
}

bounded!(
    /// What a share allows.
    Rights: Vec<String> => Right,
    "a list: view to see the device and its status, or view and wake to wake it as well",
    |generator| list_of(generator.subschema_for::<Right>(), 1..=2),
    |names| {
        let rights: Option<Vec<Right>> =
            names.into_iter().map(|name| serde_json::from_value(name.into()).ok()).collect();
        rights?.into_iter().max()
    }
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
    username: Field<UserName>,
    /// `wake` includes `view`.
    permissions: Field<Rights>,
    /// When it ends, in milliseconds since the epoch; absent or null for never.
    #[serde(default)]
    expires_at: Field<Time>,
}

async fn list(call: Call, _: NoBody, of: Of) -> Result<Answer<Vec<ShareView>>> {
    let rows = share::list(&call, of, call.id()?).await?;
    Ok(Answer::ok("Shares retrieved successfully.", rows.into_iter().map(ShareView::from).collect()))
}

async fn create(call: Call, Json(body): Json<ShareBody>, of: Of) -> Result<Answer<ShareView>> {
    let id = call.id()?;
    let (username, right, expires) = Check::all(|check| {
        let username = check.required("username", body.username);
        let right = check.required("permissions", body.permissions);
        let expires = check.end("expiresAt", body.expires_at, call.now());
        Some((username?, right?, expires?))
    })?;
    let share = share::create(&call, of, id, username, right, expires).await?;
    Ok(Answer::created("Share created successfully", share.into()))
}

async fn delete(call: Call, _: NoBody, of: Of) -> Result<Answer<()>> {
    share::delete(&call, of, call.id()?, call.id_of("shareID")?).await?;
    Ok(Answer::done("Share deleted successfully"))
}
