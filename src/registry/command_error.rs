//! Why a command failed on the agent's side, and how that goes over the wire.

use std::borrow::Cow;

use tokio::task::JoinError;

use super::wire::CANCELED;

/// The longest code of an error.
const LONGEST_CODE: usize = 64;

/// Why a command failed on the agent's side. On the wire: `{"status":"ERROR","code":…,"message":…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// Why, as a word for programs: at most 64 characters of `a-z`, `0-9` and `_`. Firmware says none.
    pub code: Option<Cow<'static, str>>,
    /// What the person who sent the command reads.
    pub message: String,
}

impl CommandError {
    /// A failure with a code for programs, saying `message` to people. A code that is no such word is left out on the
    /// wire; in debug builds, and so in tests, it panics.
    ///
    /// ```
    /// # use netignite::prelude::*;
    /// let error = CommandError::new("no_such_service", "There is no service nginx on this machine");
    /// assert_eq!(error.code.as_deref(), Some("no_such_service"));
    /// ```
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        debug_assert!(
            is_code(code),
            "the code of a CommandError must be 1 to 64 characters of a-z, 0-9 and _, and {code:?} is none"
        );
        Self { code: Some(Cow::Borrowed(code)), message: message.into() }
    }

    /// That the command ended because it was canceled.
    pub fn canceled() -> Self {
        Self::new(CANCELED, "The command was canceled")
    }

    /// Whether it says that the command ended because it was canceled.
    pub fn is_canceled(&self) -> bool {
        self.code.as_deref() == Some(CANCELED)
    }

    /// As an agent said it: a code that is none counts as not said.
    pub(super) fn said(code: Option<String>, message: String) -> Self {
        Self { code: code.filter(|code| is_code(code)).map(Cow::Owned), message }
    }
}

/// Whether a word can be the code of an error.
fn is_code(word: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=LONGEST_CODE).contains(&word.len()) && word.bytes().all(good)
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::new("io_error", error.to_string())
    }
}

/// What became of `spawn_blocking`: `spawn_blocking(…).await?`. A panic in there is the command's own.
impl From<JoinError> for CommandError {
    fn from(error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Its program ends.
            Err(_) => Self::canceled(),
        }
    }
}

/// The reply `{"status":"ERROR","code":…,"message":…}`: a command's error on the wire.
pub fn failure_reply(error: &CommandError) -> String {
    match &error.code {
        Some(code) if is_code(code) => {
            serde_json::json!({ "status": "ERROR", "code": code, "message": error.message }).to_string()
        }
        _ => error_reply(&error.message),
    }
}

/// The reply `{"status":"ERROR","message":…}`: what the agent itself says, of a command it did not run.
pub fn error_reply(message: &str) -> String {
    serde_json::json!({ "status": "ERROR", "message": message }).to_string()
}
