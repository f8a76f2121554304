//! Drives a wake until online: chooses the agent, sends packets, looks, and stores each step before it counts.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;

use super::plan::Progress;
use crate::clock::Millis;
use crate::commands::wakeup::{Payload, Wakeup};
use crate::control::{AgentKind, DispatchError};
use crate::domain::device_questions::DeviceQuestions;
use crate::domain::driven::{Driven, Driver, to_the_end};
use crate::domain::look::{self, Sample, Seen};
use crate::domain::operation::Operations;
use crate::domain::operation::right::is_allowed;
use crate::domain::{device_agent, wake};
use crate::error::Result;
use crate::host::Host;
use crate::model::device_presence::{DeviceState, why};
use crate::model::operation::{Operation, State, reason};
use crate::store::devices::WakeRow;
use crate::store::{Whose, device_agents, device_options, devices, operations};

/// How often a wake without an agent looks whether one is there.
const AGENT_EVERY: Duration = Duration::from_millis(500);
/// After how many of these looks it reads again which agents the device has.
const AGENT_LOOKS: u32 = 10;
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
        let resumed = operation.state == State::Running;
        let mut driver = WakeDriver { driven: Driven::new(host, operation, device), resumed };
        driver.driven.show(DeviceState::Waking).await;
        to_the_end(&mut driver).await;
        driver.driven.show_last().await;
    });
}

struct WakeDriver {
    driven: Driven<Progress>,
    /// Whether the server was restarted meanwhile, which is still to be noted.
    resumed: bool,
}

/// What a packet is sent with.
struct Stored {
    device: WakeRow,
    agents: Vec<i64>,
    payload: Payload,
}

impl Driver for WakeDriver {
    type Progress = Progress;

    fn driven(&mut self) -> &mut Driven<Progress> {
        &mut self.driven
    }

    async fn drive(&mut self) -> Result<()> {
        if std::mem::take(&mut self.resumed) {
            self.driven.note(reason::SERVER_RESTARTED, "The server was restarted; it goes on");
        }
        let withdrawn = Operations::of(&self.driven.host).waiter(self.driven.op.id);
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
                    return self.driven.end(State::Canceled, Some(why), message.to_owned()).await;
                }
            };
            let agent = device_agent::first_online(&self.driven.host.control, &stored.agents);
            let now = self.driven.now();
            let Some(deadline) = self.driven.progress.deadline else {
                if now >= self.driven.op.deliver_by {
                    let message = "None of its agents was connected in time: nothing was sent";
                    let why = Some(reason::AGENT_OFFLINE);
                    return self.driven.end(State::Expired, why, message.to_owned()).await;
                }
                match agent {
                    Some(agent) => {
                        if !self.begin(agent, &stored, now).await? {
                            return Ok(());
                        }
                    }
                    None => tokio::select! {
                        () = self.wait_for_agent(&stored.agents) => {}
                        () = withdrawn => {}
                    },
                }
                continue;
            };
            if now >= deadline {
                let (why, message) = self.driven.progress.failure(agent.is_some());
                return self.driven.end(State::Failed, Some(why), message.to_owned()).await;
            }
            let progress = &self.driven.progress;
            // As long as none was sent, whoever comes next sends at once.
            let packet_due = progress.next_packet().is_none_or(|due| now >= due)
                || !progress.sent && agent != self.driven.op.agent;
            self.choose(agent, &stored);
            let look_due = now >= self.driven.progress.next_look;
            let (seen, is_there) = match agent.filter(|_| packet_due) {
                // Whether it is up already is asked before the packet, which waits for no answer. A microcontroller does one
                // thing at a time: there the packet comes first.
                Some(agent)
                    if look_due && self.driven.host.control.kind(agent) == Some(AgentKind::Server) =>
                {
                    let look = self.look().await?;
                    tokio::join!(look, self.packet(agent, &stored.payload))
                }
                Some(agent) => {
                    let is_there = self.packet(agent, &stored.payload).await;
                    (if look_due && is_there { self.look().await?.await } else { None }, is_there)
                }
                None if look_due => (self.look().await?.await, true),
                None => (None, true),
            };
            let is_up = seen.as_ref().is_some_and(|seen| matches!(seen.sample, Sample::Seen(_)));
            if !is_there && !is_up {
                continue;
            }
            if let Some(seen) = seen
                && self.looked(&seen, &stored).await?
            {
                return Ok(());
            }
            if !self.driven.trail.is_empty() && !self.driven.store().await? {
                return Ok(());
            }
            let until = [
                deadline,
                self.driven.progress.next_look,
                self.driven.progress.next_packet().unwrap_or(deadline),
            ];
            let pause = until.into_iter().min().unwrap_or(deadline) - self.driven.now();
            let pause = u64::try_from(pause.clamp(10, LONGEST_PAUSE)).unwrap_or(10);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
                () = withdrawn => {}
            }
        }
    }
}

