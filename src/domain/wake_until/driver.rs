//! Drives a wake until online: chooses the agent, sends packets, looks, and stores each step before it counts.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use tracing::warn;

use super::plan::Progress;
use crate::clock::{Course, Millis};
use crate::commands::wakeup::{Payload, Wakeup};
use crate::control::{DispatchError, Requester};
use crate::domain::device_presence;
use crate::domain::device_questions::DeviceQuestions;
use crate::domain::look::{self, Sample, Seen};
use crate::domain::operation::Operations;
use crate::domain::operation::right::is_allowed;
use crate::domain::{device_agent, wake};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::device_presence::{DeviceState, why};
use crate::model::operation::{Operation, State, TrailEntry, Word, reason};
use crate::store::devices::WakeRow;
use crate::store::{Whose, device_agents, device_options, devices, operations};

/// How often a wake without an agent looks whether one is there.
const AGENT_EVERY: Duration = Duration::from_millis(500);
/// After how many of these looks it reads again which agents the device has.
const AGENT_LOOKS: u32 = 10;
/// How long until it is tried again to read or store.
const AGAIN: Duration = Duration::from_secs(1);
/// How long at most between two steps.
const LONGEST_PAUSE: Millis = 1000;

/// Goes on with what was under way when the server stopped.
///
/// # Errors
/// The database cannot be read.
pub async fn resume(host: &Arc<Host>) -> Result<()> {
    for operation in host.store.read(operations::live_wakes).await? {
        start(host, operation);
    }
    Ok(())
}

/// Drives an operation until its end.
pub fn start(host: &Arc<Host>, operation: Operation) {
    let host = host.clone();
    tokio::spawn(async move {
        let Some(device) = operation.device else { return };
        let id = operation.id;
        let progress = operation.progress.as_deref().and_then(|json| serde_json::from_str(json).ok());
        let created_at = operation.created_at;
        let mut driver = Driver {
            progress: progress.unwrap_or_default(),
            resumed: operation.state == State::Running,
            op: operation,
            // One that was made by a clock that was ahead goes on from there: it would be looked for until then.
            course: host.clock.course(host.clock.now().max(created_at)),
            host: host.clone(),
            device,
            trail: Vec::new(),
            last: None,
        };
        if let Err(e) = device_presence::begin(&host, device, DeviceState::Waking).await {
            warn!("the presence of the device {device} is not known: {e}");
        }
        let stop = host.shutdown.clone();
        tokio::select! {
            () = async {
                while let Err(e) = driver.drive().await {
                    warn!("the operation {id} goes on in a moment: {e}");
                    driver.read_again().await;
                }
            } => {}
            // It goes on after the restart.
            () = stop.cancelled() => {}
        }
        host.remembered.get(DeviceQuestions::default).forget_device(device);
        if let Err(e) = device_presence::end(&host, device, driver.last).await {
            warn!("the presence of the device {device} is not known: {e}");
        }
    });
}

struct Driver {
    host: Arc<Host>,
    /// The time that packets, looks and the end are due by: nobody sets it.
    course: Course,
    op: Operation,
    device: i64,
    progress: Progress,
    /// Whether the server was restarted meanwhile, which is still to be noted.
    resumed: bool,
    /// What is to be stored with the next step.
    trail: Vec<TrailEntry>,
    /// What the last look brought.
    last: Option<Sample>,
}

/// What a packet is sent with.
struct Stored {
    device: WakeRow,
    agents: Vec<i64>,
    payload: Payload,
}

impl Driver {
    fn now(&self) -> Millis {
        self.course.now()
    }

    fn note(&mut self, event: impl Into<Word>, message: impl Into<String>) -> &mut TrailEntry {
        self.trail.push(TrailEntry::new(self.host.clock.now(), event, message));
        let last = self.trail.len() - 1;
        &mut self.trail[last]
    }

    /// Takes up what is stored, after something could not be stored or read.
    async fn read_again(&mut self) {
        let id = self.op.id;
        loop {
            tokio::time::sleep(AGAIN).await;
            let Ok(stored) = self.host.store.read(move |db| operations::get(db, id)).await else { continue };
            self.trail.clear();
            match stored {
                Some(stored) => {
                    let progress =
                        stored.progress.as_deref().and_then(|json| serde_json::from_str(json).ok());
                    (self.progress, self.op) = (progress.unwrap_or_default(), stored);
                }
                // Nothing is left to drive.
                None => self.op.ended_at = Some(self.now()),
            }
            return;
        }
    }

    /// Stores how far it is. Answers whether it is still this one's to drive.
    async fn store(&mut self) -> Result<bool> {
        self.op.version += 1;
        self.op.progress = Some(serde_json::to_string(&self.progress).map_err(Error::internal)?);
        let (op, trail) = (self.op.clone(), std::mem::take(&mut self.trail));
        if !self.host.store.write(move |db| operations::change(db, &op, &trail)).await? {
            return Ok(false);
        }
        crate::domain::operation::publish(&self.host, std::slice::from_ref(&self.op));
        Ok(true)
    }

