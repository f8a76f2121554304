//! Why a configuration cannot be used, as one line for people.

use std::fmt;

use super::layer::Origin;

/// Why the configuration cannot be used: one line that names the source, the key and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    message: String,
    usage: bool,
}

impl ConfigError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), usage: false }
    }

    /// An error about what `origin` says.
    pub(super) fn at(origin: &Origin, message: impl fmt::Display) -> Self {
        Self { message: format!("{origin}: {message}"), usage: matches!(origin, Origin::Flag(_)) }
    }

    /// Whether the command line itself is wrong, and not a file or the environment.
    pub fn is_usage(&self) -> bool {
        self.usage
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}
