//! Whose rows are meant, and which of them: the forms in which ownership reaches SQL.

use std::sync::Arc;

/// Whose rows are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Which devices are within reach. [`Call::devices`](crate::http::Call::devices) alone decides it for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Whose devices.
    pub whose: Whose,
    /// Of those, these alone; none for all.
    pub only: Option<Arc<[i64]>>,
}

impl Reach {
    /// The devices to compare with, as a JSON array; none for all.
    pub(super) fn only(&self) -> Option<String> {
        self.only.as_deref().map(|only| serde_json::Value::from(only).to_string())
    }
}

impl From<Whose> for Reach {
    fn from(whose: Whose) -> Self {
        Self { whose, only: None }
    }
}
