//! What agents are asked about devices, and their answers of the last seconds.
//!
//! An agent that is to be asked has a queue here and one task that works it off, as wide as the agent's window: one
//! question at a time for a microcontroller, whose status check blocks it. Users take turns in it. A question lives on
//! when nobody waits for it any more, so that a slow agent's answers are there for whoever asks next. The same question
//! is never asked twice at a time, whoever wants to know. At its first silence all that is left for an agent is given up,
//! so that it costs one time-out however many devices it has.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::device_presence;
use super::look::Sample;
use crate::commands::get_status::{GetStatus, Payload};
use crate::control::{DispatchError, Requester};
use crate::host::Host;
use crate::registry::{MacAddress, Online, ProbeTarget};
use crate::store::devices::DeviceRow;

/// How long an answer may be reused.
const FRESH: Duration = Duration::from_secs(10);
/// How long an answer that came when nobody waited any more is kept for the next question.
const KEPT: Duration = Duration::from_secs(120);
/// How many answers are remembered, and how many questions may wait.
const REMEMBERED: usize = 10_000;

/// What a device is looked for by, in the order it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    address: Option<ProbeTarget>,
    mac: Option<MacAddress>,
}

impl Target {
    pub(super) fn of(device: &DeviceRow) -> Option<Self> {
        let address = device.address.as_deref().and_then(|address| address.parse().ok());
        let mac = device.mac_address.parse().ok();
        (address.is_some() || mac.is_some()).then_some(Self { address, mac })
    }

    /// The address and the MAC address, as far as they are known.
    pub(super) fn parts(&self) -> (Option<ProbeTarget>, Option<MacAddress>) {
        (self.address.clone(), self.mac)
    }
}

/// An answer about a device; none when it is not known and nobody asks any more.
pub(super) type Found = (i64, Option<Online>);

/// The devices one agent is to be asked about.
pub(super) struct AgentQuestions {
    pub(super) agent: i64,
    /// How many are asked at the same time.
    pub(super) width: usize,
    pub(super) devices: Vec<(i64, Target)>,
}

/// The questions of all agents and the answers of the last seconds.
#[derive(Default)]
pub(super) struct DeviceQuestions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: HashMap<i64, Answered>,
    /// The agents that are being asked.
    queues: HashMap<i64, Queue>,
    /// Counts the questions that were sent.
    serial: u64,
}

struct Answered {
    agent: i64,
    target: Target,
    online: Online,
    at: Instant,
    /// Whether anybody got it.
    passed_on: bool,
}

/// What one agent is asked and is still to be asked.
#[derive(Default)]
struct Queue {
    /// Whose questions about which devices wait, in the order in which users take turns. A device that is not in
    /// `waiting` any more was asked about in another's turn.
    turns: VecDeque<(Requester, VecDeque<i64>)>,
    waiting: HashMap<i64, Question>,
    asked: Vec<Asked>,
}

struct Question {
    target: Target,
    waiters: Vec<UnboundedSender<Found>>,
}

struct Asked {
    serial: u64,
    device: i64,
    question: Question,
    /// Whether the device was woken since: then the answer is of before, and nobody else's.
    stale: bool,
}

impl Question {
    /// Passes the answer on to everyone who waits; whether there was anyone.
    fn answer(self, device: i64, online: Option<Online>) -> bool {
        self.waiters.into_iter().fold(false, |any, waiter| any | waiter.send((device, online)).is_ok())
    }
}

