//! Devices: which of them a caller may do something with.

use super::By;
use crate::error::{Error, Kind, Result};
use crate::model::permission::Permission;
use crate::store::devices::{self, SharedBy};
use crate::store::{Conn, Reach, Right};

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
