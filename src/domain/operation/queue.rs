//! Works off the agents' queues, out of the database: what waits for an agent lines up for it as soon as it is connected,
//! in its order and beside what others ask of it directly.
//!
//! That something is sent is stored before it is sent, so that nothing is sent twice that may not be, whatever happens in
//! between. What stands in line is queued still, and can be withdrawn.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Operations;
use super::lines::LINE;
use super::machine::{Input, Reply};
use crate::control::{DispatchError, InLine, Requester};
use crate::domain::command_error::{agent_text, allow_it};
use crate::domain::{live, server_side, wake};
use crate::error::Result;
use crate::host::Host;
use crate::model::operation::{Operation, OperationKind, reason};
use crate::model::shutdown::Shutdown;
use crate::registry::CommandError;
use crate::store::operations;

/// Agents whose queues are read at once.
const AGENTS: usize = 32;
/// How long what found no place in line waits before it tries again.
const BUSY: Duration = Duration::from_millis(500);

/// Drives operations until `shutdown` begins: what was running when the server ended comes first.
pub async fn run(host: Arc<Host>, shutdown: Shutdown) {
    let operations = Operations::of(&host);
    let work = async {
        tokio::join!(
            operations.keep_ledger(&host),
            operations.keep_time(&host),
            operations.keep_records(&host),
            super::retention::keep(&host),
            operations.work_off(&host),
        );
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
    operations.write_records(&host).await;
}

impl Operations {
    async fn work_off(self: &Arc<Self>, host: &Arc<Host>) {
        while let Err(e) = self.resume(host).await {
            tracing::warn!("Operations are not worked off yet: {e}");
            sleep(Duration::from_secs(1)).await;
        }
        loop {
            self.stirred.notified().await;
            loop {
                let agents = self.ready.take(AGENTS);
                if agents.is_empty() {
                    break;
                }
                if let Err(e) = self.line_up(host, agents.clone()).await {
                    tracing::warn!("The queues of {} agents could not be read: {e}", agents.len());
                    sleep(BUSY).await;
                    self.ready.extend(agents);
                }
            }
        }
    }

    /// Takes over what an earlier start left behind.
    async fn resume(self: &Arc<Self>, host: &Arc<Host>) -> Result<()> {
        let mut after = 0;
        loop {
            let running = host.store.read(move |db| operations::running(db, after)).await?;
            let Some(last) = running.last() else { break };
            after = last.id.key();
            let lost = running.into_iter().map(|one| (Arc::new(one), Input::Lost(reason::SERVER_RESTARTED)));
            self.step_all(host, lost.collect()).await?;
        }
        let agents = host.store.read_long(0, operations::agents_with_live).await?;
        self.backlog.lock().extend(&agents);
        let stand_ins = host.store.read_long(0, operations::stand_ins).await?;
        self.stand_ins.lock().extend(&stand_ins);
        let online = agents.into_iter().chain(stand_ins).filter(|agent| host.control.is_online(*agent));
        self.ready.extend(online);
        self.stirred.notify_one();
        Ok(())
    }

    /// Has what waits for some agents line up.
    async fn line_up(self: &Arc<Self>, host: &Arc<Host>, agents: Vec<i64>) -> Result<()> {
        let online: Vec<_> = agents.into_iter().filter(|agent| host.control.is_online(*agent)).collect();
        if online.is_empty() {
            return Ok(());
        }
        let now = host.clock.now();
        let stand_ins: Vec<_> = {
            let all = self.stand_ins.lock();
            online.iter().copied().filter(|agent| all.contains(agent)).collect()
        };
        for agent in stand_ins {
            self.stand_in(host, agent, now).await?;
        }
        // Taken out first: what is queued from now on puts it back.
        {
            let mut backlog = self.backlog.lock();
            backlog.retain(|agent| !online.contains(agent));
        }
        let read = host.store.read(move |db| {
            let queue = |agent| Ok((agent, operations::queue(db, agent, now, LINE as i64)?));
            let queues = online.into_iter().map(queue).collect::<Result<Vec<_>>>()?;
            let more = queues.iter().map(|(agent, _)| operations::live_of_agent(db, *agent));
            Ok((more.collect::<Result<Vec<_>>>()?, queues))
        });
        let (live, queues) = read.await?;
        for ((agent, queue), live) in queues.into_iter().zip(live) {
            if live > 0 {
                self.backlog.lock().insert(agent);
            }
            let found = queue.len();
            for operation in queue.into_iter().map(Arc::new) {
                if !self.lines.enter(agent, operation.id) {
                    continue;
                }
                self.lines.found(agent, found);
                let Some(entry) = host.registry.get(&operation.command) else {
                    self.lines.leave(agent, operation.id);
                    let gone = "This server has no such command any more: it was not sent";
                    self.step(
                        operation,
                        Input::Impossible(reason::COMMAND_NOT_SUPPORTED.into(), gone.into()),
                    )
                    .await?;
                    continue;
                };
                let id = operation.id;
                match host.control.line_up(Requester::Queue, agent, entry) {
                    Ok(line) => {
                        let attempt = attempt(self.clone(), host.clone(), agent, line, operation);
                        tokio::spawn(attempt);
                    }
                    Err(error @ (DispatchError::Unsupported | DispatchError::TooLong)) => {
                        self.lines.leave(agent, id);
                        let lacks = if error == DispatchError::TooLong {
                            "A microcontroller runs no long commands: it was not sent".into()
                        } else if entry.opt_in {
                            let allow = allow_it(entry.name);
                            format!("The agent does not allow this command: it was not sent; {allow}").into()
                        } else {
                            "The agent does not have this command: it was not sent".into()
                        };
                        self.step(operation, Input::Impossible(reason::COMMAND_NOT_SUPPORTED.into(), lacks))
                            .await?;
                    }
                    Err(error) => {
                        self.lines.leave(agent, id);
                        if error != DispatchError::Offline {
                            self.look_later(agent);
                        }
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Has an agent take over what waits for others of a device's agents, which are offline.
    async fn stand_in(self: &Arc<Self>, host: &Arc<Host>, agent: i64, now: i64) -> Result<()> {
        // Taken out first: what is made from now on puts it back.
        self.stand_ins.lock().remove(&agent);
        let read = host.store.read(move |db| operations::wakes_of_others(db, agent, now, LINE as i64));
        let found = read.await.inspect_err(|_| {
            self.stand_ins.lock().insert(agent);
        })?;
        if found.is_empty() {
            return Ok(());
        }
        // Another of these agents may go offline in its turn.
        self.stand_ins.lock().insert(agent);
        let waiting =
            found.into_iter().filter(|one| !one.agent.is_some_and(|other| host.control.is_online(other)));
        let mut left = Vec::new();
        for operation in waiting {
            left.extend(operation.agent);
            self.step(Arc::new(operation), Input::Chosen(agent)).await?;
        }
        // Should this one go offline in its turn.
        self.stand_ins.lock().extend(left);
        Ok(())
    }

    fn look_later(self: &Arc<Self>, agent: i64) {
        let operations = self.clone();
        tokio::spawn(async move {
            sleep(BUSY).await;
            operations.look_at(agent);
        });
    }
}

/// Waits for an operation's turn, sends it and stores what becomes of it.
async fn attempt(
    operations: Arc<Operations>,
    host: Arc<Host>,
    agent: i64,
    line: InLine,
    operation: Arc<Operation>,
) {
    let id = operation.id;
    let attempted = send(&operations, &host, agent, line, operation).await;
    let may_wait = operations.lines.leave(agent, id);
    match attempted {
        // A database that refuses is not asked again at once.
        Err(_) => operations.look_later(agent),
        // It waits again itself.
        Ok(Attempted::InVain) => operations.look_at(agent),
        Ok(Attempted::Done | Attempted::TimedOut(_)) if may_wait => operations.look_at(agent),
        Ok(_) => {}
    }
    if let Ok(Attempted::TimedOut(timed_out)) = attempted {
        let (sent, operation) = *timed_out;
        // That it ended, as it was asked to, tells no more of what was done by then.
        let ended = |reply: &std::result::Result<_, DispatchError>| matches!(reply, Err(DispatchError::Failed(said)) if said.is_canceled());
        if let Some(reply) = sent.late().await.filter(|reply| !ended(reply)) {
            store(&host, &operations, operation, Input::Answered(reply_of(reply))).await;
        }
    }
}

/// What came of an attempt.
enum Attempted {
    /// The operation has ended, or is no longer this one's to send.
    Done,
    /// It was not sent, or nobody knows whether it was done.
    InVain,
    /// It was sent and not answered in time: the answer may still come.
    TimedOut(Box<(crate::control::Sent, Arc<Operation>)>),
}

async fn send(
    operations: &Arc<Operations>,
    host: &Host,
    agent: i64,
    line: InLine,
    operation: Arc<Operation>,
) -> Result<Attempted> {
    let Ok(turn) = line.turn().await else { return Ok(Attempted::InVain) };
    let payload = match operation.kind {
        OperationKind::Command => operation.payload.clone(),
        OperationKind::Wake => match wake::payload_of(host, &operation, agent).await? {
            Ok(payload) => payload,
            Err((word, message)) => {
                let gone = if word == reason::DEVICE_DELETED {
                    Input::Refused(word.into(), message)
                } else {
                    Input::Impossible(word.into(), message.into())
                };
                operations.step(operation, gone).await?;
                return Ok(Attempted::Done);
            }
        },
    };
    let Some(running) = operations.step(operation, Input::Turn).await?.filter(|now| now.is_live()) else {
        return Ok(Attempted::Done);
    };
    let time = Duration::from_millis(u64::try_from(running.run_timeout).unwrap_or(0));
    let Ok(mut sent) = turn.send(payload, time) else {
        store(host, operations, running, Input::Unsent).await;
        return Ok(Attempted::InVain);
    };
    let canceler = sent.canceler().map(|canceler| operations.keep_canceler(running.id, canceler));
    let outcome = sent.outcome(|progress| live::progressed(host, &running, progress)).await;
    let outcome = match host.registry.get(&running.command) {
        Some(entry) if running.kind == OperationKind::Command => {
            server_side::after(host, agent, entry, outcome).await
        }
        _ => outcome,
    };
    if canceler.is_some() {
        operations.forget_canceler(running.id);
    }
    if host.shutdown.is_cancelled() && matches!(outcome, Err(DispatchError::Disconnected)) {
        // The next start finds it running.
        return Ok(Attempted::Done);
    }
    match outcome {
        Err(DispatchError::TimedOut) => {
            let now = store(host, operations, running, Input::TimedOut).await;
            Ok(now.map_or(Attempted::Done, |now| Attempted::TimedOut(Box::new((sent, now)))))
        }
        Err(DispatchError::Disconnected | DispatchError::Offline | DispatchError::Busy) => {
            store(host, operations, running, Input::Lost(reason::CONNECTION_LOST)).await;
            Ok(Attempted::InVain)
        }
        Err(DispatchError::Failed(said))
            if said.is_canceled() && canceler.is_some_and(|canceler| canceler.was_asked()) =>
        {
            store(host, operations, running, Input::Answered(Reply::Canceled)).await;
            Ok(Attempted::Done)
        }
        answered => {
            store(host, operations, running, Input::Answered(reply_of(answered))).await;
            Ok(Attempted::Done)
        }
    }
}

/// Stores what became of a command, which is known nowhere else: tried again until it is stored, or the server stops, after
/// which the next start finds the command running. Answers what the operation is now; none if that changes nothing.
async fn store(
    host: &Host,
    operations: &Operations,
    operation: Arc<Operation>,
    input: Input,
) -> Option<Arc<Operation>> {
    let mut wait = BUSY;
    loop {
        match operations.step(operation.clone(), input.clone()).await {
            Ok(stored) => return stored,
            Err(_) if host.shutdown.is_cancelled() => return None,
            Err(_) => {}
        }
        sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(10));
    }
}

pub(super) fn reply_of(outcome: std::result::Result<String, DispatchError>) -> Reply {
    match outcome {
        Ok(reply) => Reply::Done(reply),
        Err(DispatchError::Failed(CommandError { code, message })) => {
            Reply::No(agent_text(&message), code.map(Cow::into_owned))
        }
        Err(DispatchError::Unsupported) => Reply::Lacks,
        Err(_) => Reply::Nonsense,
    }
}
