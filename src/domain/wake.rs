//! Wakes a device through its agent.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::By;
use super::command_error::agent_error;
use super::device::Needed;
use super::device_agent;
use super::device_questions::DeviceQuestions;
use super::operation::create::UNTIL_SENT;
use super::operation::record::{Direct, Watched};
use crate::commands::wakeup::{Payload, Wakeup};
use crate::control::DispatchError;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::model::audit::{Action, SubjectKind};
use crate::model::operation::{Operation, OperationKind, reason};
use crate::model::permission::Permission;
use crate::registry::{CommandEntry, SecureOn, encode_payload};
use crate::store::device_options;
use crate::store::devices::{self, WakeRow};
use crate::store::{Conn, Recent, Whose};

/// Has a device's agent, or while that is offline the first of its fallbacks that is not, send the magic packet, and
/// waits until it says that it did. What is known of the device's status is forgotten, since it is about to change.
///
/// # Errors
/// There is no such device within reach, or it is shared for less; what is stored of it cannot be woken; the agent is
/// offline, busy, said no or did not answer in time.
pub async fn wake(by: &By, id: i64) -> Result<()> {
    let needed = Needed::of(by, Permission::DevicesWake);
    let known = known(by, needed.clone(), id).await?;
    let Known { device, secure_on } = &*known;
    let agent = device_agent::of(&by.host.control, device);
    let payload = Payload { secure_on: *secure_on, ..payload(device)? };
    let failed = |error| match error {
        // What the agent says of itself and its network is its owner's.
        DispatchError::Failed(_) if device.shared => Error::new(
            Kind::AgentFailed,
            "command_failed",
            "Wakeup command failed. The device's owner, who reads why on waking it, may know more.",
        ),
        error => agent_error(agent.unwrap_or(device.agent_id), "Wakeup", error),
    };
    let subject = (SubjectKind::Device, id, device.name.clone());
    let Some(agent) = agent else {
        let sent = Err(failed(DispatchError::Offline));
        by.note_sent(Action::DeviceWake, subject, None, &sent);
        return sent;
    };
    let questions = by.host.remembered.get(DeviceQuestions::default);
    questions.forget_device(id);
    let sending = async {
        let entry: &'static CommandEntry = const { &CommandEntry::of::<Wakeup>() };
        let encoded = encode_payload::<Wakeup>(&payload).map_err(|e| Error::internal(e.message))?;
        let direct = Direct {
            kind: OperationKind::Wake,
            owner: device.owner,
            agent,
            device: Some(id),
            entry,
            payload: UNTIL_SENT.to_owned(),
            began: by.now(),
        };
        let (watched, witness) = Watched::new(by, direct);
        let sent = by.host.control.dispatch_watched(by.requester(), agent, entry, encoded, Some(witness));
        let sent = sent.await.map(drop);
        watched.ended(sent.as_ref().map(|()| None::<&str>));
        sent.map_err(failed)
    };
    // A share can be taken back, and a device changed, while the command waits for its turn.
    let gone = || {
        let now = look(by, needed.clone(), id);
        async {
            match now.await {
                Ok(now) if now == *device => None,
                Ok(_) => Some(changed()),
                Err(e) => Some(e),
            }
        }
    };
    let sent = by.as_long_as(sending, gone).await;
    by.note_sent(Action::DeviceWake, subject, None, &sent);
    questions.forget_device(id);
    sent
}

/// What a device is woken by, its SecureOn password included.
struct Known {
    device: WakeRow,
    secure_on: Option<SecureOn>,
}

/// What devices are woken by, each with whose devices were meant.
type Remembered = Recent<(i64, Whose), Known>;

/// Reads what a device is woken by. One's own is remembered, since it is often woken again and again; shares end by
/// themselves, and passwords are not kept.
async fn known(by: &By, needed: Needed, id: i64) -> Result<Arc<Known>> {
    let remembered = by.host.remembered.get(Remembered::default);
    let key = needed.whose(id).map(|whose| (id, whose));
    let read = move |db: &Conn| {
        let device = needed.find(db, id, devices::to_wake)?;
        let (device, secure_on) = with_password(db, id, device)?;
        Ok(Known { device, secure_on })
    };
    let keep = |known: &Known| !known.device.shared && !known.device.has_secure_on;
    remembered.get(&by.host.store, key, read, keep).await
}

fn with_password(db: &Conn, id: i64, device: WakeRow) -> Result<(WakeRow, Option<SecureOn>)> {
    let stored = if device.has_secure_on { device_options::secure_on(db, id).map_err(lost)? } else { None };
    let password = stored.map(|password| password.expose_secret().parse().map_err(|_| lost("it is none")));
    Ok((device, password.transpose()?))
}

/// A card that asks for a password wakes for no packet without it.
fn lost(why: impl std::fmt::Display) -> Error {
    tracing::error!("a device's SecureOn password cannot be used: {why}");
    Error::conflict(
        "no_secure_on",
        "The device’s SecureOn password is stored and cannot be read any more: give the device its password again, and it \
         can be woken",
    )
}

async fn look(by: &By, needed: Needed, id: i64) -> Result<WakeRow> {
    by.host.store.read(move |db| needed.find(db, id, devices::to_wake)).await
}

/// What the agent is sent for a stored wake, as the device is now; or why it cannot be sent.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn payload_of(
    host: &Host,
    operation: &Operation,
    agent: i64,
) -> Result<std::result::Result<String, (&'static str, &'static str)>> {
    let id = operation.device.unwrap_or(0);
    let read = host.store.read(move |db| {
        let Some(device) = devices::to_wake(db, &Whose::Anyones.into(), id)? else { return Ok(None) };
        Ok(Some(with_password(db, id, device)))
    });
    let missing = "What is stored of the device is not enough to wake it: it was not sent";
    let (device, secure_on) = match read.await? {
        None => return Ok(Err((reason::DEVICE_DELETED, "Its device was deleted"))),
        Some(Err(error)) => return Ok(Err((error.code(), missing))),
        Some(Ok(device)) => device,
    };
    if !agents(&device).contains(&agent) {
        return Ok(Err((reason::DEVICE_CHANGED, "The device has another agent now: it was not sent")));
    }
    Ok(match payload(&device) {
        Ok(payload) => {
            let payload = Payload { secure_on, ..payload };
            Ok(encode_payload::<Wakeup>(&payload).map_err(|e| Error::internal(e.message))?)
        }
        Err(error) => Err((error.code(), missing)),
    })
}

/// The agents that may wake a device, in the order in which they are tried; none where none is its owner's.
pub(super) fn agents(device: &WakeRow) -> Vec<i64> {
    if !device.agents.is_empty() {
        return device.agents.clone();
    }
    device.agent_is_owners.then_some(device.agent_id).into_iter().collect()
}

fn changed() -> Error {
    Error::conflict(
        "device_changed",
        "The device was changed while it was being woken. It may have been woken as it was before: look at it, and wake it \
         again.",
    )
}

/// What the agent is sent.
///
/// # Errors
/// 409 when the stored MAC address or port is none.
pub(super) fn payload(device: &WakeRow) -> Result<Payload> {
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
    Ok(Payload { mac_address, port, broadcast_address: device.broadcast, secure_on: None })
}
