//! How many commands may be in flight to an agent at once, and which of them count together.

use crate::model::agent::AgentKind;
use crate::registry::{Class, CommandEntry};

/// Which commands count together where there is room for so many.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    Control,
    Urgent,
    Short,
    Long,
}

impl Window {
    /// Where a command counts.
    pub(super) fn of(entry: &CommandEntry) -> Self {
        match entry.class {
            Class::Control => Self::Control,
            Class::Action | Class::Question if entry.urgent => Self::Urgent,
            Class::Action | Class::Question => Self::Short,
            Class::Long => Self::Long,
        }
    }
}

/// How many commands may be in flight at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// Of those that are neither urgent nor long; of those that are urgent, too, where they have no window of their own.
    pub(super) short: usize,
    /// Of those that are urgent.
    pub(super) urgent: usize,
    /// Of those that take long.
    pub(super) long: usize,
}

impl Windows {
    /// Those of an agent of this kind.
    pub(super) fn of(kind: AgentKind) -> Self {
        Self { short: kind.window(), urgent: kind.urgent_window(), long: kind.long_window() }
    }
}
