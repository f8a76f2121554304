//! `GET /api/devices/status`: whether devices are up.

use std::collections::BTreeMap;

use super::ids::asked_ids;
use crate::commands::get_status::Online;
use crate::domain::device_status;
use crate::error::Result;
use crate::rest::{Answer, Call, NoBody};

pub(super) async fn status(call: Call, _: NoBody) -> Result<Answer<BTreeMap<i64, Online>>> {
    let ids = asked_ids(&call);
    let statuses = device_status::status(&call, ids).await?;
    Ok(Answer::ok("Device status retrieved successfully.", statuses))
}
