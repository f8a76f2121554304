//! What happened, with what is known of the thing it happened to: the form in which events leave the server.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::progress::OperationProgress;
use crate::clock::Millis;
use crate::domain::agent::{AgentDetail, AgentRow};
use crate::domain::device::{DeviceDetail, DeviceRow};
use crate::error::Result;
use crate::events::Kept;
use crate::host::Host;
use crate::model::event::{Event, EventId, EventType};
use crate::model::operation::{Operation, OperationId};
use crate::model::presence::{Presence, PresenceState};
use crate::model::reach::{Right, Whose};
use crate::store::{agents, devices, operations, shares};

/// Something that happened.
pub struct Occurrence {
    /// What it is called.
    pub id: EventId,
    /// When.
    pub at: Millis,
    /// Its type.
    pub kind: EventType,
    /// To what.
    pub subject: Subject,
    /// The name of the owner of a device that is shared.
    pub owner_name: String,
    /// Who may see it.
    pub(super) audience: Audience,
}

/// What something happened to.
pub enum Subject {
    /// An agent.
    Agent(AgentDetail),
    /// A device.
    Device(DeviceRow),
    /// A device with whether it is there.
    DeviceDetail(DeviceDetail),
    /// An operation, and how far it is.
    Progress(OperationProgress),
    /// An operation.
    Operation(Box<Operation>),
    /// What was of this ID, and is no more.
    Gone(i64),
}

/// Who may see something.
pub(super) struct Audience {
    pub(super) owner: i64,
    /// The device it is about.
    pub(super) device: Option<i64>,
    /// With whom that is shared now, and for what.
    pub(super) shared: Vec<(i64, Right)>,
    /// The user who asked for it, where it is an operation.
    pub(super) maker: Option<i64>,
    /// The user who alone sees it, as something that is shared with them.
    pub(super) alone: Option<i64>,
}

/// What is stored of the things that some events are about.
struct Known {
    agents: HashMap<i64, AgentRow>,
    devices: HashMap<i64, DeviceRow>,
    operations: HashMap<OperationId, Operation>,
    shares: HashMap<i64, Shares>,
}

#[derive(Default)]
struct Shares {
    owner_name: String,
    with: Vec<(i64, Right)>,
}

/// What happened in some events, as far as it can still be known.
///
/// # Errors
/// The database cannot be read.
pub(super) async fn of_events(host: &Arc<Host>, events: Vec<Kept>) -> Result<Vec<Occurrence>> {
    let (mut of_agents, mut of_devices, mut of_operations) = (HashSet::new(), HashSet::new(), HashSet::new());
    // Of the devices of operations nothing is asked but with whom they are shared.
    let mut shared = HashSet::new();
    for kept in &events {
        match kept.event {
            Event::AgentOnline { agent }
            | Event::AgentOffline { agent, .. }
            | Event::AgentChanged { agent, .. } => {
                of_agents.insert(agent);
            }
            Event::DeviceChanged { device, .. }
            | Event::DevicePresence { device, .. }
            | Event::DeviceShared { device, .. } => {
                of_devices.insert(device);
                shared.insert(device);
            }
            Event::OperationChanged { ref change } => {
                of_operations.insert(change.id);
                shared.extend(change.device);
            }
            _ => {}
        }
    }
    if of_agents.is_empty() && of_devices.is_empty() && of_operations.is_empty() {
        return Ok(Vec::new());
    }
    let now = host.clock.now();
    let known = host.store.read(move |db| {
        let (of_agents, of_devices): (Vec<_>, Vec<_>) =
            (of_agents.into_iter().collect(), of_devices.into_iter().collect());
        let (of_operations, shared): (Vec<_>, Vec<_>) =
            (of_operations.into_iter().collect(), shared.into_iter().collect());
        let agents = agents::of_ids(db, Whose::Anyones, &of_agents)?;
        let devices = devices::of_ids(db, &Whose::Anyones.into(), &of_devices)?;
        let operations = match of_operations.as_slice() {
            [] => Vec::new(),
            some => operations::of_ids(db, some)?,
        };
        let mut found: HashMap<i64, Shares> = HashMap::new();
        for share in shares::of_devices(db, &shared, now)? {
            let of_device = found.entry(share.device).or_default();
            of_device.owner_name = share.owner_name;
            of_device.with.push((share.user, share.right));
        }
        Ok(Known {
            agents: agents.into_iter().map(|row| (row.id, row)).collect(),
            devices: devices.into_iter().map(|row| (row.id, row)).collect(),
            operations: operations.into_iter().map(|row| (row.id, row)).collect(),
            shares: found,
        })
    });
    let known = known.await?;
    Ok(events.into_iter().filter_map(|kept| known.occurrence(host, kept)).collect())
}

