//! `GET /api/devices/status`: whether devices are up.

use std::collections::BTreeMap;

use super::ids::AskedIds;
use super::ids::asked_ids;
use super::tags::DEVICES;
use crate::domain::device_status;
use crate::error::Result;
use crate::model::permission::Permission as P;
use crate::registry::Online;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/devices/status", "Which devices are up")
            .needs(&[P::DevicesRead])
            .tag(DEVICES)
            .admin_mode()
            .query::<AskedIds>()
            .handler(status),
    ]
}

async fn status(call: Call, _: NoBody) -> Result<Answer<BTreeMap<i64, Online>>> {
    let ids = asked_ids(&call)?;
    let statuses = device_status::status(&call, ids).await?;
    Ok(Answer::ok("Device status retrieved successfully.", statuses))
}
