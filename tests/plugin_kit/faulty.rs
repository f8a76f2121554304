//! FAULTY: a command that goes wrong as it is asked to, and a plugin that does as it is configured.

use netignite::prelude::*;

/// How it is to go wrong.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// `panic`, `panic elsewhere`, `code` for one that is none, `config` for a section it has not, `large`, `block`, `look` for an end that cannot come, or anything else for an error.
    how: String,
}

/// The command.
pub struct Faulty;

impl Command for Faulty {
    const NAME: &'static str = "FAULTY";
    const SUMMARY: &'static str = "Go wrong";
    const TIMEOUT: Duration = Duration::from_secs(10);

    type Payload = Payload;
    type Reply = Outcome;

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Outcome, CommandError> {
        match payload.how.as_str() {
            "panic" => panic!("as it was wanted"),
            "panic elsewhere" => Ok(spawn_blocking(|| panic!("as it was wanted")).await?),
            "code" => Err(CommandError::new("Out Of Order", "It is out of order")),
            "config" => Ok(Outcome::ok(agent.config::<Config>().panics)),
            "block" => {
                std::thread::sleep(Duration::from_millis(1_200));
                Ok(Outcome::ok("It did not wait as it should"))
            }
            "look" => Ok(Outcome::ok(format!("Canceled: {}", agent.is_cancelled()))),
            "large" => Ok(Outcome::ok("x".repeat(70_000))),
            _ => Err(CommandError::new("out_of_order", "It is out of order")),
        }
    }
}

register_command!(Faulty);

/// The section `plugins.faulty`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What panics: `new`, `routes`, `start`, `reload` or `stop`.
    panics: String,
}

/// The plugin.
pub struct FaultyPlugin(String);

impl FaultyPlugin {
    fn at(&self, step: &str) {
        assert_ne!(self.0, step, "this plugin is out of order");
    }
}

impl Plugin for FaultyPlugin {
    const NAME: &'static str = "faulty";
    const SUMMARY: &'static str = "Panic as it is configured";
    type Config = Config;

    fn new(config: Config, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        let plugin = Self(config.panics);
        plugin.at("new");
        Ok((!plugin.0.is_empty()).then_some(plugin))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        self.at("routes");
        Vec::new()
    }

    async fn start(self: &Arc<Self>, _: &Arc<Host>, _: Shutdown) -> Result<(), PluginError> {
        self.at("start");
        Ok(())
    }

    async fn reload(self: &Arc<Self>, _: Config) {
        self.at("reload");
    }

    async fn stop(self: &Arc<Self>) {
        self.at("stop");
    }
}

register_plugin!(FaultyPlugin);
