//! Whether devices are up, asked of their agents.
//!
//! All agents are asked at the same time. An agent's devices stand in a line as wide as the agent's window: one at a
//! time for a microcontroller, whose status check blocks it. An agent that falls silent is not asked again in the
//! same request, so it costs one time-out however many devices it has. An answer is reused for a few seconds
//! ([`Recent`]), which is what several open pages asking at once come down to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::ids::asked_ids;
use crate::auth::permission::Permission;
use crate::commands::get_status::{GetStatus, Online, Payload};
use crate::control::DispatchError;
use crate::error::Result;
use crate::host::Host;
use crate::http::{Answer, Call, NoBody};
use crate::registry::{MacAddress, ProbeTarget};
use crate::store::devices::DeviceRow;
use crate::store::{Whose, agents, devices};

/// How long an answer may be reused.
const FRESH: Duration = Duration::from_secs(10);
/// How many answers are remembered.
const REMEMBERED: usize = 10_000;
/// When a request stops waiting for lines that are too long; what has not been asked by then is unknown.
const DEADLINE: Duration = Duration::from_secs(300);

/// What a device is looked for by, in the order it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    address: Option<ProbeTarget>,
    mac: Option<MacAddress>,
}

impl Target {
    fn of(device: &DeviceRow) -> Option<Self> {
        let address = device.address.as_deref().and_then(|address| address.parse().ok());
        let mac = device.mac_address.parse().ok();
        (address.is_some() || mac.is_some()).then_some(Self { address, mac })
    }
}

/// The devices one agent is to be asked about.
struct Line {
    agent: i64,
    /// How many are asked at the same time.
    width: usize,
    devices: Vec<(i64, Target)>,
}

/// `GET /api/devices/status`.
pub(super) async fn status(
    call: Call,
    _: NoBody,
    recent: Arc<Recent>,
) -> Result<Answer<BTreeMap<i64, Online>>> {
    let reach = call.devices(Permission::DevicesRead);
    let ids = asked_ids(&call);
    let (devices, agents) = call
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
        if *owner != device.owner || !call.host.control.is_online(device.agent_id) {
            continue;
        }
        let Some(target) = Target::of(device) else { continue };
        if let Some(online) = recent.get(device.id, device.agent_id, &target) {
            statuses.insert(device.id, online);
            continue;
        }
        let new_line = || Line { agent: device.agent_id, width: kind.window(), devices: Vec::new() };
        let line = lines.entry(device.agent_id).or_insert_with(new_line);
        line.devices.push((device.id, target));
    }

    let (found, mut answers) = mpsc::channel(64);
    let mut asking = JoinSet::new();
    for line in lines.into_values() {
        asking.spawn(ask_line(call.host.clone(), recent.clone(), line, found.clone()));
    }
    drop(found);
    let deadline = Instant::now() + DEADLINE;
    while let Ok(Some((device, online))) = timeout_at(deadline, answers.recv()).await {
        statuses.insert(device, online);
    }
    Ok(Answer::ok("Device status retrieved successfully.", statuses))
}

/// Asks one agent about its devices, and gives up on it at its first silence.
async fn ask_line(host: Arc<Host>, recent: Arc<Recent>, line: Line, found: mpsc::Sender<(i64, Online)>) {
    let Line { agent, width, devices } = line;
    let mut waiting = devices.into_iter();
    let mut asking = JoinSet::new();
    loop {
        while asking.len() < width
            && let Some((device, target)) = waiting.next()
        {
            let host = host.clone();
            asking.spawn(async move {
                let answer = ask(&host, agent, &target).await;
                (device, target, answer)
            });
        }
        match asking.join_next().await {
            Some(Ok((device, target, Ok(online)))) => {
                recent.keep(device, agent, target, online);
                if found.send((device, online)).await.is_err() {
                    return;
                }
            }
            // The agent said no to this one: the others may fare better.
            Some(Ok((_, _, Err(DispatchError::Failed(_) | DispatchError::BadReply(_))))) => {}
            Some(Ok((_, _, Err(_))) | Err(_)) | None => return,
        }
    }
}

/// Asks an agent about one device: by its address and, if the agent refuses that, by its MAC address.
async fn ask(host: &Host, agent: i64, target: &Target) -> Result<Online, DispatchError> {
    let mut answer = Err(DispatchError::Payload("the device has no address".to_owned()));
    let by_mac = target.mac.map(ProbeTarget::Mac);
    for address in target.address.iter().chain(&by_mac) {
        answer =
            host.dispatch::<GetStatus>(agent, &question(address, target.mac)).await.map(|reply| reply.online);
        // Firmware that knows only IPv4 and MAC addresses refuses the others.
        if !matches!(answer, Err(DispatchError::Failed(_))) {
            break;
        }
    }
    answer
}

/// The question about `address`; who knows the device's MAC address can tell it from another machine there.
fn question(address: &ProbeTarget, mac: Option<MacAddress>) -> Payload {
    let mac_address = mac.filter(|_| !matches!(address, ProbeTarget::Mac(_)));
    Payload { address: address.clone(), mac_address }
}

struct Answered {
    agent: i64,
    target: Target,
    online: Online,
    at: Instant,
}

/// The answers of the last seconds, by device.
#[derive(Default)]
pub(super) struct Recent {
    answers: Mutex<HashMap<i64, Answered>>,
}

impl Recent {
    fn get(&self, device: i64, agent: i64, target: &Target) -> Option<Online> {
        let answers = self.answers.lock();
        let answered = answers.get(&device)?;
        let same = answered.agent == agent && answered.target == *target && answered.at.elapsed() < FRESH;
        same.then_some(answered.online)
    }

    fn keep(&self, device: i64, agent: i64, target: Target, online: Online) {
        let mut answers = self.answers.lock();
        if answers.len() >= REMEMBERED {
            answers.retain(|_, answered| answered.at.elapsed() < FRESH);
        }
        if answers.len() < REMEMBERED || answers.contains_key(&device) {
            answers.insert(device, Answered { agent, target, online, at: Instant::now() });
        }
    }

    /// Forgets a device, because it is about to change.
    pub(super) fn forget(&self, device: i64) {
        self.answers.lock().remove(&device);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn target(address: &str) -> Target {
        Target { address: Some(address.parse().unwrap()), mac: None }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_reused_for_ten_seconds_and_for_the_same_question_only() {
        let recent = Recent::default();
        recent.keep(1, 7, target("192.0.2.1"), Online::Online);
        tokio::time::advance(FRESH - Duration::from_millis(1)).await;
        assert_eq!(recent.get(1, 7, &target("192.0.2.1")), Some(Online::Online));
        assert_eq!(recent.get(1, 8, &target("192.0.2.1")), None);
        assert_eq!(recent.get(1, 7, &target("192.0.2.2")), None);
        assert_eq!(recent.get(2, 7, &target("192.0.2.1")), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(recent.get(1, 7, &target("192.0.2.1")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_is_woken_is_forgotten() {
        let recent = Recent::default();
        recent.keep(1, 7, target("192.0.2.1"), Online::Offline);
        recent.forget(1);
        assert_eq!(recent.get(1, 7, &target("192.0.2.1")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded_and_makes_room_by_age() {
        let recent = Recent::default();
        for device in 0..20_000 {
            recent.keep(device, 7, target("192.0.2.1"), Online::Online);
        }
        assert_eq!(recent.answers.lock().len(), REMEMBERED);
        tokio::time::advance(FRESH).await;
        recent.keep(30_000, 7, target("192.0.2.1"), Online::Online);
        assert_eq!(recent.answers.lock().len(), 1);
    }
}
