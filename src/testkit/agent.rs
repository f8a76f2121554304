//! Agents for tests.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fastwebsockets::{Frame, OpCode, Payload};
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::rt::Executor;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::PATIENCE;
use crate::agent::{self, AgentConfig, NOTHING_TO_SET_UP};

/// The secret of the agents that tests make.
pub const SECRET: &str = "a secret of the tests";

/// An agent that answers as the test says. Dropped, it hangs up.
#[derive(Debug)]
pub struct FakeAgent {
    /// Its ID.
    pub id: i64,
    task: JoinHandle<()>,
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Has hyper's upgrade run on this runtime.
struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, work: F) {
        tokio::spawn(work);
    }
}

impl FakeAgent {
    pub(super) async fn connect(
        address: SocketAddr,
        id: i64,
        mut answer: impl FnMut(&str, &Value) -> String + Send + 'static,
    ) -> Self {
        let credentials = STANDARD.encode(format!("{id}:{SECRET}"));
        let request = Request::builder()
            .uri("/api/agent-control-service")
            .header(HOST, address.to_string())
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, fastwebsockets::handshake::generate_key())
            .header(AUTHORIZATION, format!("Basic {credentials}"))
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let connecting = async {
            let stream = TcpStream::connect(address).await.expect("the server listens");
            fastwebsockets::handshake::client(&Spawn, request, stream).await.expect("the agent gets in")
        };
        let (mut socket, _) =
            tokio::time::timeout(PATIENCE, connecting).await.expect("a handshake within 20 s");
        let task = tokio::spawn(async move {
            while let Ok(frame) = socket.read_frame().await {
                let text = String::from_utf8_lossy(&frame.payload).into_owned();
                let mut parts = text.splitn(3, ':');
                let (OpCode::Text, Some(command), Some(id), Some(payload)) =
                    (frame.opcode, parts.next(), parts.next(), parts.next())
                else {
                    if frame.opcode == OpCode::Close {
                        return;
                    }
                    continue;
                };
                let reply = match command {
                    "HEARTBEAT" => "{}".to_owned(),
                    _ => answer(command, &serde_json::from_str(payload).unwrap_or_default()),
                };
                let reply = format!("{command}:{id}:{reply}");
                let reply = Frame::text(Payload::Owned(reply.into_bytes()));
                if socket.write_frame(reply).await.is_err() {
                    return;
                }
            }
        });
        Self { id, task }
    }
}

/// The program's own agent, which runs the commands that are linked. Dropped, it hangs up.
#[derive(Debug)]
pub struct RealAgent {
    /// Its ID.
    pub id: i64,
    task: JoinHandle<()>,
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RealAgent {
    pub(super) fn start(address: SocketAddr, id: i64, directory: &Path, configuration: &Value) -> Self {
        let secret_file = directory.join(format!("agent-{id}-secret"));
        std::fs::write(&secret_file, SECRET).expect("the secret's file");
        // As the agent wants it: its owner's alone.
        let owners = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&secret_file, owners).expect("the secret's file");
        let file = directory.join(format!("agent-{id}.json"));
        std::fs::write(&file, configuration.to_string()).expect("the configuration's file");
        let server = Some(format!("http://{address}"));
        let ours = AgentConfig { server, id: Some(id), secret_file: Some(secret_file), ..Default::default() };
        let config =
            AgentConfig::read(&file).map(|config| ours.over(config)).unwrap_or_else(|e| panic!("{e}"));
        // Here, and not on the agent's task, whose panic nobody would see.
        config.check().unwrap_or_else(|e| {
            let hint = match e.to_string().contains(NOTHING_TO_SET_UP) {
                true => {
                    "; or, if the command has a section, name its type: register_command!(…, config = Config)"
                }
                false => "",
            };
            panic!("the agent's configuration: {e}{hint}")
        });
        let (options, permitted) = config.options().unwrap_or_else(|e| panic!("{e}"));
        let task =
            tokio::spawn(async move { agent::run_with(options, permitted).await.expect("the agent runs") });
        Self { id, task }
    }
}
