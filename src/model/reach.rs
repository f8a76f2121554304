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
    pub fn owner(self) -> Option<i64> {
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

    /// The right of what is stored, and of what a query of shares finds.
    pub fn from_stored(may_wake: i64) -> Self {
        if may_wake > 0 { Self::Wake } else { Self::View }
    }

    /// The right as it is stored.
    pub fn stored(self) -> i64 {
        i64::from(self == Self::Wake)
    }
}

/// Which devices are within reach. `domain::By::devices` alone decides it.
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
    pub fn only(&self) -> Option<String> {
        self.only.as_deref().map(|only| serde_json::Value::from(only).to_string())
    }

    /// The right to compare with what a query of shares finds; none, which nothing is as great as, where shares do
    /// not count.
    pub fn right(&self) -> Option<i64> {
        self.shared.map(|(right, _)| right.stored())
    }

    /// The time at which shares must not have expired.
    pub fn at(&self) -> Option<Millis> {
        self.shared.map(|(_, at)| at)
    }
}

impl From<Whose> for Reach {
    fn from(whose: Whose) -> Self {
        Self { whose, shared: None, only: None }
    }
}
