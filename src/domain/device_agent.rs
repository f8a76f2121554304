//! Which agent sends for a device: the first one that is connected, of its own and its fallbacks in their order.

use crate::control::Control;
use crate::store::devices::WakeRow;

/// The first of some agents that is connected.
pub(super) fn first_online(control: &Control, agents: &[i64]) -> Option<i64> {
    agents.iter().copied().find(|agent| control.is_online(*agent))
}

/// Which agent is to wake a device: its own if none is connected; none where none is the device owner's.
pub(super) fn of(control: &Control, device: &WakeRow) -> Option<i64> {
    let own = device.agent_is_owners.then_some(device.agent_id);
    if device.agents.is_empty() {
        return own;
    }
    first_online(control, &device.agents).or(own)
}