impl WakeDriver {
    /// What is stored of the device, if it may still be woken for whoever asked. Nothing if the operation is no longer
    /// this one's to drive: it was withdrawn.
    async fn stored(&self) -> Result<Option<std::result::Result<Stored, &'static str>>> {
        let (id, op, now) = (self.driven.device, self.driven.op.clone(), self.driven.host.clock.now());
        let read = self.driven.host.store.read(move |db| {
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

    /// Waits until one of these agents is connected, the time to send anything is over, or it is time to look at what is
    /// stored again: the device may have other agents by then. Nothing is read meanwhile, since very many may wait.
    async fn wait_for_agent(&self, agents: &[i64]) {
        for _ in 0..AGENT_LOOKS {
            tokio::time::sleep(AGENT_EVERY).await;
            let is_there = device_agent::first_online(&self.driven.host.control, agents).is_some();
            if is_there || self.driven.now() >= self.driven.op.deliver_by {
                return;
            }
        }
    }

    /// An agent is there for the first time: the packet goes out at once, and it is looked whether the device is up
    /// already. Answers whether it is still this one's to drive.
    async fn begin(&mut self, agent: i64, stored: &Stored, now: Millis) -> Result<bool> {
        self.driven.progress.deadline = Some(now + self.driven.progress.timeout);
        self.driven.op.state = State::Running;
        self.driven.op.started_at = Some(self.driven.happens());
        "The device is being woken".clone_into(&mut self.driven.op.message);
        self.driven.op.agent = None;
        self.choose(Some(agent), stored);
        self.driven.store().await
    }

    /// Notes that another agent sends from now on, or none.
    fn choose(&mut self, agent: Option<i64>, stored: &Stored) {
        if agent == self.driven.op.agent {
            return;
        }
        self.driven.op.agent = agent;
        let Some(agent) = agent else {
            self.driven.note("agent_offline", "None of the device’s agents is connected");
            return;
        };
        let since = self.driven.host.control.presence(agent).map(|presence| presence.since);
        let message = if agent == stored.device.agent_id {
            "The device’s agent sends"
        } else {
            "A fallback agent sends, because those before it are offline"
        };
        let data = json!({"agentID": agent, "onlineSince": since}).to_string();
        self.driven.note("agent_chosen", message).data = Some(data);
    }

    /// Has an agent send a packet. Answers whether the agent is still there.
    async fn packet(&mut self, agent: i64, payload: &Payload) -> bool {
        let requester = self.driven.requester();
        let now = self.driven.now();
        self.driven.progress.packet_sent(now);
        self.driven.op.attempts = 1;
        self.driven.host.remembered.get(DeviceQuestions::default).forget_device(self.driven.device);
        let sent = self.driven.host.control.dispatch_for::<Wakeup>(requester, agent, payload).await;
        let number = self.driven.progress.packets;
        match sent {
            Ok(reply) => {
                self.driven.progress.sent = true;
                let entry = self.driven.note("packet_sent", format!("Magic packet {number} was sent"));
                entry.said = Some(reply.message).filter(|said| !said.is_empty());
                true
            }
            Err(error) => {
                let is_there = !matches!(error, DispatchError::Offline | DispatchError::Disconnected);
                let (message, said) = match error {
                    DispatchError::Failed(said) => ("the agent said no", Some(said.message)),
                    DispatchError::Offline | DispatchError::Disconnected => {
                        ("the agent’s connection was lost", None)
                    }
                    DispatchError::TimedOut => ("the agent did not answer", None),
                    DispatchError::Busy => ("the agent is busy", None),
                    DispatchError::Unsupported => ("the agent does not know how to", None),
                    _ => ("the agent answered nonsense", None),
                };
                let entry = self
                    .driven
                    .note("packet_failed", format!("Magic packet {number} was not sent: {message}"));
                entry.said = said;
                is_there
            }
        }
    }

    /// What looks; it finds nothing where the device is gone.
    async fn look(&self) -> Result<impl Future<Output = Option<Seen>> + use<>> {
        let (host, requester) = (self.driven.host.clone(), self.driven.requester());
        let target = look::target(&host, self.driven.device).await?;
        Ok(async move { Some(look::look(&host, requester, &target?).await) })
    }

    /// Takes in what a look found. Answers whether the device was seen, which ends it.
    async fn looked(&mut self, seen: &Seen, stored: &Stored) -> Result<bool> {
        // The one that sends may have gone meanwhile, and another have looked.
        self.choose(device_agent::first_online(&self.driven.host.control, &stored.agents), stored);
        self.driven.saw(seen.sample);
        let first = self.driven.progress.looks == 0;
        self.driven.progress.looks += 1;
        self.driven.progress.next_look = self.driven.now() + self.driven.progress.pause();
        let online = matches!(seen.sample, Sample::Seen(_));
        if first {
            self.driven.progress.was_online = Some(online);
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
        self.driven.progress.could_tell |= !matches!(seen.sample, Sample::CannotTell(_));
        self.driven.progress.last = Some(why.to_owned());
        self.driven.note("looked", message).data = Some(self.evidence(seen, why).to_string());
        let Sample::Seen(method) = seen.sample else { return Ok(false) };
        // One that is seen before the first packet was up already.
        let after = self.driven.progress.first_packet.map_or(0, |first| self.driven.now() - first);
        self.driven.op.evidence = Some(
            json!({"onlineAfterMs": after, "wasOnline": self.driven.progress.was_online == Some(true),
                "agentID": seen.agent, "method": method, "address": seen.address, "mac": seen.mac,
                "port": seen.port, "packets": self.driven.progress.packets})
            .to_string(),
        );
        let message = if first {
            "It was online already".to_owned()
        } else {
            format!("Online after {} s", after / 1000)
        };
        self.driven.end(State::Succeeded, None, message).await?;
        Ok(true)
    }

    fn evidence(&self, seen: &Seen, why: &str) -> serde_json::Value {
        json!({"found": why, "agentID": seen.agent, "address": seen.address, "mac": seen.mac, "port": seen.port,
            "latencyMs": seen.latency})
    }
}
