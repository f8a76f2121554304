//! Whose rows are meant, and which of them: the forms in which ownership and shares reach SQL.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Whose rows are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Anyone's.
    Anyones,
    /// One user's.
    User(i64),
}

impl Whose {
    /// The owner to compare with; none if anyone's rows are meant.
    pub(super) fn owner(self) -> Option<i64> {
        match self {
            Self::Anyones => None,
            Self::User(id) => Some(id),
        }
    }
}

/// What a share lets its user do with a device. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// See it and its status.
    View,
    /// Wake it.
    Wake,
}

impl Right {
    /// This right and what it includes.
    pub fn included(self) -> &'static [Self] {
        match self {
            Self::View => &[Self::View],
            Self::Wake => &[Self::View, Self::Wake],
        }
    }

    /// The right of what is stored, and of what [`share_on_device`] finds.
    pub(super) fn from_stored(may_wake: i64) -> Self {
        if may_wake > 0 { Self::Wake } else { Self::View }
    }

    pub(super) fn stored(self) -> i64 {
        i64::from(self == Self::Wake)
    }
}

/// Which devices are within reach. [`Call::devices`](crate::http::Call::devices) alone decides it for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Whose devices.
    pub whose: Whose,
    /// Beside a user's own, those that are shared with the user, with this right and at this time; none where shares
    /// do not count.
    pub shared: Option<(Right, Millis)>,
    /// Of all these, these alone; none for all.
    pub only: Option<Arc<[i64]>>,
}

impl Reach {
    /// The devices to compare with, as a JSON array; none for all.
    pub(super) fn only(&self) -> Option<String> {
        self.only.as_deref().map(|only| serde_json::Value::from(only).to_string())
    }

    /// The right to compare with what [`share_on_device`] finds; none, which nothing is as great as, where shares do
    /// not count.
    pub(super) fn right(&self) -> Option<i64> {
        self.shared.map(|(right, _)| right.stored())
    }

    /// The time at which shares must not have expired.
    pub(super) fn at(&self) -> Option<Millis> {
        self.shared.map(|(_, at)| at)
    }
}

impl From<Whose> for Reach {
    fn from(whose: Whose) -> Self {
        Self { whose, shared: None, only: None }
    }
}

/// The greatest right that shares give the user of the parameter `$user`, at the time `$at`, on a row of `devices`;
/// NULL if none does. A share of an agent covers the devices of its owner alone: in an adopted database somebody else's
/// may name it.
macro_rules! share_on_device {
    ($user:literal, $at:literal) => {
        concat!(
            "(SELECT max(mayWake) FROM shares WHERE userID = ",
            $user,
            " AND (expires IS NULL OR expires > ",
            $at,
            ") AND (deviceID = devices.id OR agentID = devices.agentID AND EXISTS \
             (SELECT 1 FROM agents WHERE agents.id = shares.agentID AND agents.ownerID = devices.ownerID)))"
        )
    };
}
pub(super) use share_on_device;
