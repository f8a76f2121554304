//! SHOUT: asks an agent to say something louder.

use netignite::prelude::*;

/// What to say.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// In any case.
    pub text: String,
    /// How many exclamation marks follow.
    pub marks: u8,
}

/// What was said.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Shouted {
    /// In upper case.
    pub text: String,
}

/// See the module.
pub struct Shout;

impl Command for Shout {
    const NAME: &'static str = "SHOUT";
    const SUMMARY: &'static str = "Say something louder";

    type Payload = Payload;
    type Reply = Shouted;

    async fn run(_: &AgentContext, payload: Payload) -> Result<Shouted, CommandError> {
        match payload.text.to_uppercase() {
            text if text.is_empty() => Err(CommandError::new("nothing_to_say", "There is nothing to say")),
            text => Ok(Shouted { text: text + &"!".repeat(payload.marks.into()) }),
        }
    }
}

register_command!(Shout);
