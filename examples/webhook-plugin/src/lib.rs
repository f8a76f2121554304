//! Webhook: posts JSON to `plugins.webhook.url` whenever an agent comes or goes.
//!
//! What is to be sent is written to a table first (an *outbox*) and deleted once the other side has taken it, so that
//! nothing is lost when the server stops or the other side is away.

use std::sync::atomic::{AtomicBool, Ordering};

use netignite::prelude::*;

/// How many are sent at one go.
const SOME: i64 = 100;

/// The section `plugins.webhook` of the configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Where to post; nothing is sent without.
    url: Option<String>,
    /// Whether that may be an address of the own network.
    allow_private: bool,
}

/// See the module.
pub struct Webhook {
    url: String,
    allow_private: bool,
    host: Arc<Host>,
    failing: AtomicBool,
}

impl Plugin for Webhook {
    const NAME: &'static str = "webhook";
    const SUMMARY: &'static str = "Post to a URL when agents come and go";
    const MIGRATIONS: &'static [&'static str] = &[
        "CREATE TABLE plugin_webhook_outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT",
    ];
    type Config = Config;

    fn new(config: Config, host: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        let Config { url, allow_private } = config;
        let host = host.clone();
        Ok(url.map(|url| Self { url, allow_private, host, failing: AtomicBool::new(false) }))
    }

    async fn start(self: &Arc<Self>, host: &Arc<Host>, _: Shutdown) -> Result<(), PluginError> {
        host.every::<Self, _, _>(Duration::from_millis(200), method!(self.send()));
        Ok(())
    }

    fn on_event(&self, event: &Event) {
        let (agent, online) = match event {
            Event::AgentOnline { agent } => (agent, true),
            Event::AgentOffline { agent, .. } => (agent, false),
            _ => return,
        };
        let body = json!({ "agent": agent, "online": online }).to_string();
        let sql = "INSERT INTO plugin_webhook_outbox (body) VALUES (?1)";
        if let Err(e) = self.host.tables::<Self>().execute_blocking(sql, [body.into()]) {
            self.host.warn::<Self>(format_args!("agent {agent}: an event is lost: {e}"));
        }
    }

    async fn health(self: &Arc<Self>) -> Result<(), PluginError> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(PluginError::new("the other side does not take what is sent"));
        }
        Ok(())
    }

    fn subcommand() -> Option<Subcommand> {
        let webhook = clap::Command::new("webhook").about("Show what is known of agents' presence");
        Some(Subcommand::new(webhook, async |_, server| {
            let agents = server.request(Method::GET, "/api/agents/status", None).await?;
            Ok(agents.to_string())
        }))
    }
}

impl Webhook {
    /// Sends what lies in the outbox, in its order, until the other side refuses.
    async fn send(&self) {
        let sent = self.send_some().await;
        let failed_before = self.failing.swap(sent.is_err(), Ordering::Relaxed);
        if let (Err(e), false) = (&sent, failed_before) {
            self.host.warn::<Self>(format_args!("{e}; it is tried again"));
        }
    }

    async fn send_some(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let tables = self.host.tables::<Self>();
        let sql = "SELECT id, body FROM plugin_webhook_outbox ORDER BY id LIMIT ?1";
        let web = self.host.web().private(self.allow_private);
        for row in tables.query(sql, [SOME.into()]).await? {
            let answer = web.post_json(&self.url, row.text(1).to_owned()).await?;
            if !answer.status.is_success() {
                return Err(format!("the other side answered {}", answer.status).into());
            }
            tables.execute("DELETE FROM plugin_webhook_outbox WHERE id = ?1", [row.int(0).into()]).await?;
        }
        Ok(())
    }
}

register_plugin!(Webhook);
