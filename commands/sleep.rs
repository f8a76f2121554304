//! SLEEP: suspends the machine that the agent runs on.
//!
//! It is answered before it happens: an answer `OK` says that it is about to, not that it was done. An agent does it only
//! where its own configuration allows it. The program that does it is `systemctl` unless the configuration names another,
//! as a list of words that no shell reads; the agent's user must be allowed to do what it does.

use netignite::prelude::*;

/// The section `commands.SLEEP` of an agent's configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The program that does it, and its arguments.
    run: Program,
}

impl Default for Config {
    fn default() -> Self {
        Self { run: Program::new(&["systemctl", "suspend"]) }
    }
}

/// See the module.
pub struct Sleep;

impl Command for Sleep {
    const NAME: &'static str = "SLEEP";
    const SUMMARY: &'static str = "Suspend the agent's machine";
    const OPT_IN: bool = true;
    const DELIVER_WITHIN: Duration = Delayed::DELIVER_WITHIN;
    const LONGEST_DELIVERY: Duration = Delayed::LONGEST_DELIVERY;

    type Payload = Delayed;
    type Reply = Outcome;

    fn check(payload: &Delayed) -> Result<(), FieldError> {
        payload.check()
    }

    async fn run(agent: &AgentContext, payload: Delayed) -> Result<Outcome, CommandError> {
        payload.schedule(agent, &agent.config::<Config>().run, "Goes to sleep").await
    }
}

register_command!(Sleep, config = Config);
