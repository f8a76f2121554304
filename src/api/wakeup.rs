//! `POST /api/devices/{id}/wakeup`: wakes a device through its agent.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::agent_error::agent_error;
use super::device_status::Recent;
use super::devices::not_found;
use crate::auth::permission::Permission;
use crate::commands::wakeup::{Payload, Wakeup};
use crate::control::DispatchError;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, NoBody};
use crate::store::devices::{self, DeviceRow};
use crate::store::{Whose, agents};

pub(super) async fn wakeup(call: Call, _: NoBody, recent: Arc<Recent>) -> Result<Answer<()>> {
    let id = call.id()?;
    let reach = call.devices(Permission::DevicesWake);
    let (device, agent) = call
        .host
        .store
        .read(move |db| {
            let device = devices::get(db, &reach, id)?.ok_or_else(not_found)?;
            // A device must not be woken through somebody else's agent, whatever an adopted database says.
            let agent = agents::get(db, Whose::User(device.owner), device.agent_id)?;
            Ok((device, agent))
        })
        .await?;
    let payload = payload(&device)?;
    let failed = |error| agent_error(device.agent_id, "Wakeup", error);
    let agent = agent.ok_or_else(|| failed(DispatchError::Offline))?;
    recent.forget(id);
    call.host.dispatch::<Wakeup>(agent.id, &payload).await.map_err(failed)?;
    recent.forget(id);
    Ok(Answer::done("Wakeup command sent"))
}

/// What the agent is sent.
///
/// # Errors
/// 409 when the stored MAC address or port is none.
fn payload(device: &DeviceRow) -> Result<Payload> {
    let mac_address = device.mac_address.parse().map_err(|_| {
        Error::conflict(
            "no_mac_address",
            format!(
                "{:?} is no MAC address: the device cannot be woken until it has one",
                device.mac_address
            ),
        )
    })?;
    let port = device.wake_port().and_then(NonZeroU16::new).ok_or_else(|| {
        Error::conflict(
            "no_port",
            "The device's port is not a number from 1 to 65535: the device cannot be woken until it is",
        )
    })?;
    Ok(Payload { mac_address, port })
}
