//! PICKY: runs only where an agent's configuration allows it, and says no to every word but the configured one.

use netignite::prelude::*;

/// The section `commands.PICKY` of an agent's configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The word it takes.
    word: String,
    /// Its secrets, one in a type that is not shown and one under a name that says so.
    #[serde(serialize_with = "as_redacted")]
    key: Option<SecretString>,
    password: String,
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// A word.
    word: String,
}

/// The command.
pub struct Picky;

impl Command for Picky {
    const NAME: &'static str = "PICKY";
    const SUMMARY: &'static str = "Take one word";
    const OPT_IN: bool = true;

    type Payload = Payload;
    type Reply = Outcome;

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Outcome, CommandError> {
        if payload.word != agent.config::<Config>().word {
            return Err(CommandError::new("wrong_word", "That is not the word"));
        }
        Ok(Outcome::ok("That is the word"))
    }
}

register_command!(Picky, config = Config);