impl Queue {
    /// Lets `found` wait for the answer about a device, which is asked unless it is already. Who asks for a `single`
    /// device comes first of what its user asks.
    fn add(
        &mut self,
        requester: Requester,
        (device, target): (i64, Target),
        single: bool,
        found: UnboundedSender<Found>,
    ) {
        let under_way = self
            .asked
            .iter_mut()
            .find(|asked| asked.device == device && asked.question.target == target && !asked.stale);
        if let Some(asked) = under_way {
            return asked.question.waiters.push(found);
        }
        let is_new = !self.waiting.contains_key(&device);
        let question = self
            .waiting
            .entry(device)
            .or_insert_with(|| Question { target: target.clone(), waiters: Vec::new() });
        question.target = target;
        question.waiters.retain(|waiter| !waiter.is_closed());
        question.waiters.push(found);
        if !is_new && !single {
            return;
        }
        let at = self.turns.iter().position(|(other, _)| *other == requester);
        let at = at.unwrap_or_else(|| {
            self.turns.push_back((requester, VecDeque::new()));
            self.turns.len() - 1
        });
        let devices = &mut self.turns[at].1;
        if single {
            devices.retain(|&other| other != device);
            devices.push_front(device);
        } else {
            devices.push_back(device);
        }
    }

    /// The next question, in whose turn it is.
    fn next(&mut self) -> Option<(Requester, i64, Question)> {
        while let Some((requester, mut devices)) = self.turns.pop_front() {
            while let Some(device) = devices.pop_front() {
                if let Some(question) = self.waiting.remove(&device) {
                    if !devices.is_empty() {
                        self.turns.push_back((requester, devices));
                    }
                    return Some((requester, device, question));
                }
            }
        }
        None
    }

    /// Gives up what was not asked yet.
    fn give_up(&mut self) {
        self.turns.clear();
        for (device, question) in self.waiting.drain() {
            question.answer(device, None);
        }
    }
}

impl DeviceQuestions {
    /// What is known of a device.
    pub(super) fn known(&self, device: i64, agent: i64, target: &Target) -> Option<Online> {
        let mut state = self.state.lock();
        let answered = state.answers.get_mut(&device)?;
        let good = answered.agent == agent && answered.target == *target && answered.is_good();
        answered.passed_on |= good;
        good.then_some(answered.online)
    }

    /// Has an agent asked about devices, for whoever asks. An answer for each of them, or none, comes through `found`.
    pub(super) fn ask(
        self: &Arc<Self>,
        host: &Arc<Host>,
        requester: Requester,
        asked: AgentQuestions,
        found: &UnboundedSender<Found>,
    ) {
        let AgentQuestions { agent, width, devices } = asked;
        let single = devices.len() == 1;
        let mut state = self.state.lock();
        let mut room =
            REMEMBERED.saturating_sub(state.queues.values().map(|queue| queue.waiting.len()).sum());
        let is_new = !state.queues.contains_key(&agent);
        let queue = state.queues.entry(agent).or_default();
        for (device, target) in devices {
            let before = queue.waiting.len();
            if room == 0 && !queue.waiting.contains_key(&device) {
                // Too much is asked at once: whoever waits is not kept waiting for nothing.
                let _ = found.send((device, None));
                continue;
            }
            queue.add(requester, (device, target), single, found.clone());
            room -= (queue.waiting.len() - before).min(room);
        }
        if is_new {
            tokio::spawn(work_off(
                Worker { questions: self.clone(), agent, done: false },
                host.clone(),
                width,
            ));
        }
    }

    /// Forgets a device, whichever agent is asked about it: answers that are under way no longer count.
    pub(super) fn forget_device(&self, device: i64) {
        let mut state = self.state.lock();
        state.answers.remove(&device);
        let asked = state.queues.values_mut().flat_map(|queue| &mut queue.asked);
        asked.filter(|asked| asked.device == device).for_each(|asked| asked.stale = true);
    }

    /// The next question to send to an agent, under a number of its own.
    fn next(&self, agent: i64) -> Option<(u64, Requester, Target)> {
        let state = &mut *self.state.lock();
        let queue = state.queues.get_mut(&agent)?;
        let (requester, device, question) = queue.next()?;
        state.serial += 1;
        let (serial, target) = (state.serial, question.target.clone());
        queue.asked.push(Asked { serial, device, question, stale: false });
        Some((serial, requester, target))
    }

