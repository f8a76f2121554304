//! A plugin that blocks its thread wherever it can, and what the log says of that and of commands that do.

use netignite::prelude::*;
use netignite::testkit::TestServer;

use super::{heard, turn};

/// Longer than a thread may be kept.
fn block() {
    std::thread::sleep(Duration::from_millis(1_200));
}

/// The section `plugins.sleepy`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether it blocks by itself, too.
    blocks: bool,
}

/// The plugin.
pub struct Sleepy(bool);

impl Sleepy {
    fn block(&self) {
        if self.0 {
            block();
        }
    }

    async fn page(&self, _: Call) -> Result<Raw> {
        block();
        Ok(Raw::text(StatusCode::OK, "awake"))
    }

    async fn work(&self) {
        self.block();
    }
}

impl Plugin for Sleepy {
    const NAME: &'static str = "sleepy";
    const SUMMARY: &'static str = "Block threads";
    type Config = Config;

    fn new(config: Config, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        Ok(Some(Self(config.blocks)))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        vec![Route::get("/sleepy/{id}", "Block").public().page(method!(self.page(call)))]
    }

    async fn start(self: &Arc<Self>, host: &Arc<Host>, stop: Shutdown) -> Result<(), PluginError> {
        self.block();
        if self.0 {
            host.every::<Self, _, _>(Duration::from_millis(10), method!(self.work()));
            let address = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            serve_routes(host, address, self.routes(), stop)?;
        }
        Ok(())
    }

    async fn health(self: &Arc<Self>) -> Result<(), PluginError> {
        self.block();
        Ok(())
    }

    async fn reload(self: &Arc<Self>, _: Config) {
        self.block();
    }

    async fn stop(self: &Arc<Self>) {
        self.block();
    }
}

register_plugin!(Sleepy);

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_blocks_its_thread_is_named_with_what_it_does() {
    let _turn = turn().await;
    let log = heard::begin();
    let server = TestServer::fresh([("sleepy", json!({"blocks": true}))]).await;
    log.until("the start of the plugin sleepy blocked its thread for 1.").await;
    assert_eq!(server.nobody().get("/sleepy/7").await.text(), "awake");
    let what = "GET /sleepy/{id} of the plugin sleepy blocked its thread for 1.";
    log.until(what).await;
    log.until("s: have it do what blocks in spawn_blocking").await;
    log.until("work of the plugin sleepy blocked its thread for 1.").await;
    server.nobody().get("/readyz").await;
    log.until("the health of the plugin sleepy blocked its thread for 1.").await;
    server.reload_plugins().await;
    log.until("the reload of the plugin sleepy blocked its thread for 1.").await;
    server.nobody().get("/sleepy/8").await;
    server.stop().await;
    log.until("the stop of the plugin sleepy blocked its thread for 1.").await;
    assert_eq!(log.count(what), 1, "said again and again");
}

#[tokio::test]
async fn a_command_that_blocks_or_looks_for_an_end_that_cannot_come_is_named_in_the_log() {
    let _turn = turn().await;
    let log = heard::begin();
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent(&admin).await;
    let path = format!("/api/agents/{}/commands/FAULTY", agent.id);
    for how in ["block", "look", "look"] {
        let done = admin.post(&path, json!({"how": how})).await;
        assert_eq!(done.status, 200, "{done}");
    }
    log.until("FAULTY blocked the agent for 1.").await;
    let looks = "FAULTY looks whether it was canceled, which nobody can do: have its CANCELABLE be true";
    log.until(looks).await;
    assert_eq!(log.count(looks), 1, "said again and again");
}
