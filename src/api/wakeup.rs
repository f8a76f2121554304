//! `POST /api/devices/{id}/wakeup`: wakes a device through its agent.

use crate::domain::wake::wake;
use crate::error::Result;
use crate::rest::{Answer, Call, NoBody};

pub(super) async fn wakeup(call: Call, _: NoBody) -> Result<Answer<()>> {
    wake(&call, call.id()?).await?;
    Ok(Answer::done("Wakeup command sent"))
}
