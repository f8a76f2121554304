//! Devices: which of them a caller may do something with; making, showing, changing and deleting them.
//!
//! A device's agent must belong to the device's owner, which the table of devices sees to: whoever could name another's
//! agent could wake through it.

use std::collections::HashSet;

use secrecy::SecretString;
use tracing::error;

use super::By;
use super::device_presence;
use super::operation;
use super::quota::Quota;
use super::watching;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::model::device_presence::DevicePresence;
use crate::model::event::Event;
use crate::model::permission::{Permission, Scope};
use crate::store::{
    Conn, Reach, Right, Whose, device_options, device_presence as presence_rows, devices, shares,
};

pub use crate::store::device_options::{DeviceOptions, SecureOnChange};
pub use crate::store::devices::{DeviceKind, DeviceRow, NewDevice, SharedBy};

pub(crate) fn not_found() -> Error {
    Error::not_found("Device not found")
}

/// How far a caller reaches with what takes more than seeing a device.
#[derive(Clone)]
pub(crate) struct Needed {
    reach: Reach,
    /// The devices that the caller sees.
    seen: Reach,
}

impl Needed {
    pub(crate) fn of(by: &By, permission: Permission) -> Self {
        Self { reach: by.devices(permission), seen: by.devices(Permission::DevicesRead) }
    }

    /// Whose devices are meant, if the one of an ID may be among them.
    pub(crate) fn whose(&self, id: i64) -> Option<Whose> {
        let among = self.reach.only.as_deref().is_none_or(|only| only.contains(&id));
        among.then_some(self.reach.whose)
    }

    /// What `get` finds of the device of an ID within reach.
    ///
    /// # Errors
    /// 404 for a device that the caller does not see, 403 for one that is shared and not for this.
    pub(crate) fn find<T>(
        &self,
        db: &Conn,
        id: i64,
        get: impl FnOnce(&Conn, &Reach, i64) -> Result<Option<T>>,
    ) -> Result<T> {
        if let Some(found) = get(db, &self.reach, id)? {
            return Ok(found);
        }
        let shared = devices::get(db, &self.seen, id)?.and_then(|device| device.shared);
        let SharedBy { right, .. } = shared.ok_or_else(not_found)?;
        let what = match right {
            Right::View => "see",
            Right::Wake => "see and wake",
        };
        Err(Error::new(
            Kind::Forbidden,
            "not_shared",
            format!("This device is shared with you to {what} it, and for nothing else. Ask its owner."),
        ))
    }
}

/// What follows when a device came, went or changed: what the server keeps in mind of everyone who sees it is forgotten,
/// since a favourite may name it.
fn changed(by: &By, device: i64, owner: i64, seers: &[i64]) {
    watching::device_changed(&by.host, device);
    by.host.events.emit(Event::DeviceChanged { device, owner });
    for user in seers {
        by.host.accounts.forget(*user);
    }
}

/// Finds the IDs of the devices that the caller sees, or of their favourites among them, in a reading of whoever calls it.
pub fn ids(by: &By, only_favorites: bool) -> impl FnOnce(&Conn) -> Result<Vec<i64>> + Send + use<> {
    let reach = by.devices(Permission::DevicesRead);
    let favorites: Option<HashSet<i64>> = only_favorites.then(|| {
        let account = by.caller.account();
        account.map(|account| account.favorites.iter().copied().collect()).unwrap_or_default()
    });
    move |db| {
        let mut ids = devices::ids(db, &reach)?;
        ids.retain(|id| favorites.as_ref().is_none_or(|favorites| favorites.contains(id)));
        Ok(ids)
    }
}

/// Reads the devices of some IDs that the caller sees, in a reading of whoever calls it.
pub fn rows(by: &By) -> impl Fn(&Conn, &[i64]) -> Result<Vec<DeviceRow>> + Send + Sync + use<> {
    let reach = by.devices(Permission::DevicesRead);
    move |db, ids| devices::of_ids(db, &reach, ids)
}

/// A device, and whether it is there where that was asked for.
pub type Present = (DeviceRow, Option<DevicePresence>);

/// As [`rows`], with whether they are there if that is wanted.
pub fn present(
    by: &By,
    wanted: bool,
) -> impl Fn(&Conn, &[i64]) -> Result<Vec<Present>> + Send + Sync + use<> {
    let (rows, presences) = (rows(by), device_presence::of(&by.host));
    move |db, ids| {
        let rows = rows(db, ids)?;
        if !wanted {
            return Ok(rows.into_iter().map(|row| (row, None)).collect());
        }
        let presences = presences.of_devices(db, rows.iter().map(|row| row.id))?;
        Ok(rows.into_iter().zip(presences.into_iter().map(Some)).collect())
    }
}

