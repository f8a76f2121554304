//! What somebody may see of what happens.
//!
//! The permissions are those of the moment in which the stream began: one that loses any of them is ended. Whose things
//! there are and with whom they are shared is read anew for every event.

use std::sync::Arc;

use super::occurrence::{Audience, Occurrence};
use crate::domain::{By, operation};
use crate::model::event::EventType;
use crate::model::permission::Permission;
use crate::model::reach::{Right, Whose};

/// What the reader of a stream may see.
pub(super) struct Sight {
    user: i64,
    /// Whose agents, if any.
    agents: Option<Whose>,
    /// Whose devices, if any, and what belongs to them.
    devices: Option<Whose>,
    /// Whose agents' operations.
    operations: Option<Whose>,
    /// Of which devices operations are seen: whose, and for what they must be shared.
    of_devices: Vec<(Whose, Option<Right>)>,
    /// Of all devices, these alone; none for all.
    only: Option<Arc<[i64]>>,
    /// A bit for each type that was asked for.
    types: u8,
}

/// As what somebody sees something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As its owner does.
    Whole,
    /// As something that is shared for this.
    Shared(Right),
    /// As what is about a device that is shared, and was asked for by whoever sees it.
    Asked,
}

impl Sight {
    pub(super) fn of(by: &By, types: &[EventType]) -> Self {
        let whose = |permission| by.caller.has(permission).then(|| by.whose(permission));
        let operations = operation::read::Sight::of(by);
        Self {
            user: by.caller.user_id().unwrap_or(0),
            agents: whose(Permission::AgentsRead),
            devices: whose(Permission::DevicesRead),
            operations: operations.agents,
            of_devices: operations
                .devices
                .iter()
                .map(|reach| (reach.whose, reach.shared.map(|(right, _)| right)))
                .collect(),
            only: by.caller.only_devices(),
            types: types.iter().fold(0, |bits, kind| bits | bit(*kind)),
        }
    }

    /// Whether it reaches beyond one user's things and those that are shared with them.
    pub(super) fn is_wide(&self) -> bool {
        [self.agents, self.devices, self.operations].contains(&Some(Whose::Anyones))
            || self.of_devices.iter().any(|(whose, _)| *whose == Whose::Anyones)
    }

    /// As what an event is seen; none if it is not.
    pub(super) fn view(&self, event: &Occurrence) -> Option<View> {
        if self.types & bit(event.kind) == 0 {
            return None;
        }
        if event.kind == EventType::OperationChanged {
            return self.view_of_operation(&event.audience);
        }
        let Audience { owner, device, shared, alone, .. } = &event.audience;
        let of_agent =
            matches!(event.kind, EventType::AgentOnline | EventType::AgentOffline | EventType::AgentChanged);
        let of_agent = of_agent || event.kind == EventType::OperationProgress && device.is_none();
        let whose = if of_agent { self.agents? } else { self.devices? };
        if let Some(only) = &self.only
            && !device.is_some_and(|device| only.contains(&device))
        {
            return None;
        }
        match whose {
            // Nothing came or went for whoever sees everyone's.
            Whose::Anyones if alone.is_some() => None,
            Whose::Anyones => Some(View::Whole),
            Whose::User(user) if user == *owner && alone.is_none() => Some(View::Whole),
            Whose::User(_) => {
                shared.iter().find(|(user, _)| *user == self.user).map(|(_, right)| View::Shared(*right))
            }
        }
    }

    /// As what an operation is seen, which is what the list of operations shows of it.
    fn view_of_operation(&self, Audience { owner, device, shared, maker, .. }: &Audience) -> Option<View> {
        let is_of = |whose: Whose| whose.owner().is_none_or(|user| user == *owner);
        let Some(device) = device else {
            return self.operations.is_some_and(is_of).then_some(View::Whole);
        };
        if self.only.as_ref().is_some_and(|only| !only.contains(device)) {
            return None;
        }
        if self.of_devices.iter().any(|(whose, _)| is_of(*whose)) {
            return Some(View::Whole);
        }
        let (_, right) = shared.iter().find(|(user, _)| *user == self.user)?;
        let sees = self.of_devices.iter().any(|(_, needed)| needed.is_some_and(|needed| *right >= needed));
        sees.then(|| if *maker == Some(self.user) { View::Asked } else { View::Shared(*right) })
    }
}

fn bit(kind: EventType) -> u8 {
    1 << kind as u8
}
