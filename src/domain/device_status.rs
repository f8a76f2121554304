//! Whether devices are up, asked of their agents.
//!
//! All agents are asked at the same time ([`DeviceQuestions`]). The answer comes in time for every proxy, with what is
//! known by then. Answers of the last seconds are reused, which is what several open pages asking at once come down to;
//! but not where a single device is asked about: there somebody pressed a button.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::By;
use super::device_questions::{DeviceQuestions, Line, Target};
use crate::commands::get_status::Online;
use crate::error::Result;
use crate::model::permission::Permission;
use crate::store::{Whose, agents, devices};

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
    let (devices, agents) = by
        .host
        .store
        .read(move |db| {
            let devices = devices::list(db, &reach)?;
            let mut agents = agents::list(db, reach.whose)?;
            // What is shared is reached through its owner's agents.
            let shared: BTreeSet<_> = devices
                .iter()
                .filter(|device| device.shared.is_some())
                .map(|device| device.agent_id)
                .collect();
            for agent in shared {
                agents.extend(agents::get(db, Whose::Anyones, agent)?);
            }
            Ok((devices, agents))
        })
        .await?;
    let agents: HashMap<i64, _> = agents.iter().map(|agent| (agent.id, (agent.owner, agent.kind))).collect();

    let mut statuses = BTreeMap::new();
    let mut lines: HashMap<i64, Line> = HashMap::new();
    for device in devices.iter().filter(|device| ids.as_ref().is_none_or(|ids| ids.contains(&device.id))) {
        statuses.insert(device.id, Online::Unknown);
        let Some((owner, kind)) = agents.get(&device.agent_id) else { continue };
        // A device must not be looked for through somebody else's agent, whatever an adopted database says.
        if *owner != device.owner || !by.host.control.is_online(device.agent_id) {
            continue;
        }
        let Some(target) = Target::of(device) else { continue };
        if !single && let Some(online) = questions.known(device.id, device.agent_id, &target) {
            statuses.insert(device.id, online);
            continue;
        }
        let new_line = || Line { agent: device.agent_id, width: kind.window(), devices: Vec::new() };
        let line = lines.entry(device.agent_id).or_insert_with(new_line);
        line.devices.push((device.id, target));
    }

    let (found, mut answers) = mpsc::unbounded_channel();
    let mut open = 0;
    for line in lines.into_values() {
        open += line.devices.len();
        questions.ask(&by.host, by.requester(), line, &found);
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
