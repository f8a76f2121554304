//! ROTATE_SECRET: hands an agent the new secret that the server made for it.
//!
//! The agent keeps the secret where it reads it from and proves itself with it from its next connection on. Until it
//! has said so the server takes the old one, too, and the agent keeps the old one until the server took the new one, so
//! that nothing that goes wrong on the way locks the agent out. A secret that it could not log in with is refused. An
//! agent whose secret does not come from a file it can write says so, and a person has to bring it the new one.

use netignite::prelude::*;

/// The new secret.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// What the agent proves itself with from its next connection on.
    pub secret: AgentSecret,
}

/// See the module.
pub struct RotateSecret;

impl Command for RotateSecret {
    const NAME: &'static str = "ROTATE_SECRET";
    const SUMMARY: &'static str = "Hand the agent a new secret";
    const IDEMPOTENT: bool = true;
    // The server makes secrets, and is the one who must know them.
    const INTERNAL: bool = true;

    type Payload = Payload;
    type Reply = Outcome;

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Outcome, CommandError> {
        let keeper = agent.keeper().ok_or_else(|| {
            CommandError::new(
                "secret_not_in_file",
                "This agent's secret is not in a file: start it with --secret-file, or bring it the new one",
            )
        })?;
        let kept = keeper.keep(&payload.secret).await;
        kept.map_err(|e| {
            CommandError::new("secret_not_stored", format!("The new secret could not be stored: {e}"))
        })?;
        Ok(Outcome::ok("The new secret is stored"))
    }
}

register_command!(RotateSecret);
