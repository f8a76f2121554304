//! Drives a power command until the device is offline: waits for the agent on the device, has it done, and looks.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::plan::{Gone, Progress};
use crate::clock::Millis;
use crate::control::{DispatchError, Requester};
use crate::domain::command_error::agent_text;
use crate::domain::driven::{Driven, Driver, to_the_end};
use crate::domain::look::{self, Sample, Target};
use crate::domain::operation::Operations;
use crate::domain::operation::machine::NO_TURN;
use crate::domain::operation::right::is_allowed;
use crate::domain::power::{self, Power};
use crate::error::Result;
use crate::host::Host;
use crate::model::device_presence::{DeviceState, why};
use crate::model::operation::{Operation, State, reason};
use crate::registry::Delayed;
use crate::store::{Whose, devices, operations};

/// How often one that waits looks whether its agent is there.
const AGENT_EVERY: Duration = Duration::from_millis(500);
/// An agent of which nothing was heard for so long is not there, though its connection may be: two pings were not answered.
const SILENT: Duration = Duration::from_secs(45);
/// For how long after a restart of the server a missing agent proves nothing: it may be on its way back.
const COMING_BACK: Millis = 30_000;

/// Goes on with what was under way when the server stopped.
///
/// # Errors
/// The database cannot be read.
pub async fn resume(host: &Arc<Host>) -> Result<()> {
    for operation in host.store.read(operations::live_power).await? {
        start(host, operation);
    }
    Ok(())
}

/// Drives an operation until its end.
pub fn start(host: &Arc<Host>, operation: Operation) {
    let host = host.clone();
    tokio::spawn(async move {
        let (Some(device), Some(agent)) = (operation.device, operation.agent) else { return };
        let driven = Driven::new(host, operation, device);
        let mut driver = PowerDriver { driven, agent, stopping: false, absence_counts: 0 };
        to_the_end(&mut driver).await;
        if driver.stopping {
            driver.driven.show_last().await;
        }
    });
}

struct PowerDriver {
    driven: Driven<Progress>,
    agent: i64,
    /// Whether the device is shown as stopping.
    stopping: bool,
    /// From when on it proves anything that the agent is not connected.
    absence_counts: Millis,
}

/// Whether it may be sent.
enum May {
    Yes,
    /// It is no longer this one's to drive: it was withdrawn.
    Withdrawn,
    No(&'static str, &'static str),
}

impl Driver for PowerDriver {
    type Progress = Progress;

    fn driven(&mut self) -> &mut Driven<Progress> {
        &mut self.driven
    }

    async fn drive(&mut self) -> Result<()> {
        if self.driven.progress.sent.is_none() {
            return match self.wait_and_send().await? {
                true => self.look_on().await,
                false => Ok(()),
            };
        }
        if !self.stopping {
            self.driven.note(reason::SERVER_RESTARTED, "The server was restarted; it goes on looking");
            self.absence_counts = self.driven.now() + COMING_BACK;
            self.driven.progress.deadline =
                self.driven.progress.deadline.max(self.absence_counts + self.driven.progress.timeout);
        }
        self.show_stopping().await;
        self.look_on().await
    }
}

