//! `POST /api/devices/{id}/wakeup`: wakes a device through its agent.

use std::sync::Arc;

use super::agent_error::agent_error;
use super::device_questions::DeviceQuestions;
use super::devices::Needed;
use crate::audit::{Action, SubjectKind};
use crate::auth::permission::Permission;
use crate::commands::wakeup::{Payload, Wakeup};
use crate::control::DispatchError;
use crate::error::{Error, Kind, Result};
use crate::http::{Answer, Call, NoBody};
use crate::store::devices::{self, WakeRow};

pub(super) async fn wakeup(call: Call, _: NoBody, questions: Arc<DeviceQuestions>) -> Result<Answer<()>> {
    let id = call.id()?;
    let needed = Needed::of(&call, Permission::DevicesWake);
    let device = call.host.store.read(move |db| needed.find(db, id, devices::to_wake)).await?;
    let payload = payload(&device)?;
    let failed = |error| match error {
        // What the agent says of itself and its network is its owner's.
        DispatchError::Failed(_) if device.shared => Error::new(
            Kind::AgentFailed,
            "command_failed",
            "Wakeup command failed. The device's owner, who is told why on waking it, may know more.",
        ),
        error => agent_error(device.agent_id, "Wakeup", error),
    };
    if !device.agent_is_owners {
        let sent = Err(failed(DispatchError::Offline));
        call.note_sent(Action::DeviceWake, (SubjectKind::Device, id, device.name), None, &sent);
        return sent;
    }
    questions.forget(id, device.agent_id);
    let sending = async {
        let sent = call.host.control.dispatch_for::<Wakeup>(call.requester(), device.agent_id, &payload);
        sent.await.map_err(failed)
    };
    let sent = call.as_long_as_allowed(sending).await;
    call.note_sent(Action::DeviceWake, (SubjectKind::Device, id, device.name), None, &sent);
    sent?;
    questions.forget(id, device.agent_id);
    Ok(Answer::done("Wakeup command sent"))
}

/// What the agent is sent.
///
/// # Errors
/// 409 when the stored MAC address or port is none.
fn payload(device: &WakeRow) -> Result<Payload> {
    let mac_address = device.mac_address.parse().map_err(|_| {
        Error::conflict(
            "no_mac_address",
            "What is stored as the device’s MAC address is none: give the device its MAC address, and it can be woken",
        )
    })?;
    let port = device.port.ok_or_else(|| {
        Error::conflict(
            "no_port",
            "What is stored as the device’s port is no whole number from 1 to 65535: give the device a port such as 9, and \
             it can be woken",
        )
    })?;
    Ok(Payload { mac_address, port })
}
