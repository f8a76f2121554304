//! COUNT_DOWN: takes its time, says how far it is, and ends when it is canceled.

use netignite::prelude::*;

/// From where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// For how many seconds.
    seconds: u64,
}

/// The command.
pub struct CountDown;

impl Command for CountDown {
    const NAME: &'static str = "COUNT_DOWN";
    const SUMMARY: &'static str = "Count down";
    const TIMEOUT: Duration = Duration::from_secs(60);
    const CANCELABLE: bool = true;

    type Payload = Payload;
    type Reply = Outcome;

    async fn run(agent: &AgentContext, payload: Payload) -> Result<Outcome, CommandError> {
        for done in 0..payload.seconds {
            agent.progress(Progress::of(done, payload.seconds).saying("Counting down"));
            if timeout(Duration::from_secs(1), agent.cancelled()).await.is_ok() {
                // Whatever is to be tidied up is tidied up here.
                return Err(CommandError::canceled());
            }
        }
        Ok(Outcome::ok("Lift-off"))
    }
}

register_command!(CountDown);
