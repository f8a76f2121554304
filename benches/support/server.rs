//! The server under test: the built binary in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::http::Http;
use super::process::Process;

pub struct Server {
    pub process: Process,
    pub port: u16,
    pub password: String,
    folder: tempfile::TempDir,
    /// From the start of the process to its first answer.
    pub started_in: Duration,
}

impl Server {
    /// Starts on an empty folder.
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    /// Starts on a folder that may hold data.
    pub fn start_in(folder: tempfile::TempDir) -> Self {
        Self::start_with(folder, &[])
    }

    /// Starts on a folder that may hold data, with these environment variables besides.
    pub fn start_with(folder: tempfile::TempDir, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = command(folder.path(), port);
        command.envs(settings.iter().copied());
        let start = Instant::now();
        let process = Process { child: command.spawn().unwrap() };
        let started_in = wait_for_answer(port, start);
        let credentials = fs::read_to_string(folder.path().join("data/initial_admin_credentials")).unwrap();
        let password = credentials.split("password: ").nth(1).unwrap().trim().to_owned();
        Self { process, port, password, folder, started_in }
    }

    /// Stops in order and gives the folder back.
    pub fn stop(mut self) -> tempfile::TempDir {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.child.wait();
        self.folder
    }

    /// A logged-in connection and its cookie.
    pub async fn admin(&self) -> (Http, String) {
        let mut http = Http::connect(self.port).await.unwrap();
        let cookie = http.login("admin", &self.password).await.unwrap();
        (http, cookie)
    }

    /// Creates agents with the secret `bench-secret-of-an-agent` and answers their IDs.
    pub async fn create_agents(&self, cookie: &str, count: usize, kind: &str) -> Vec<i64> {
        let mut tasks = tokio::task::JoinSet::new();
        let lanes = 32.min(count);
        for lane in 0..lanes {
            let mut http = Http::connect(self.port).await.unwrap().with_cookie(cookie);
            let mine = count / lanes + usize::from(lane < count % lanes);
            let kind = kind.to_owned();
            tasks.spawn(async move {
                let mut ids = Vec::new();
                for i in 0..mine {
                    let body = format!(
                        "{{\"name\":\"Agent {lane}-{i}\",\"description\":\"In the hall\",\"type\":\"{kind}\",\"secret\":\"bench-secret-of-an-agent\"}}"
                    );
                    let reply = http.request("POST", "/api/agents", &body).await.unwrap();
                    assert_eq!(reply.status, 201, "{}", reply.body);
                    ids.push(reply.id());
                }
                ids
            });
        }
        let mut ids: Vec<i64> = tasks.join_all().await.into_iter().flatten().collect();
        ids.sort_unstable();
        ids
    }
}

fn command(folder: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netignite"));
    command
        .current_dir(folder)
        .env("NETIGNITE_SERVER__HOST", "127.0.0.1")
        .env("NETIGNITE_SERVER__PORT", port.to_string())
        .env("NETIGNITE_LOG_LEVEL", "warn")
        // What is measured is the server, not what it grants one user.
        .env("NETIGNITE_LIMITS__AGENTS_PER_USER", "0")
        .env("NETIGNITE_LIMITS__DEVICES_PER_USER", "0")
        .env("NETIGNITE_LIMITS__ANSWERS_PER_USER", "0")
        .env("NETIGNITE_LIMITS__ANSWERS", "0")
        .stdout(Stdio::null());
    command
}

/// Asks until there is an answer; answers how long after `start` that was.
pub fn wait_for_answer(port: u16, start: Instant) -> Duration {
    use std::io::{Read, Write};
    loop {
        if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) {
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            if stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200") {
                return start.elapsed();
            }
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the server does not answer");
        std::thread::sleep(Duration::from_micros(200));
    }
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