    async fn end(&mut self, state: State, why: Option<&'static str>, message: String) -> Result<()> {
        self.note(state.word(), message.clone());
        let now = self.host.clock.now();
        let op = &mut self.op;
        (op.state, op.reason, op.message, op.ended_at) = (state, why.map(Into::into), message, Some(now));
        self.store().await.map(drop)
    }

    /// What is stored of the device, if it may still be woken for whoever asked. Nothing if the operation is no longer
    /// this one's to drive: it was withdrawn.
    async fn stored(&self) -> Result<Option<std::result::Result<Stored, &'static str>>> {
        let (id, op, now) = (self.device, self.op.clone(), self.host.clock.now());
        let read = self.host.store.read(move |db| {
            if operations::get(db, op.id)?.is_none_or(|stored| stored.version != op.version) {
                return Ok(None);
            }
            let Some(device) = devices::to_wake(db, &Whose::Anyones.into(), id)? else {
                return Ok(Some(Err(reason::DEVICE_DELETED)));
            };
            if !is_allowed(db, &op, now)? {
                return Ok(Some(Err(reason::NOT_ALLOWED)));
            }
            let secure_on = if device.has_secure_on { device_options::secure_on(db, id)? } else { None };
            let secure_on = secure_on.and_then(|password| password.expose_secret().parse().ok());
            let payload = Payload { secure_on, ..wake::payload(&device)? };
            Ok(Some(Ok(Stored { agents: device_agents::of_device(db, id)?, device, payload })))
        });
        read.await
    }

    async fn drive(&mut self) -> Result<()> {
        if !self.op.is_live() {
            return Ok(());
        }
        if std::mem::take(&mut self.resumed) {
            self.note(reason::SERVER_RESTARTED, "The server was restarted; it goes on");
        }
        let withdrawn = Operations::of(&self.host).waiter(self.op.id);
        loop {
            // Before the look at what is stored, so that nothing in between is missed.
            let withdrawn = withdrawn.notified();
            tokio::pin!(withdrawn);
            withdrawn.as_mut().enable();
            let stored = match self.stored().await? {
                None => return Ok(()),
                Some(Ok(stored)) => stored,
                Some(Err(why)) => {
                    let message = "The device is gone, or whoever asked may no longer wake it";
                    return self.end(State::Canceled, Some(why), message.to_owned()).await;
                }
            };
            let agent = device_agent::first_online(&self.host.control, &stored.agents);
            let now = self.now();
            let Some(deadline) = self.progress.deadline else {
                match agent {
                    Some(agent) => {
                        if !self.begin(agent, &stored, now).await? {
                            return Ok(());
                        }
                    }
                    None if now >= self.op.deliver_by => {
                        let message = "None of its agents was connected in time: nothing was sent";
                        return self
                            .end(State::Expired, Some(reason::AGENT_OFFLINE), message.to_owned())
                            .await;
                    }
                    None => tokio::select! {
                        () = self.wait_for_agent(&stored.agents) => {}
                        () = withdrawn => {}
                    },
                }
                continue;
            };
            if now >= deadline {
                let (why, message) = self.progress.failure(agent.is_some());
                return self.end(State::Failed, Some(why), message.to_owned()).await;
            }
            self.choose(agent, &stored);
            let packet_due = self.progress.next_packet().is_none_or(|due| now >= due);
            if let Some(agent) = agent
                && packet_due
            {
                self.packet(agent, &stored.payload).await;
            }
            if now >= self.progress.next_look && self.look().await? {
                return Ok(());
            }
            if !self.trail.is_empty() && !self.store().await? {
                return Ok(());
            }
            let until = [deadline, self.progress.next_look, self.progress.next_packet().unwrap_or(deadline)];
            let pause = until.into_iter().min().unwrap_or(deadline) - self.now();
            let pause = u64::try_from(pause.clamp(10, LONGEST_PAUSE)).unwrap_or(10);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
                () = withdrawn => {}
            }
        }
    }

    /// Waits until one of these agents is connected, the time to send anything is over, or it is time to look at what is
    /// stored again: the device may have other agents by then. Nothing is read meanwhile, since very many may wait.
    async fn wait_for_agent(&self, agents: &[i64]) {
        for _ in 0..AGENT_LOOKS {
            tokio::time::sleep(AGENT_EVERY).await;
            let is_there = device_agent::first_online(&self.host.control, agents).is_some();
            if is_there || self.now() >= self.op.deliver_by {
                return;
            }
        }
    }

    /// An agent is there for the first time: the packet goes out at once, and it is looked whether the device is up
    /// already. Answers whether it is still this one's to drive.
    async fn begin(&mut self, agent: i64, stored: &Stored, now: Millis) -> Result<bool> {
        self.progress.deadline = Some(now + self.progress.timeout);
        self.op.state = State::Running;
        self.op.started_at = Some(now);
        "The device is being woken".clone_into(&mut self.op.message);
        self.op.agent = None;
        self.choose(Some(agent), stored);
        self.store().await
    }

    /// Notes that another agent sends from now on, or none.
    fn choose(&mut self, agent: Option<i64>, stored: &Stored) {
        if agent == self.op.agent {
            return;
        }
        self.op.agent = agent;
        let Some(agent) = agent else {
            self.note("agent_offline", "None of the device’s agents is connected");
            return;
        };
        let since = self.host.control.presence(agent).map(|presence| presence.since);
        let message = if agent == stored.device.agent_id {
            "The device’s agent sends"
        } else {
            "A fallback agent sends, because those before it are offline"
        };
        let data = json!({"agentID": agent, "onlineSince": since}).to_string();
        self.note("agent_chosen", message).data = Some(data);
    }

    async fn packet(&mut self, agent: i64, payload: &Payload) {
        let requester = self.op.maker.user.map_or(Requester::Operator, Requester::User);
        let now = self.now();
        self.progress.first_packet.get_or_insert(now);
        self.progress.packets += 1;
        self.op.attempts = 1;
        self.host.remembered.get(DeviceQuestions::default).forget_device(self.device);
        let sent = self.host.control.dispatch_for::<Wakeup>(requester, agent, payload).await;
        let number = self.progress.packets;
        match sent {
            Ok(reply) => {
                self.progress.sent = true;
                let entry = self.note("packet_sent", format!("Magic packet {number} was sent"));
                entry.said = Some(reply.message).filter(|said| !said.is_empty());
            }
            Err(error) => {
                let (message, said) = match error {
                    DispatchError::Failed(said) => ("the agent said no", Some(said.message)),
                    DispatchError::Offline | DispatchError::Disconnected => {
                        ("the agent’s connection was lost", None)
                    }
                    DispatchError::TimedOut => ("the agent did not answer", None),
                    DispatchError::Busy => ("the agent is busy", None),
                    _ => ("the agent answered nonsense", None),
                };
                let entry =
                    self.note("packet_failed", format!("Magic packet {number} was not sent: {message}"));
                entry.said = said;
            }
        }
    }

    /// Looks. Answers whether the device was seen, which ends it.
    async fn look(&mut self) -> Result<bool> {
        let Some(target) = look::target(&self.host, self.device).await? else { return Ok(false) };
        let requester = self.op.maker.user.map_or(Requester::Operator, Requester::User);
        let seen = look::look(&self.host, requester, &target).await;
        self.last = Some(seen.sample);
        let first = self.progress.looks == 0;
        self.progress.looks += 1;
        self.progress.next_look = self.now() + self.progress.pause();
        let online = matches!(seen.sample, Sample::Seen(_));
        if first {
            self.progress.was_online = Some(online);
        }
        let (why, message) = match seen.sample {
            Sample::Seen(_) => (why::SEEN, "Looked: it is up"),
            Sample::NotSeen(why::OTHER_DEVICE_ANSWERS) => {
                (why::OTHER_DEVICE_ANSWERS, "Looked: another device answers at its address")
            }
            Sample::NotSeen(why) => (why, "Looked: it does not answer"),
            Sample::CannotTell(why::AGENT_OFFLINE) => {
                (why::AGENT_OFFLINE, "Could not look: the agent is offline")
            }
            Sample::CannotTell(why) => (why, "Looked: the agent has no means of telling"),
        };
        self.progress.told |= !matches!(seen.sample, Sample::CannotTell(_));
        self.progress.last = Some(why.to_owned());
        self.note("looked", message).data = Some(self.evidence(&seen, why).to_string());
        let Sample::Seen(method) = seen.sample else { return Ok(false) };
        let after =
            self.now() - self.progress.first_packet.or(self.op.started_at).unwrap_or_else(|| self.now());
        self.op.evidence = Some(
            json!({"onlineAfterMs": after, "wasOnline": self.progress.was_online == Some(true),
                "agentID": seen.agent, "method": method, "address": seen.address, "mac": seen.mac,
                "port": seen.port, "packets": self.progress.packets})
            .to_string(),
        );
        let message = if first {
            "It was online already".to_owned()
        } else {
            format!("Online after {} s", after / 1000)
        };
        self.end(State::Succeeded, None, message).await?;
        Ok(true)
    }

    fn evidence(&self, seen: &Seen, why: &str) -> serde_json::Value {
        json!({"found": why, "agentID": seen.agent, "address": seen.address, "mac": seen.mac, "port": seen.port,
            "latencyMs": seen.latency})
    }
}
