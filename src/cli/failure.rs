//! Why the program ends without having done what it was asked: one line and an exit status.

use std::fmt;
use std::process::ExitCode;

use crate::agent::AgentError;
use crate::bootstrap::StartError;
use crate::config::ConfigError;
use crate::lock::LockError;
use crate::logging::LoggingError;
use crate::registry::RegistryError;

/// A failure of the program: exit status 1, or 2 when the command line itself is wrong.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    pub(super) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 1 }
    }

    /// Somebody ended it with Ctrl-C; the exit status is the one shells use for that.
    pub(super) fn interrupted(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 130 }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConfigError> for Failure {
    fn from(e: ConfigError) -> Self {
        Self { message: e.to_string(), code: if e.is_usage() { 2 } else { 1 } }
    }
}

macro_rules! plain_failures {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(e: $error) -> Self {
                Self::new(e)
            }
        })+
    };
}

plain_failures!(AgentError, LockError, LoggingError, RegistryError, StartError);
