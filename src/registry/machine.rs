//! The machine an agent runs on: programs that its configuration names, started after their command was answered.

use std::io;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::BoxFuture;
use super::command_error::CommandError;
use super::context::AgentContext;
use super::types::Outcome;
use crate::error::FieldError;

/// As many words a program may be started with.
const WORDS: usize = 64;

/// A program and its arguments, as they are passed to the system: no shell reads them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Program(Vec<String>);

impl Program {
    /// The program that these words start.
    pub fn new(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }

    /// The program's name or path, and its arguments.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for Program {
    type Error = &'static str;

    fn try_from(words: Vec<String>) -> Result<Self, &'static str> {
        let good = words.first().is_some_and(|program| !program.trim().is_empty())
            && words.len() <= WORDS
            && words.iter().all(|word| word.len() <= 4096 && !word.contains('\0'));
        if good {
            Ok(Self(words))
        } else {
            Err("expected a program and its arguments, such as [\"systemctl\", \"poweroff\"]")
        }
    }
}

impl From<Program> for Vec<String> {
    fn from(program: Program) -> Self {
        program.0
    }
}

/// The payload of a command that is answered first and done after a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delayed {
    /// After how many seconds it is done: at once, which is a second after the answer, unless given; at most 86,400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = Delayed::LONGEST))]
    pub delay_seconds: Option<u32>,
}

impl Delayed {
    /// In what time such a command must be sent unless another time is said, and the longest that may be said: nobody wants
    /// last night's shutdown at breakfast.
    pub const DELIVER_WITHIN: Duration = Duration::from_mins(1);
    /// See [`DELIVER_WITHIN`](Self::DELIVER_WITHIN).
    pub const LONGEST_DELIVERY: Duration = Duration::from_hours(1);
    /// The longest delay, in seconds: a day.
    pub const LONGEST: u32 = 24 * 60 * 60;

    /// Whether the delay is none too long.
    ///
    /// # Errors
    /// It is.
    pub fn check(&self) -> Result<(), FieldError> {
        if self.delay_seconds.is_some_and(|seconds| seconds > Self::LONGEST) {
            return Err(FieldError::new(
                "delaySeconds",
                format!("expected at most {} seconds", Self::LONGEST),
            ));
        }
        Ok(())
    }

    /// Has the agent's machine start a program then, and answers that it `does` so, such as `Shuts down`, and when.
    ///
    /// # Errors
    /// The agent has no machine to start anything on, or there is no such program.
    pub async fn schedule(
        &self,
        agent: &AgentContext,
        program: &Program,
        does: &str,
    ) -> Result<Outcome, CommandError> {
        let after = Duration::from_secs(self.delay_seconds.unwrap_or(0).into());
        agent.machine()?.schedule(program, after).await.map_err(|e| {
            CommandError::new("program_failed", format!("{} cannot be started: {e}", program.words()[0]))
        })?;
        let when = match self.delay_seconds.unwrap_or(0) {
            0 => "now".to_owned(),
            1 => "in 1 second".to_owned(),
            seconds => format!("in {seconds} seconds"),
        };
        Ok(Outcome::ok(format!("{does} {when}")))
    }
}

/// The machine an agent runs on.
pub trait Machine: Send + Sync {
    /// Starts a program `after` so long, and at the earliest when an answer had the time to leave. What was scheduled
    /// before and has not begun is forgotten. An error if there is no such program.
    fn schedule<'a>(&'a self, program: &'a Program, after: Duration) -> BoxFuture<'a, io::Result<()>>;
}
