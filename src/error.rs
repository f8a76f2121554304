//! The one error of the server's inside.
//!
//! Domain code says *what* went wrong ([`Kind`] and a stable `code`), what the caller may read (`message`) and what
//! only the log may read (`detail`). Nothing here knows HTTP: `rest::envelope` turns an [`Error`] into an answer, and it
//! is the only place that does.
//!
//! Existing pages put the message into their document as HTML: it is made [`harmless`] where it is set, and carries
//! nobody's text but the program's own and, bounded, an agent's. Deliberately no `From` for foreign errors except where the mapping never
//! depends on the place it happens in.

pub mod failures;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use crate::model::audit::{Action, Refusal, SubjectKind};
use crate::text::harmless;

/// A result with the server's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened: the class of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The input is wrong.
    Invalid,
    /// It is not known who calls.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// There is no such thing, or it is not the caller's.
    NotFound,
    /// It is there, and what is wanted of it is not offered.
    NotOffered,
    /// The input contradicts what is stored.
    Conflict,
    /// The input is larger than allowed.
    TooLarge,
    /// The input is in a form that is not read.
    Unreadable,
    /// What marks one request was used for another before.
    Reused,
    /// Too many attempts, or too much at once.
    TooMany,
    /// Our own fault.
    Internal,
    /// The agent refused or answered nonsense.
    AgentFailed,
    /// The agent, or this server, is not available now.
    Unavailable,
    /// The agent did not answer in time.
    TimedOut,
    /// The caller took too long to say what is wanted.
    TooSlow,
    /// It is to be had in another protocol only.
    OtherProtocol,
}

/// What is wrong with one field of the input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct FieldError {
    /// The field's name as the caller wrote it, nested by dots.
    pub field: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl FieldError {
    /// A field error of `field`, saying `message`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}

/// What went wrong, for the caller, for programs and for the log.
#[derive(Debug, Clone)]
pub struct Error(Box<Parts>);

/// Boxed, so that every result that may be an [`Error`] stays small.
#[derive(Debug, Clone)]
struct Parts {
    kind: Kind,
    code: &'static str,
    message: Cow<'static, str>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    offered: Option<String>,
    detail: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    refusal: Option<Refusal>,
    data: Option<serde_json::Value>,
    agent_code: Option<String>,
    operation: Option<String>,
}

/// What became of `spawn_blocking`: `spawn_blocking(…).await?`. A panic in there goes on here.
impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The program ends.
            Err(error) => Self::internal(error),
        }
    }
}

impl Error {
    /// An error of `kind` with its stable `code` and the text the caller reads, which names nobody and repeats nothing
    /// that others wrote.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            kind,
            code,
            message: harmless(message.into()),
            fields: Vec::new(),
            retry_after: None,
            offered: None,
            detail: None,
            source: None,
            refusal: None,
            data: None,
            agent_code: None,
            operation: None,
        }))
    }

    /// Bad input, code `invalid_payload`.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, "invalid_payload", message)
    }

    /// Bad input whose wrong fields are named. The message is `what` and the first of them: existing pages show nothing
    /// else.
    pub fn invalid_fields(what: &'static str, fields: Vec<FieldError>) -> Self {
        let message = fields.first().map_or(Cow::Borrowed(what), |first| format!("{what}: {first}").into());
        let mut error = Self::invalid(message);
        let plain = |text: String| harmless(text.into()).into_owned();
        let fields =
            fields.into_iter().map(|wrong| FieldError::new(plain(wrong.field), plain(wrong.message)));
        error.0.fields = fields.collect();
        error
    }

    /// The same error with another text for the caller.
    #[must_use]
    pub fn saying(mut self, message: &'static str) -> Self {
        self.0.message = harmless(message.into());
        self
    }

    /// It is not known who calls, code `unauthenticated`.
    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unauthenticated, "unauthenticated", message)
    }

    /// Known but not allowed, code `forbidden`.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden, "forbidden", message)
    }

    /// Not there, or not the caller's, code `not_found`.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, "not_found", message)
    }

    /// A conflict with what is stored.
    pub fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, code, message)
    }

    /// Our own fault, with what caused it or a text that says it. The caller reads only that something failed; the
    /// cause goes to the log.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let cause = cause.into();
        let mut error =
            Self::new(Kind::Internal, "internal", "Internal server error. The server's log says more.")
                .detail(&cause);
        error.0.source = Some(cause.into());
        error
    }

    /// The same error, of what makes sense again after this time.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The same error with what is offered in place of what was wanted.
    #[must_use]
    pub fn offering(mut self, others: impl Into<String>) -> Self {
        self.0.offered = Some(others.into());
        self
    }

    /// The same error with a text for the log.
    #[must_use]
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.0.detail = Some(detail.to_string());
        self
    }

    /// The same error, of which the audit log is to tell that `action` was refused, on what if that is known.
    #[must_use]
    pub fn refusing(mut self, action: Action, subject: Option<(SubjectKind, i64)>) -> Self {
        self.0.refusal = Some(Refusal { action, subject });
        self
    }

    /// The same error with data: what became of the operation that it is about, or the code that the agent said.
    #[must_use]
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.0.data = Some(data);
        self
    }

    /// The same error, of an operation that can be read at this path.
    #[must_use]
    pub fn of_operation(mut self, path: String) -> Self {
        self.0.operation = Some(path);
        self
    }

    /// Where the operation can be read that it is about.
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// With the code of an agent's own that says why it failed, in a field beside the error's.
    #[must_use]
    pub fn with_agent_code(mut self, code: String) -> Self {
        self.0.agent_code = Some(code);
        self
    }

    /// The code with which an agent failed.
    pub fn agent_code(&self) -> Option<&str> {
        self.0.agent_code.as_deref()
    }

    /// The data of an answer that says what became of an operation.
    pub fn data(&self) -> Option<&serde_json::Value> {
        self.0.data.as_ref()
    }

    /// What the audit log is to tell, beyond what the class of the error says.
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.refusal
    }

    /// The class of the error.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The stable snake_case word for programs.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The text the caller reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The wrong fields, if the error is about fields.
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// After how long another attempt makes sense.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What is offered in place of what was wanted, if something is.
    pub fn offered(&self) -> Option<&str> {
        self.0.offered.as_deref()
    }

    /// The text for the log, if it differs from the caller's.
    pub fn log_detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.detail {
            Some(detail) => f.write_str(detail),
            None => f.write_str(&self.0.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_cause_is_kept() {
        let cause = std::io::Error::other("the disk is gone");
        let error = Error::internal(cause);
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the disk is gone"));
        assert_eq!(error.to_string(), "the disk is gone");
        assert!(!error.message().contains("disk"), "the caller reads the cause");
        assert!(Error::not_found("Device not found").source().is_none());
    }
}
