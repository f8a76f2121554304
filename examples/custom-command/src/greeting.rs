//! Greeting: a plugin with a configuration, a route and an ear for what happens.
//!
//! `GET /api/hello` greets whoever is logged in, in the words of `plugins.greeting.text`, and tells how many commands
//! have ended since the server started.

use std::sync::atomic::{AtomicU64, Ordering};

use netignite::prelude::*;

/// The section `plugins.greeting` of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Config {
    /// What is said.
    text: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { text: "Hello".to_owned() }
    }
}

/// What the route answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hello {
    /// How many commands have ended.
    commands: u64,
}

/// See the module.
pub(crate) struct Greeting {
    text: String,
    commands: AtomicU64,
}

impl Plugin for Greeting {
    const NAME: &'static str = "greeting";
    const SUMMARY: &'static str = "Greet users at /api/hello";
    type Config = Config;

    fn new(config: Config, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        if config.text.trim().is_empty() {
            return Err(PluginError::new("plugins.greeting.text is empty; write what is to be said"));
        }
        Ok(Some(Self { text: config.text, commands: AtomicU64::new(0) }))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        let row = Route::get("/api/hello", "Greet the user").signed_in();
        vec![row.handler(method!(self.hello(call, body)))]
    }

    fn on_event(&self, event: &Event) {
        if let Event::CommandDone { .. } = event {
            self.commands.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Greeting {
    async fn hello(&self, call: Call, _: NoBody) -> Result<Answer<Hello>> {
        // Events come a moment after what they are about.
        call.host.events.caught_up(Self::NAME).await;
        let hello = Hello { commands: self.commands.load(Ordering::Relaxed) };
        Ok(Answer::ok(self.text.clone(), hello))
    }
}

register_plugin!(Greeting);
