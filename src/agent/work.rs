//! One command at work: it runs on a task of its own, is bounded in time, says how far it is, ends when it is canceled,
//! and is answered whatever becomes of it.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::chatter::{Chatter, Kind};
use super::runner::Out;
use crate::registry::{
    AgentContext, COMMAND_PANICKED, COMMAND_TIMED_OUT, CommandEntry, CommandError, LARGEST_PROGRESS,
    LARGEST_REPLY, PROGRESS, Progress, REPLY_TOO_LARGE, Running, failure_reply, watched,
};

/// How long a command that looks itself whether it was canceled may take to end; and how long it is waited for that one
/// which was dropped is gone.
const GRACE: Duration = Duration::from_secs(2);
/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// A command that is to be run.
pub(super) struct Work {
    pub(super) entry: &'static CommandEntry,
    pub(super) id: u32,
    pub(super) json: String,
    pub(super) context: AgentContext,
    pub(super) running: Running,
    pub(super) chatter: Arc<Chatter>,
    pub(super) out: mpsc::Sender<Out>,
    /// Whether the server understands how far it is.
    pub(super) reports: bool,
}

impl Work {
    /// Runs it and sends its reply. A command that panics, or takes longer than anyone waits for it, is answered too.
    pub(super) async fn run(self) {
        let Self { entry, id, json, context, running, chatter, out, reports } = self;
        let progress = running.reports();
        let context = context.with_running(running.clone());
        let command = async move { (entry.run)(&context, json.as_bytes()).await };
        // An agent has one thread: nothing else is done meanwhile, and what takes too long cannot be noticed before.
        let log = chatter.clone();
        let command =
            watched(command, move |kept| log.say(Kind::Blocked, || warn_that_it_blocked(entry, kept)));
        // A task of its own keeps a panic from taking the connection with it.
        let command = tokio::spawn(command);
        let mut command = AbortOnDropHandle::new(command);
        let done = tokio::select! {
            biased;
            done = timeout(entry.timeout, &mut command) => Some(done),
            () = given_up(&running) => None,
            never = report(progress, id, &out), if reports => match never {},
        };
        let reply = match done {
            Some(Ok(Ok(reply))) => reply,
            Some(Ok(Err(e))) => {
                chatter.say(Kind::Failed, || {
                    tracing::error!(command = entry.name, "the command failed: {e}");
                });
                let why = "The command failed on the agent; the agent's log says more";
                failure_reply(&CommandError::new(COMMAND_PANICKED, why))
            }
            Some(Err(_)) => {
                let why = format!("The command took longer than {:?}", entry.timeout);
                failure_reply(&CommandError::new(COMMAND_TIMED_OUT, why))
            }
            None => {
                command.abort();
                // It may have come to its end by itself.
                match timeout(GRACE, command).await {
                    Ok(Ok(reply)) => reply,
                    _ => failure_reply(&CommandError::canceled()),
                }
            }
        };
        if running.looks() && !entry.cancelable {
            chatter.say_once(entry.name, || warn_that_nobody_ends_it(entry));
        }
        let mut message = format!("{}:{id}:{reply}", entry.name);
        if message.len() > LARGEST_REPLY {
            let why = format!(
                "The reply is too large: {} bytes, and a reply may have {LARGEST_REPLY} at most",
                message.len()
            );
            chatter.say(Kind::TooLarge, || tracing::warn!(command = entry.name, id, "{why}"));
            let reply = failure_reply(&CommandError::new(REPLY_TOO_LARGE, why));
            message = format!("{}:{id}:{reply}", entry.name);
        }
        chatter.say(Kind::Answered, || tracing::debug!(command = entry.name, id, "answered"));
        // Fails only when the connection has ended, and then nobody waits.
        let _ = out.send(Out::Text(message)).await;
    }
}

fn warn_that_it_blocked(entry: &CommandEntry, kept: Duration) {
    let name = entry.name;
    tracing::warn!(
        command = name,
        "{name} blocked the agent for {:.1} s: have it do what blocks in spawn_blocking",
        kept.as_secs_f64()
    );
}

/// What it waits for never comes.
fn warn_that_nobody_ends_it(entry: &CommandEntry) {
    let name = entry.name;
    tracing::warn!(
        command = name,
        "{name} looks whether it was canceled, which nobody can do: have its CANCELABLE be true"
    );
}

/// Waits until a command was canceled, and has had time to end by itself if it looks for that.
async fn given_up(running: &Running) {
    running.canceled().await;
    if running.looks() {
        sleep(GRACE).await;
    }
}

/// Sends how far a command is, the newest each time.
async fn report(
    mut progress: watch::Receiver<Option<Progress>>,
    id: u32,
    out: &mpsc::Sender<Out>,
) -> Infallible {
    while progress.changed().await.is_ok() {
        let newest = progress.borrow_and_update().clone();
        let json = newest.and_then(|progress| serde_json::to_string(&progress).ok());
        if let Some(json) = json.filter(|json| json.len() <= LARGEST_PROGRESS) {
            // Fails only when the connection has ended.
            let _ = out.send(Out::Text(format!("{PROGRESS}:{id}:{json}"))).await;
        }
        sleep(REPORT_EVERY).await;
    }
    pending().await
}
