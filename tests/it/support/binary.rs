//! The built program in a process and a directory of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::client::Client;
use super::server::first_password;
use super::wait::{until, within};

/// A running program. It is killed when this is dropped.
pub struct Binary {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

/// The program's command line in `directory`, with nothing of this process's environment but the path. A server
/// takes a free port of loopback.
pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netignite"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("NETIGNITE_SERVER__HOST", "127.0.0.1")
        .env("NETIGNITE_SERVER__PORT", "0")
        .env("NETIGNITE_LIMITS__STOP_SECONDS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Binary {
    /// Starts a program and collects what it prints.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().expect("piped"), lines.clone());
        collect(child.stderr.take().expect("piped"), lines.clone());
        Self { child, lines }
    }

    /// Starts the server in `directory` as a user would, and waits until it listens.
    pub async fn serve(directory: &Path) -> (Self, SocketAddr) {
        let mut server = Self::spawn(command(directory, &[]));
        let address = server.listening().await;
        (server, address)
    }

    /// The address that its log names.
    pub async fn listening(&mut self) -> SocketAddr {
        let lines = self.lines.clone();
        let found = until("the server to listen", || {
            let ended = self.child.try_wait().expect("a child").is_some();
            let found = lines.lock().iter().find_map(|line| bound_address(line));
            async move { if ended { Some(None) } else { found.map(Some) } }
        });
        match found.await {
            Some(address) => address,
            None => panic!("the server ended instead of listening:\n{}", self.log()),
        }
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        self.lines.lock().join("\n")
    }

    /// Waits until a line contains all of `words`, and gives that line.
    pub async fn line(&self, words: &[&str]) -> String {
        until(&format!("a line with {words:?}"), || {
            let lines = self.lines.lock();
            let found = lines.iter().find(|line| words.iter().all(|word| line.contains(word))).cloned();
            async move { found }
        })
        .await
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("it takes signals");
    }

    /// Lets it open `more` descriptors than it has open now, and no further ones.
    pub fn limit_descriptors(&self, more: u64) {
        let pid = self.process();
        let open =
            std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).expect("its descriptors").count();
        let limit = Some(open as u64 + more);
        prlimit(Some(pid), Resource::Nofile, Rlimit { current: limit, maximum: limit })
            .expect("it takes limits");
    }

    /// Its process.
    pub fn process(&self) -> Pid {
        let id = self.child.id().expect("it runs");
        Pid::from_raw(i32::try_from(id).expect("a process ID")).expect("a process ID")
    }

    /// The bytes of memory it has made itself: its anonymous pages.
    pub fn memory(&self) -> usize {
        let path = format!("/proc/{}/smaps_rollup", self.child.id().expect("it runs"));
        let text = std::fs::read_to_string(path).expect("its memory");
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a figure");
        let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// Kills it on the spot, as a power cut would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it dies");
    }

    /// Waits for its end; gives its exit status and everything it printed.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = within(Duration::from_secs(30), "the program to end", self.child.wait()).await;
        // The pipes are read to their end before the text is complete.
        until("its last line", || {
            let whole = Arc::strong_count(&self.lines) == 1;
            async move { whole.then_some(()) }
        })
        .await;
        (status.expect("a status"), self.log())
    }
}

/// Runs a program to its end.
pub async fn run(command: Command) -> (ExitStatus, String) {
    Binary::spawn(command).ended().await
}

/// The first admin's client on a server whose data lies below `directory`.
pub async fn superadmin(directory: &Path, address: SocketAddr) -> Client {
    let password = first_password(&directory.join("data")).expect("the credentials file");
    Client::login(address, "admin", &password).await
}

fn collect(pipe: impl AsyncRead + Unpin + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    let mut reader = BufReader::new(pipe).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = reader.next_line().await {
            lines.lock().push(line);
        }
    });
}

/// The loopback address in a line that says that the server listens.
fn bound_address(line: &str) -> Option<SocketAddr> {
    if !line.to_lowercase().contains("listening") {
        return None;
    }
    let start = line.find("127.0.0.1:")?;
    let rest = &line[start..];
    let end = rest["127.0.0.1:".len()..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| n + 10);
    rest[..end].parse().ok().filter(|address: &SocketAddr| address.port() != 0)
}
