//! What most tests start from: a server, its superadmin, an agent and a device behind it.

use std::time::Duration;

use serde_json::json;

use super::client::{Client, Reply};
use super::firmware::Firmware;
use super::server::Server;
use super::wait::{until_equal, within};

/// The secret of the scene's agent.
pub const SECRET: &str = "correct horse battery staple";
/// The MAC address of the scene's device.
pub const MAC: &str = "AA:BB:CC:DD:EE:FF";

/// A reply to GET_STATUS.
pub const ONLINE: &str = r#"{"status":"OK","message":"m","online":"online"}"#;

pub struct Scene {
    pub server: Server,
    pub admin: Client,
    pub agent: i64,
    pub device: i64,
}

impl Scene {
    /// A scene whose agent is of this kind: `server` or `microcontroller`.
    pub async fn new(kind: &str) -> Self {
        let server = Server::start().await;
        let admin = server.superadmin().await;
        let agent = admin.create_agent(kind, SECRET).await;
        let device = admin.create_device(agent, MAC).await;
        Self { server, admin, agent, device }
    }

    /// Connects the agent.
    pub async fn firmware(&self) -> Firmware {
        Firmware::connect(self.server.address(), self.agent, SECRET).await
    }

    /// Another agent of the server is asked again and again, and answers.
    pub async fn serves_another(&self) {
        let agent = self.admin.create_agent("server", SECRET).await;
        let device = self.admin.create_device(agent, MAC).await;
        let firmware = Firmware::connect(self.server.address(), agent, SECRET).await;
        let serving = tokio::spawn(firmware.serve());
        let path = format!("/api/devices/{device}/wakeup");
        for _ in 0..20 {
            let wake = self.admin.post(&path, json!({}));
            within(Duration::from_secs(5), "another agent's answer", wake).await.expect(200);
        }
        serving.abort();
    }

    /// Starts waking the device; the answer comes in its own time.
    pub fn wake(&self) -> Pending {
        let (admin, path) = (self.admin.clone(), format!("/api/devices/{}/wakeup", self.device));
        Pending::new(async move { admin.post(&path, json!({})).await })
    }

    /// Starts asking whether the host at `address` is up.
    pub fn ask(&self, address: &str) -> Pending {
        let (admin, agent, payload) = (self.admin.clone(), self.agent, json!({"address": address}));
        Pending::new(async move { admin.command(agent, "GET_STATUS", payload).await })
    }

    /// Starts waking a MAC address through the agent.
    pub fn wake_mac(&self, mac: &str) -> Pending {
        let (admin, agent, payload) = (self.admin.clone(), self.agent, json!({"macAddress": mac, "port": 9}));
        Pending::new(async move { admin.command(agent, "WAKEUP", payload).await })
    }

    /// Starts sending a HEARTBEAT. It overtakes everything, so that its frame tells that nothing else is on the way.
    pub fn heartbeat(&self) -> Pending {
        let (admin, agent) = (self.admin.clone(), self.agent);
        Pending::new(async move { admin.command(agent, "HEARTBEAT", json!({})).await })
    }

    /// Panics unless everything that was sent to the agent has been read: what a HEARTBEAT meets first is itself.
    pub async fn assert_nothing_more(&self, firmware: &mut Firmware) {
        let beat = self.heartbeat();
        while !beat.is_answered() {
            let message = tokio::select! {
                message = firmware.message() => message,
                () = until_equal("the heartbeat's answer", true, || async { beat.is_answered() }) => break,
            };
            assert_eq!(message.command, "HEARTBEAT", "sent beyond the window: {message:?}");
            firmware.reply_ok(&message).await;
        }
        beat.answer().await.expect(200);
    }
}

/// A request on its way.
pub struct Pending(tokio::task::JoinHandle<Reply>);

impl Pending {
    fn new(request: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self(tokio::spawn(request))
    }

    /// Its answer.
    pub async fn answer(self) -> Reply {
        super::soon("the answer to a request", self.0).await.expect("the request did not panic")
    }

    /// Whether it has been answered.
    pub fn is_answered(&self) -> bool {
        self.0.is_finished()
    }
}
