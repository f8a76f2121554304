//! HEARTBEAT: asks an agent whether it still listens.
//!
//! The server sends it once a minute to everyone. A WebSocket ping is answered by the agent's library even when the
//! agent itself hangs; this one has to pass through its main loop.

use netignite::prelude::*;

/// See the module.
pub struct Heartbeat;

impl Command for Heartbeat {
    const NAME: &'static str = "HEARTBEAT";
    const SUMMARY: &'static str = "Ask whether the agent still listens";
    const IDEMPOTENT: bool = true;
    const CLASS: Class = Class::Control;

    type Payload = Empty;
    type Reply = Empty;

    async fn run(_: &AgentContext, _: Empty) -> Result<Empty, CommandError> {
        Ok(Empty {})
    }
}

register_command!(Heartbeat);