    /// A question was answered, or will not be. Answers about which device it was, unless that has been woken since.
    fn answered(&self, agent: i64, serial: u64, online: Option<Online>) -> Option<i64> {
        let state = &mut *self.state.lock();
        let queue = state.queues.get_mut(&agent)?;
        let at = queue.asked.iter().position(|asked| asked.serial == serial)?;
        let Asked { device, question, stale, .. } = queue.asked.swap_remove(at);
        let target = question.target.clone();
        let passed_on = question.answer(device, online);
        if let (Some(online), false) = (online, stale) {
            state.keep(device, Answered { agent, target, online, at: Instant::now(), passed_on });
        }
        (!stale).then_some(device)
    }

    /// An agent fell silent: what is still to be asked of it is given up.
    fn give_up(&self, agent: i64) {
        if let Some(queue) = self.state.lock().queues.get_mut(&agent) {
            queue.give_up();
        }
    }

    /// Lets go of an agent that was asked everything; false if there is more.
    fn finish(&self, agent: i64) -> bool {
        let mut state = self.state.lock();
        let more = state.queues.get(&agent).is_some_and(|queue| !queue.waiting.is_empty());
        if !more {
            state.queues.remove(&agent);
        }
        !more
    }
}

impl Answered {
    fn is_good(&self) -> bool {
        self.at.elapsed() < if self.passed_on { FRESH } else { KEPT }
    }
}

impl State {
    fn keep(&mut self, device: i64, answered: Answered) {
        if self.answers.len() >= REMEMBERED {
            self.answers.retain(|_, answered| answered.is_good());
        }
        if self.answers.len() < REMEMBERED || self.answers.contains_key(&device) {
            self.answers.insert(device, answered);
        }
    }
}

/// The task that asks one agent. However it ends, nobody waits for it in vain.
struct Worker {
    questions: Arc<DeviceQuestions>,
    agent: i64,
    done: bool,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.done
            && let Some(mut queue) = self.questions.state.lock().queues.remove(&self.agent)
        {
            queue.give_up();
        }
    }
}

async fn work_off(mut worker: Worker, host: Arc<Host>, width: usize) {
    let agent = worker.agent;
    let mut asking = JoinSet::new();
    loop {
        while asking.len() < width
            && let Some((serial, requester, target)) = worker.questions.next(agent)
        {
            let host = host.clone();
            asking.spawn(async move { (serial, ask(&host, requester, agent, &target).await) });
        }
        match asking.join_next().await {
            Some(Ok((serial, Ok(online)))) => {
                if let Some(device) = worker.questions.answered(agent, serial, Some(online)) {
                    device_presence::note(&host, device, Sample::of(online)).await;
                }
            }
            // The agent said no to this one: the others may fare better.
            Some(Ok((serial, Err(DispatchError::Failed(_) | DispatchError::BadReply(_))))) => {
                worker.questions.answered(agent, serial, None);
            }
            Some(Ok((serial, Err(_)))) => {
                worker.questions.answered(agent, serial, None);
                worker.questions.give_up(agent);
            }
            Some(Err(_)) => return,
            None if worker.questions.finish(agent) => {
                worker.done = true;
                return;
            }
            None => {}
        }
    }
}

/// Asks an agent about one device: by its address and, if the agent refuses that, by its MAC address.
pub(super) async fn ask(
    host: &Host,
    requester: Requester,
    agent: i64,
    target: &Target,
) -> Result<Online, DispatchError> {
    let mut answer = Err(DispatchError::Payload("the device has no address".to_owned()));
    let by_mac = target.mac.map(ProbeTarget::Mac);
    for address in target.address.iter().chain(&by_mac) {
        answer = host
            .control
            .dispatch_for::<GetStatus>(requester, agent, &question(address, target.mac))
            .await
            .map(|reply| reply.online);
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

#[cfg(test)]
mod tests;