impl PowerDriver {
    async fn show_stopping(&mut self) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.driven.show(DeviceState::Stopping).await;
        }
    }

    /// Whether it may still be sent.
    async fn may(&self) -> Result<May> {
        let (id, agent, op) = (self.driven.device, self.agent, self.driven.op.clone());
        let now = self.driven.host.clock.now();
        let read = self.driven.host.store.read(move |db| {
            if operations::get(db, op.id)?.is_none_or(|stored| stored.version != op.version) {
                return Ok(May::Withdrawn);
            }
            let Some(device) = devices::get(db, &Whose::Anyones.into(), id)? else {
                return Ok(May::No(reason::DEVICE_DELETED, "Its device was deleted"));
            };
            if power::runs_on(db, &device)? != Some(agent) {
                return Ok(May::No(
                    reason::DEVICE_CHANGED,
                    "Another agent runs on the device now, or none: it was not sent",
                ));
            }
            if !is_allowed(db, &op, now)? {
                let message = "Whoever asked for this may no longer do so: it was not sent";
                return Ok(May::No(reason::NOT_ALLOWED, message));
            }
            Ok(May::Yes)
        });
        read.await
    }

    /// Waits for the agent and for its turn, and has it done. Answers whether it was sent, and is to be looked for.
    async fn wait_and_send(&mut self) -> Result<bool> {
        let withdrawn = Operations::of(&self.driven.host).waiter(self.driven.op.id);
        let Some(entry) = self.driven.host.registry.get(&self.driven.op.command) else {
            let message = "This server has no such command any more: it was not sent";
            self.driven.end(State::Failed, Some(reason::COMMAND_NOT_SUPPORTED), message.to_owned()).await?;
            return Ok(false);
        };
        loop {
            let withdrawn = withdrawn.notified();
            tokio::pin!(withdrawn);
            withdrawn.as_mut().enable();
            if self.is_too_late() {
                let (why, message) = if self.driven.host.control.is_online(self.agent) {
                    (reason::AGENT_BUSY, NO_TURN)
                } else {
                    let message = "The agent on the device was not connected in time: it was never sent";
                    (reason::AGENT_OFFLINE, message)
                };
                self.driven.end(State::Expired, Some(why), message.to_owned()).await?;
                return Ok(false);
            }
            match self.may().await? {
                May::Yes => {}
                May::Withdrawn => return Ok(false),
                May::No(why, message) => {
                    self.driven.end(State::Canceled, Some(why), message.to_owned()).await?;
                    return Ok(false);
                }
            }
            let line = match self.driven.host.control.line_up(Requester::Queue, self.agent, entry) {
                Ok(line) => line,
                Err(DispatchError::Unsupported | DispatchError::TooLong) => {
                    let message = power::not_allowed(&self.driven.op.command);
                    self.driven.end(State::Failed, Some(reason::COMMAND_NOT_SUPPORTED), message).await?;
                    return Ok(false);
                }
                Err(_) => {
                    tokio::select! {
                        () = self.wait_for_agent() => {}
                        () = withdrawn => {}
                    }
                    continue;
                }
            };
            let turn = tokio::select! {
                turn = line.turn() => turn,
                () = withdrawn => continue,
                () = self.too_late() => continue,
            };
            let Ok(turn) = turn else { continue };
            // Its turn may have come long after.
            if !matches!(self.may().await?, May::Yes) || self.is_too_late() {
                continue;
            }
            let now = self.driven.now();
            self.driven.progress.sent = Some(now);
            self.driven.progress.begin(now);
            let at = self.driven.happens();
            let op = &mut self.driven.op;
            (op.state, op.attempts, op.started_at) = (State::Running, 1, Some(at));
            "It was sent, and its answer is waited for".clone_into(&mut op.message);
            self.driven.note("sent", "Sent");
            if !self.driven.store().await? {
                return Ok(false);
            }
            let delay = u32::try_from(self.driven.progress.delay / 1000).unwrap_or(Delayed::LONGEST);
            let payload = json!({"delaySeconds": delay}).to_string();
            let time = Duration::from_millis(u64::try_from(self.driven.op.run_timeout).unwrap_or(0));
            let Ok(mut sent) = turn.send(payload, time) else {
                if !self.unsent().await? {
                    return Ok(false);
                }
                continue;
            };
            self.show_stopping().await;
            let outcome = sent.outcome(|_| {}).await;
            return self.answered(outcome).await;
        }
    }

    /// The connection ended before it was written: it waits again. Answers whether it is still this one's to drive.
    async fn unsent(&mut self) -> Result<bool> {
        self.driven.progress.sent = None;
        let op = &mut self.driven.op;
        (op.state, op.attempts, op.started_at) = (State::Queued, 0, None);
        "The agent went offline before it was sent: it waits for the agent".clone_into(&mut op.message);
        self.driven.note("not_sent", "The agent went offline before it was sent");
        self.driven.store().await
    }

    async fn wait_for_agent(&self) {
        for _ in 0..10 {
            tokio::time::sleep(AGENT_EVERY).await;
            if self.driven.host.control.is_online(self.agent) || self.is_too_late() {
                return;
            }
        }
    }

    /// Whether the time to send it is over.
    fn is_too_late(&self) -> bool {
        self.driven.now() >= self.driven.op.deliver_by
    }

    /// Waits until the time to send it is over.
    async fn too_late(&self) {
        while !self.is_too_late() {
            tokio::time::sleep(AGENT_EVERY).await;
        }
    }

    /// Takes in what the agent answered. Answers whether the device is to be looked for.
    async fn answered(&mut self, outcome: std::result::Result<String, DispatchError>) -> Result<bool> {
        let (state, why, message) = match outcome {
            Ok(reply) => {
                self.driven.progress.answered = true;
                self.driven.progress.begin(self.driven.now());
                self.driven.op.result = Some(reply);
                "The agent does it, and the server looks until the device is gone"
                    .clone_into(&mut self.driven.op.message);
                self.driven.note("answered", "The agent answered that it does it");
                return self.driven.store().await;
            }
            Err(DispatchError::Failed(said)) => {
                let said = agent_text(&said.message);
                self.driven.op.said = Some(said.clone()).filter(|said| !said.is_empty());
                self.driven.note("refused", "The agent answered that it could not do it").said =
                    self.driven.op.said.clone();
                (State::Failed, reason::COMMAND_FAILED, "The agent answered that it could not do it")
            }
            Err(DispatchError::Unsupported) => {
                let message = power::not_allowed(&self.driven.op.command);
                self.driven.end(State::Failed, Some(reason::COMMAND_NOT_SUPPORTED), message).await?;
                return Ok(false);
            }
            Err(DispatchError::BadReply(_)) => (
                State::Failed,
                reason::BAD_REPLY,
                "The agent answered something that is no reply to this command; its version may not fit this server",
            ),
            // It may go down before it can say so.
            Err(error) => {
                let (event, message) = match error {
                    DispatchError::TimedOut => ("agent_timeout", "The agent did not answer in time"),
                    _ => ("connection_lost", "The connection to the agent was lost before it answered"),
                };
                self.driven.note(event, format!("{message}: the server looks whether the device goes"));
                return self.driven.store().await;
            }
        };
        self.driven.end(state, Some(why), message.to_owned()).await?;
        Ok(false)
    }

    /// Looks until the device is gone or the time is over.
    async fn look_on(&mut self) -> Result<()> {
        loop {
            let wait = self.driven.progress.due - self.driven.now();
            tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(0))).await;
            let Some(target) = self.target().await? else {
                let message =
                    "The device was deleted or has another agent now; what was sent may have been done";
                return self
                    .driven
                    .end(State::TimedOut, Some(reason::DEVICE_CHANGED), message.to_owned())
                    .await;
            };
            let connected = self.is_there();
            if connected {
                self.absence_counts = 0;
            }
            let requester = self.driven.requester();
            // A connection from which nothing comes any more proves nothing.
            let target = if connected { target } else { target.without_host_agent() };
            let seen = look::look(&self.driven.host, requester, &target).await;
            // Before the look and after it: it may have come back meanwhile.
            let connected = connected || self.is_there();
            let gone = self
                .driven
                .progress
                .take(seen.sample, !connected && self.driven.now() >= self.absence_counts);
            self.driven.saw(seen.sample);
            let (found, answers) = match seen.sample {
                Sample::Seen(_) => (why::SEEN, "it is up"),
                Sample::NotSeen(why) => (why, "it does not answer"),
                Sample::CannotTell(why) => (why, "nobody else can tell"),
            };
            let its_agent = if connected { "connected" } else { "gone" };
            let message = format!("Looked: {answers}, and its agent is {its_agent}");
            self.driven.note("looked", message).data =
                Some(json!({"found": found, "agentID": seen.agent}).to_string());
            if let Some(gone) = gone.or_else(|| self.has_restarted(connected)) {
                return self.gone(gone, seen.agent).await;
            }
            if self.driven.now() >= self.driven.progress.deadline {
                let (why, message) = self.driven.progress.failure();
                return self.driven.end(State::Failed, Some(why), message).await;
            }
            if !self.driven.store().await? {
                return Ok(());
            }
            let pause =
                self.driven.progress.pause().min(self.driven.progress.deadline - self.driven.now()).max(10);
            tokio::time::sleep(Duration::from_millis(u64::try_from(pause).unwrap_or(10))).await;
        }
    }

    /// Whether the agent on the device is connected and not silent: a device that is put to sleep, or loses its power, closes
    /// no connection.
    fn is_there(&self) -> bool {
        self.driven.host.control.was_heard_within(self.agent, SILENT)
    }

    /// What the device is looked for by; none where it is gone, or no longer this agent's.
    async fn target(&self) -> Result<Option<Target>> {
        let (id, agent) = (self.driven.device, self.agent);
        let read = self.driven.host.store.read(move |db| {
            let Some(device) = devices::get(db, &Whose::Anyones.into(), id)? else { return Ok(None) };
            if power::runs_on(db, &device)? != Some(agent) {
                return Ok(None);
            }
            look::target_of(db, &device).map(Some)
        });
        read.await
    }

    async fn gone(&mut self, gone: Gone, looked: Option<i64>) -> Result<()> {
        let after = self.driven.now() - self.driven.progress.sent.unwrap_or(self.driven.op.created_at);
        let seconds = after / 1000;
        let (method, agent, message) = match gone {
            Gone::NotSeen => ("not_seen", looked, format!("Offline after {seconds} s")),
            Gone::Disconnected => ("host_agent", Some(self.agent), format!("Offline after {seconds} s")),
            Gone::Restarted => {
                ("host_agent", Some(self.agent), format!("Restarted: its agent was back after {seconds} s"))
            }
        };
        if gone != Gone::Restarted {
            // Whatever the last look said.
            self.driven.knows(Sample::NotSeen(why::NOT_SEEN));
        }
        let evidence = json!({"offlineAfterMs": after, "method": method, "agentID": agent});
        self.driven.op.evidence = Some(evidence.to_string());
        self.driven.end(State::Succeeded, None, message).await
    }

    /// A device that restarts may be back before two looks missed it: then its agent has connected anew.
    fn has_restarted(&self, connected: bool) -> Option<Gone> {
        let since = self.driven.host.control.connected_at(self.agent)?;
        let restarts =
            self.driven.op.command == Power::Reboot.command() && self.driven.progress.answered && connected;
        (restarts && since > self.driven.progress.due).then_some(Gone::Restarted)
    }
}