/// Makes a device. Answers its ID.
///
/// # Errors
/// The agent is not the owner's; the owner has as many as one may have; the database refuses.
pub async fn create(by: &By, device: NewDevice) -> Result<i64> {
    let quota = Quota::of_devices(&by.host.config.load().limits);
    let (owner, host_agent) = (device.owner, device.options.host_agent);
    let (id, seers) = by
        .change(Action::DeviceCreate, move |db, entry| {
            quota.check(db, device.owner)?;
            let id = devices::insert(db, &device)?;
            entry.on(SubjectKind::Device, id, device.name);
            Ok((id, shares::seers(db, id)?))
        })
        .await?;
    device_presence::host_agent_changed(&by.host, id, None, host_agent).await;
    changed(by, id, owner, &seers);
    Ok(id)
}

/// A device with all that is known of it.
pub struct DeviceDetail {
    /// What is stored.
    pub row: DeviceRow,
    /// Its SecureOn password, if it has one that the caller may see.
    pub secure_on: Option<SecretString>,
    /// Whether it is there.
    pub presence: DevicePresence,
}

/// A device. Its SecureOn password is seen by its owner alone, and by a token of theirs that may change it.
///
/// # Errors
/// The caller sees no such device; the database cannot be read.
pub async fn get(by: &By, id: i64) -> Result<DeviceDetail> {
    let reach = by.devices(Permission::DevicesRead);
    let caller = by.caller.clone();
    let known = device_presence::of(&by.host).known(id);
    let read = by.host.store.read(move |db| {
        let row = devices::get(db, &reach, id)?.ok_or_else(not_found)?;
        let is_owners = caller.reaches_all() || caller.user_id() == Some(row.owner);
        let secure_on = if is_owners && caller.may(Permission::DevicesWrite, Scope::Own) {
            // One that cannot be opened is known to nobody, and can be replaced.
            device_options::secure_on(db, id).unwrap_or_else(|e| {
                error!("the device {id} cannot be woken until it is given its SecureOn password again: {e}");
                None
            })
        } else {
            None
        };
        let presence = match known {
            Some(known) => known,
            None => presence_rows::standing(db, id)?.map(|standing| standing.presence).unwrap_or_default(),
        };
        Ok(DeviceDetail { row, secure_on, presence })
    });
    read.await
}

/// Changes a device into what `change` makes of the stored row, and its SecureOn password.
///
/// # Errors
/// There is no such device within reach, or it is shared for less; what `change` answers; the database refuses.
pub async fn update<F>(by: &By, id: i64, change: F) -> Result<()>
where
    F: FnOnce(DeviceRow) -> Result<(DeviceRow, SecureOnChange)> + Send + 'static,
{
    let needed = Needed::of(by, Permission::DevicesWrite);
    let (owner, host_agents, seers) = by
        .change(Action::DeviceUpdate, move |db, entry| {
            let stored = needed.find(db, id, devices::get)?;
            let (owner, host_before) = (stored.owner, stored.options.host_agent);
            entry.on(SubjectKind::Device, id, stored.name.as_str());
            // With another agent come other shares.
            let mut seers = shares::seers(db, id)?;
            let (row, secure_on) = change(stored)?;
            devices::update(db, &row)?;
            device_options::set_secure_on(db, id, &secure_on)?;
            seers.extend(shares::seers(db, id)?);
            Ok((owner, (host_before, row.options.host_agent), seers))
        })
        .await?;
    let (before, now) = host_agents;
    device_presence::host_agent_changed(&by.host, id, before, now).await;
    changed(by, id, owner, &seers);
    Ok(())
}

/// Deletes a device.
///
/// # Errors
/// There is no such device within reach, or it is shared for less; the database refuses.
pub async fn delete(by: &By, id: i64) -> Result<()> {
    let needed = Needed::of(by, Permission::DevicesWrite);
    let clock = by.host.clock.clone();
    let (owner, host_agent, seers, ended) = by
        .change(Action::DeviceDelete, move |db, entry| {
            let stored = needed.find(db, id, devices::get)?;
            entry.on(SubjectKind::Device, id, stored.name);
            let seers = shares::seers(db, id)?;
            let ended = operation::device_gone(db, id, clock.now())?;
            devices::delete(db, id)?;
            Ok((stored.owner, stored.options.host_agent, seers, ended))
        })
        .await?;
    device_presence::of(&by.host).forget(id, host_agent);
    operation::publish(&by.host, &ended);
    changed(by, id, owner, &seers);
    Ok(())
}
