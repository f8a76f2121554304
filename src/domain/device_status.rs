//! Whether devices are up, asked of their agents.
//!
//! All agents are asked at the same time (`device_questions`). The answer comes in time for every proxy, with what is
//! known by then. Answers of the last seconds are reused, which is what several open pages asking at once come down to;
//! but not where a single device is asked about: there somebody pressed a button.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::By;
use super::device_questions::{AgentQuestions, DeviceQuestions, Target};
use crate::error::Result;
use crate::model::agent::AgentKind;
use crate::model::permission::Permission;
use crate::registry::Online;
use crate::store::devices::DeviceRow;
use crate::store::{Conn, Reach, Whose, agents, devices};

/// Devices, and agents, that are read at once.
const AT_ONCE: usize = 64;
/// When a request stops waiting; what is not known by then is unknown.
const DEADLINE: Duration = Duration::from_secs(24);

/// Whether the devices of these IDs that the caller sees are up, or all of them.
///
/// # Errors
/// The database cannot be read.
pub async fn status(by: &By, ids: Option<HashSet<i64>>) -> Result<BTreeMap<i64, Online>> {
    let questions = by.host.remembered.get(DeviceQuestions::default);
    let reach = by.devices(Permission::DevicesRead);
    let single = ids.as_ref().is_some_and(|ids| ids.len() == 1);
    let (devices, agents) = match ids {
        Some(ids) if ids.len() <= AT_ONCE => read_few(by, reach, ids).await?,
        ids => read_many(by, reach, ids).await?,
    };

    let mut statuses = BTreeMap::new();
    let mut by_agent: HashMap<i64, AgentQuestions> = HashMap::new();
    for device in &devices {
        statuses.insert(device.id, Online::Unknown);
        // A device must not be looked for through somebody else's agent, whatever an adopted database says.
        let kind_of = |agent: &i64| agents.get(agent).filter(|(owner, _)| *owner == device.owner);
        let online = |agent: &i64| kind_of(agent).is_some() && by.host.control.is_online(*agent);
        let Some(agent) = named(device).find(online) else { continue };
        let Some((_, kind)) = kind_of(&agent) else { continue };
        let Some(target) = Target::of(device) else { continue };
        if !single && let Some(online) = questions.known(device.id, agent, &target) {
            statuses.insert(device.id, online);
            continue;
        }
        let none = || AgentQuestions { agent, width: kind.window(), devices: Vec::new() };
        let asked = by_agent.entry(agent).or_insert_with(none);
        asked.devices.push((device.id, target));
    }

    let (found, mut answers) = mpsc::unbounded_channel();
    let mut open = 0;
    for asked in by_agent.into_values() {
        open += asked.devices.len();
        questions.ask(&by.host, by.requester(), asked, &found);
    }
    let deadline = Instant::now() + DEADLINE;
    while open > 0
        && let Ok(Some((device, online))) = timeout_at(deadline, answers.recv()).await
    {
        open -= 1;
        statuses.extend(online.map(|online| (device, online)));
    }
    // From here on nobody waits, and whoever answers knows it.
    answers.close();
    while let Ok((device, online)) = answers.try_recv() {
        statuses.extend(online.map(|online| (device, online)));
    }
    Ok(statuses)
}

/// Devices, and of their agents the owner and the kind. What is shared is reached through its owner's agents.
type Found = (Vec<DeviceRow>, HashMap<i64, (i64, AgentKind)>);

/// The devices of a few IDs that are within reach.
async fn read_few(by: &By, reach: Reach, ids: HashSet<i64>) -> Result<Found> {
    let read = by.host.store.read(move |db| {
        let devices = devices::of_ids(db, &reach, &Vec::from_iter(ids))?;
        let agents = agents::of_ids(db, Whose::Anyones, &all_named(&devices))?;
        Ok((devices, agents.into_iter().map(|agent| (agent.id, (agent.owner, agent.kind))).collect()))
    });
    read.await
}

/// The devices of many IDs that are within reach, or all: a part at a time, so that others' reads come in between.
async fn read_many(by: &By, reach: Reach, ids: Option<HashSet<i64>>) -> Result<Found> {
    let (reader, within) = (by.reader(), reach.clone());
    let find = move |db: &Conn| {
        let mut wanted = devices::ids(db, &within)?;
        wanted.retain(|id| ids.as_ref().is_none_or(|ids| ids.contains(id)));
        Ok(wanted)
    };
    let wanted = reader.read(find).await?;
    let mut devices = Vec::with_capacity(wanted.len());
    for ids in wanted.chunks(AT_ONCE) {
        let (ids, reach) = (ids.to_vec(), reach.clone());
        let rows = reader.read(move |db| devices::of_ids(db, &reach, &ids)).await?;
        // Of a long list the descriptions would be most of it.
        devices.extend(rows.into_iter().map(|row| DeviceRow { description: None, ..row }));
    }
    let mut agents = HashMap::new();
    for ids in all_named(&devices).chunks(AT_ONCE) {
        let ids = ids.to_vec();
        let rows = reader.read(move |db| agents::of_ids(db, Whose::Anyones, &ids)).await?;
        agents.extend(rows.into_iter().map(|agent| (agent.id, (agent.owner, agent.kind))));
    }
    Ok((devices, agents))
}

/// The agents that a device names, in the order in which they are asked.
fn named(device: &DeviceRow) -> impl Iterator<Item = i64> {
    std::iter::once(device.agent_id).chain(device.options.fallback_agents.iter().copied())
}

/// The IDs of the agents of these devices.
fn all_named(devices: &[DeviceRow]) -> Vec<i64> {
    devices.iter().flat_map(named).collect::<BTreeSet<_>>().into_iter().collect()
}
