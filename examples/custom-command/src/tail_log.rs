//! TAIL_LOG: reads the last lines of a log that the agent's configuration names.

use netignite::prelude::*;

/// The section `commands.TAIL_LOG` of an agent's configuration. Everything has a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    file: String,
}

impl Default for Config {
    fn default() -> Self {
        let file = "/var/log/syslog".to_owned();
        Self { file }
    }
}

/// How much is wanted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Payload {
    /// How many lines, 1 to 200.
    pub(crate) lines: usize,
}

/// What the log says.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tail {
    /// The last lines, the newest last.
    pub(crate) lines: Vec<String>,
}

/// The command.
pub(crate) struct TailLog;

impl Command for TailLog {
    const NAME: &'static str = "TAIL_LOG";
    const SUMMARY: &'static str = "Read the last lines of the agent's log";
    const IDEMPOTENT: bool = true;
    const CLASS: Class = Class::Question;
    const OPT_IN: bool = true;

    type Payload = Payload;
    type Reply = Tail;

    fn check(payload: &Payload) -> Result<(), FieldError> {
        match payload.lines {
            1..=200 => Ok(()),
            _ => Err(FieldError::new("lines", "expected 1 to 200")),
        }
    }

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Tail, CommandError> {
        let Config { file } = agent.config();
        // A file is read on a thread that may wait.
        let text = spawn_blocking(move || std::fs::read_to_string(file)).await??;
        let lines = text.lines().rev().take(payload.lines);
        let mut lines: Vec<_> = lines.map(str::to_owned).collect();
        lines.reverse();
        Ok(Tail { lines })
    }
}

register_command!(TailLog, config = Config);
