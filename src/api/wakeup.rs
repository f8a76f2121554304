//! `POST /api/devices/{id}/wakeup`: wakes a device through its agent.

use super::tags::DEVICES;
use crate::domain::wake::wake;
use crate::error::Result;
use crate::error::failures as f;
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/devices/{id}/wakeup", "Wake a device through its agent")
            .needs(&[P::DevicesWake])
            .tag(DEVICES)
            .admin_mode()
            .subject(SubjectKind::Device)
            .fails(&[
                f::NOT_FOUND,
                f::NOT_SHARED,
                f::NO_MAC_ADDRESS,
                f::NO_PORT,
                f::NO_SECURE_ON,
                f::DEVICE_CHANGED,
            ])
            .fails(f::OF_COMMANDS)
            .handler(wakeup),
    ]
}

async fn wakeup(call: Call, _: NoBody) -> Result<Answer<()>> {
    wake(&call, call.id()?).await?;
    Ok(Answer::done("Wakeup command sent"))
}
