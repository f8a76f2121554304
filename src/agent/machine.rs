//! The machine the agent runs on, as commands may use it: programs of the configuration, started a moment later.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::process::Command;
use tokio::task::AbortHandle;

use crate::registry::{BoxFuture, Machine, Program};

/// How long an answer has to leave before what it announces begins.
const GRACE: Duration = Duration::from_secs(1);

/// The real machine.
#[derive(Default)]
pub(super) struct LocalMachine {
    /// What was scheduled last and may not have begun.
    scheduled: Mutex<Option<AbortHandle>>,
}

impl Machine for LocalMachine {
    fn schedule<'a>(&'a self, program: &'a Program, after: Duration) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let words = program.words().to_vec();
            let name = words.first().cloned().unwrap_or_default();
            let found =
                tokio::task::spawn_blocking(move || find(&name)).await.map_err(io::Error::other)??;
            let (begun, begins) = tokio::sync::oneshot::channel::<()>();
            let waiting = tokio::spawn(async move {
                tokio::time::sleep(after.max(GRACE)).await;
                let _ = begun.send(());
            });
            // A task of its own: what has begun is not ended by what comes next.
            tokio::spawn(async move {
                if begins.await.is_ok() {
                    start(found, &words).await;
                }
            });
            if let Some(before) = self.scheduled.lock().replace(waiting.abort_handle()) {
                before.abort();
            }
            Ok(())
        })
    }
}

/// Runs a program to its end.
async fn start(found: PathBuf, words: &[String]) {
    let shown = words.join(" ");
    tracing::info!("Starting {shown}");
    let mut command = Command::new(found);
    command.args(words.iter().skip(1)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status().await {
        Ok(status) if status.success() => {}
        Ok(status) => tracing::error!("{shown} failed ({status}): may the agent's user do that?"),
        Err(e) => tracing::error!("{shown} could not be started: {e}"),
    }
}

/// Where a program is: as its path says, or in the directories of `PATH`. Blocks.
fn find(name: &str) -> io::Result<PathBuf> {
    if name.contains('/') {
        return is_program(name.into()).ok_or_else(|| io::Error::other("there is no such program"));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .find_map(|directory| is_program(directory.join(name)))
        .ok_or_else(|| io::Error::other("there is no such program in PATH"))
}

fn is_program(path: PathBuf) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(&path).ok()?;
    (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0).then_some(path)
}
