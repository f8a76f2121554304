//! Which agent sends for a device: the first one that is connected, of its own and its fallbacks in their order.

use crate::control::Control;

/// The first of some agents that is connected.
pub(super) fn first_online(control: &Control, agents: &[i64]) -> Option<i64> {
    agents.iter().copied().find(|agent| control.is_online(*agent))
}
