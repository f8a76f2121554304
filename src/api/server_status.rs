//! `GET /api/admin/server`: how the server is.

use schemars::JsonSchema;
use serde::Serialize;

use super::tags::SERVER;
use crate::VERSION;
use crate::clock::Millis;
use crate::domain::server_status::{self, Backup};
use crate::error::Result;
use crate::model::permission::Permission as P;
use crate::model::plugin_words::PluginWords;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/admin/server", "How the server is: version, time, how much it holds")
            .needs(&[P::ServerAdmin])
            .tag(SERVER)
            .handler(get),
    ]
}

/// How the server is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ServerView {
    /// The server's version.
    version: &'static str,
    /// When it was started, in milliseconds since the epoch.
    started_at: Millis,
    /// How long it runs, in milliseconds.
    uptime: Millis,
    users: i64,
    agents: i64,
    /// Agents that are connected now.
    agents_connected: usize,
    devices: i64,
    /// Operations that have not ended.
    live_operations: i64,
    /// The size of the database's file in bytes.
    database_bytes: i64,
    /// When the newest key was made that secrets are sealed with, in milliseconds since the epoch.
    #[serde(rename = "keyMadeAt")]
    key_made: Option<Millis>,
    /// The copies of the database that lie beside it, made before a newer program changed it, the oldest first. They stay
    /// until `netignite secrets remove-backups` removes them.
    backups: Vec<BackupView>,
    /// The plugins that the program was built with, by their names.
    plugins: Vec<PluginView>,
}

/// A copy of the database.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BackupView {
    /// The name of its file in the data directory.
    name: String,
    /// When it was made, in milliseconds since the epoch.
    made_at: Millis,
    /// Its size in bytes.
    bytes: u64,
}

impl From<Backup> for BackupView {
    fn from(Backup { name, made, bytes }: Backup) -> Self {
        Self { name, made_at: made, bytes }
    }
}

/// A plugin of the program.
#[derive(Serialize, JsonSchema)]
struct PluginView {
    name: &'static str,
    /// What it is for.
    summary: &'static str,
}

fn plugin(words: &PluginWords) -> PluginView {
    PluginView { name: words.plugin, summary: words.summary }
}

async fn get(call: Call, _: NoBody) -> Result<Answer<ServerView>> {
    let status = server_status::get(&call).await?;
    let counts = status.counts;
    let view = ServerView {
        version: VERSION,
        started_at: status.started,
        uptime: call.now() - status.started,
        users: counts.users,
        agents: counts.agents,
        agents_connected: status.connected,
        devices: counts.devices,
        live_operations: counts.live_operations,
        database_bytes: counts.bytes,
        key_made: counts.key_made,
        backups: status.backups.into_iter().map(BackupView::from).collect(),
        plugins: PluginWords::all().into_iter().map(plugin).collect(),
    };
    Ok(Answer::ok("Server status retrieved successfully", view))
}