impl Known {
    fn occurrence(&self, host: &Host, Kept { number, at, event }: Kept) -> Option<Occurrence> {
        let (mut maker, mut alone) = (None, None);
        let (kind, subject, owner, device) = match event {
            Event::AgentOnline { agent } => {
                let row = self.agents.get(&agent)?.clone();
                let presence =
                    at_that_time(host.control.presence(agent), PresenceState::Online, "connected", at);
                let owner = row.owner;
                (EventType::AgentOnline, Subject::Agent(detail(host, row, presence)), owner, None)
            }
            Event::AgentOffline { agent, why } => {
                let row = self.agents.get(&agent)?.clone();
                let presence = at_that_time(host.control.presence(agent), PresenceState::Offline, why, at);
                let owner = row.owner;
                (EventType::AgentOffline, Subject::Agent(detail(host, row, presence)), owner, None)
            }
            Event::AgentChanged { agent, owner } => {
                let row = self.agents.get(&agent).cloned();
                let subject = row.map(|row| Subject::Agent(detail(host, row, host.control.presence(agent))));
                (EventType::AgentChanged, subject.unwrap_or(Subject::Gone(agent)), owner, None)
            }
            Event::DeviceChanged { device, owner } => {
                let row = self.devices.get(&device).cloned();
                let subject = row.map_or(Subject::Gone(device), Subject::Device);
                (EventType::DeviceChanged, subject, owner, Some(device))
            }
            Event::DeviceShared { device, owner, user } => {
                alone = Some(user);
                // It may be shared with all devices of its agent still.
                let with =
                    self.shares.get(&device).filter(|shares| shares.with.iter().any(|(to, _)| *to == user));
                let row = self.devices.get(&device).filter(|_| with.is_some()).cloned();
                let subject = row.map_or(Subject::Gone(device), Subject::Device);
                (EventType::DeviceChanged, subject, owner, Some(device))
            }
            Event::DevicePresence { device, owner, presence } => {
                let row = self.devices.get(&device)?.clone();
                let detail = DeviceDetail { row, secure_on: None, presence };
                (EventType::DevicePresence, Subject::DeviceDetail(detail), owner, Some(device))
            }
            Event::OperationChanged { change } => {
                let then = change.of(self.operations.get(&change.id)?);
                maker = then.maker.user;
                let subject = Subject::Operation(Box::new(then));
                (EventType::OperationChanged, subject, change.owner, change.device)
            }
            _ => return None,
        };
        let shares = device.and_then(|device| self.shares.get(&device));
        let mut shared = shares.map(|shares| shares.with.clone()).unwrap_or_default();
        if let Some(user) = alone {
            let right = shared.iter().find(|(to, _)| *to == user).map_or(Right::View, |(_, right)| *right);
            shared = vec![(user, right)];
        }
        Some(Occurrence {
            id: host.events.id(number),
            at,
            kind,
            subject,
            owner_name: shares.map(|shares| shares.owner_name.clone()).unwrap_or_default(),
            audience: Audience { owner, device, shared, maker, alone },
        })
    }
}

fn detail(host: &Host, row: AgentRow, presence: Option<Presence>) -> AgentDetail {
    let about = host.control.about(row.id);
    AgentDetail { row, presence, about, secret: None }
}

/// The presence as it was when an agent came into `state`: it may have changed again since.
fn at_that_time(
    now: Option<Presence>,
    state: PresenceState,
    why: &'static str,
    at: Millis,
) -> Option<Presence> {
    match now {
        Some(now) if now.state == state => Some(now),
        Some(now) => Some(Presence { state, since: at, why, ..now }),
        None => None,
    }
}
