//! How many agents and devices one user may have.
//!
//! It is decided in the transaction that inserts, so that many at once are not more than one after the other.

use crate::config::Limits;
use crate::error::{Error, Result};
use crate::store::{Conn, agents, devices};

/// How many of something a user may have.
pub(super) struct Quota {
    most: u32,
    key: &'static str,
    what: &'static str,
    count: fn(&Conn, i64) -> Result<i64>,
}

impl Quota {
    /// The quota of agents.
    pub(super) fn of_agents(limits: &Limits) -> Self {
        Self {
            most: limits.agents_per_user,
            key: "limits.agentsPerUser",
            what: "agents",
            count: agents::count_of,
        }
    }

    /// The quota of devices.
    pub(super) fn of_devices(limits: &Limits) -> Self {
        Self {
            most: limits.devices_per_user,
            key: "limits.devicesPerUser",
            what: "devices",
            count: devices::count_of,
        }
    }

    /// Refuses one more of `owner`.
    ///
    /// # Errors
    /// 409 if the owner has as many as a user may have; the database refuses.
    pub(super) fn check(&self, db: &Conn, owner: i64) -> Result<()> {
        let Self { most, key, what, count } = self;
        if *most == 0 || count(db, owner)? < i64::from(*most) {
            return Ok(());
        }
        Err(Error::conflict(
            "quota_reached",
            format!(
                "The owner has {most} {what}, which is the limit. Delete some first, or have the limit raised \
                 ({key} in the server's configuration)."
            ),
        ))
    }
}
