//! What an agent command is: typed where it is written, erased once where it is collected.
//!
//! A command is one type that implements [`Command`]; `register_command!` turns it into a [`CommandEntry`](super::CommandEntry), a plain
//! struct of `fn` pointers, and hands that to `inventory`. Everything the host does with a command (dispatch, REST,
//! the listing, the agent's side) goes through the entry, so that nothing else has to know the command's types.
//! Deliberately not here: sockets, HTTP, the database.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinError;

use super::context::AgentContext;
use super::wire::CANCELED;
use crate::error::FieldError;
use crate::{json, text};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a command stands in an agent's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Keeps the connection itself going; sent at once, outside the agent's window.
    Control,
    /// Changes something; waits ahead of questions, and every call is sent.
    Action,
    /// Changes nothing; waits behind actions, and the same question asked twice is sent once.
    Question,
    /// Takes long, up to an hour; has a window of its own, so that nothing else waits for it. A microcontroller runs none.
    Long,
}

/// The longest code of an error.
const LONGEST_CODE: usize = 64;

/// An agent command: its wire name, its types and what an agent does when it gets it.
///
/// One that says something of everything, and its test:
///
/// ```
/// use netignite::prelude::*;
/// use netignite::testkit::FakeNetwork;
///
/// /// What is to be backed up.
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Payload {
///     /// Names of folders.
///     folders: Vec<String>,
/// }
///
/// /// Copies folders to where the agent's configuration says.
/// struct Backup;
///
/// impl Command for Backup {
///     const NAME: &'static str = "BACKUP";
///     const SUMMARY: &'static str = "Copy folders to the agent's backup";
///     // Up to an hour, with a window of its own.
///     const CLASS: Class = Class::Long;
///     const TIMEOUT: Duration = Duration::from_secs(3600);
///     // Worth nothing tomorrow.
///     const DELIVER_WITHIN: Duration = Duration::from_secs(600);
///     const LONGEST_DELIVERY: Duration = Duration::from_secs(3600);
///     // Copying again does no harm, nor does an end in the middle.
///     const IDEMPOTENT: bool = true;
///     const CANCELABLE: bool = true;
///     // Only where the agent's own configuration allows it.
///     const OPT_IN: bool = true;
///     // It does not go ahead of others, which a long one cannot, and callers may send it.
///     const URGENT: bool = false;
///     const INTERNAL: bool = false;
///
///     type Payload = Payload;
///     type Reply = Outcome;
///
///     fn check(payload: &Payload) -> std::result::Result<(), FieldError> {
///         match payload.folders.len() {
///             1..=100 => Ok(()),
///             _ => Err(FieldError::new("folders", "expected 1 to 100")),
///         }
///     }
///
///     async fn run(agent: &AgentContext, payload: Payload) -> std::result::Result<Outcome, CommandError> {
///         for (done, folder) in (0..).zip(&payload.folders) {
///             if agent.is_cancelled() {
///                 return Err(CommandError::canceled());
///             }
///             agent.progress(Progress::of(done, payload.folders.len() as u64).saying(folder));
///             // Here it is copied, in `spawn_blocking`.
///             sleep(Duration::from_millis(1)).await;
///         }
///         Ok(Outcome::ok("Copied"))
///     }
/// }
///
/// register_command!(Backup);
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let run = Running::default();
/// let reports = run.reports();
/// let agent = FakeNetwork::new(Reachability::Up).context().with_running(run.clone());
/// let payload = || Payload { folders: vec!["a".to_owned(), "b".to_owned()] };
/// assert_eq!(Backup::run(&agent, payload()).await.unwrap().message, "Copied");
/// let last: Progress = reports.borrow().clone().unwrap();
/// assert_eq!((last.done, last.message.as_str()), (Some(1), "b"));
/// run.cancel();
/// assert!(Backup::run(&agent, payload()).await.unwrap_err().is_canceled());
/// # });
/// ```
pub trait Command: Send + Sync + 'static {
    /// The name on the wire: upper case with underscores, at most 32 characters.
    const NAME: &'static str;
    /// One line for people: what the command does.
    const SUMMARY: &'static str;
    /// How long the server waits for the reply, counted from when the frame is sent: up to a minute, or an hour for
    /// [`Class::Long`].
    const TIMEOUT: Duration = Duration::from_secs(5);
    /// In what time it must be sent where it is an operation and nobody says another time: afterwards it is not done any
    /// more.
    const DELIVER_WITHIN: Duration = Duration::from_mins(5);
    /// The longest that anybody may allow for that.
    const LONGEST_DELIVERY: Duration = Duration::from_hours(24);
    /// Whether sending it again does no harm.
    const IDEMPOTENT: bool = false;
    /// How it stands in the agent's line.
    const CLASS: Class = Class::Action;
    /// Whether it waits for nothing but others that are urgent, as a wake does: it goes ahead of what waits, and an agent
    /// of the type `server` runs it beside its window. A microcontroller does one thing at a time: there it waits for the
    /// one command that is under way. Nothing for [`Class::Control`] and [`Class::Long`].
    const URGENT: bool = false;
    /// Whether the server alone sends it: it is not listed, and nobody can send it through the API.
    const INTERNAL: bool = false;
    /// Whether an agent runs it only where its own configuration allows it: `allow`, or `--allow`.
    const OPT_IN: bool = false;
    /// Whether it can be ended while it runs, without harm: once nobody waits for it, or where its operation is canceled.
    /// See [`AgentContext::cancelled`].
    const CANCELABLE: bool = false;

    /// What the server sends. Its JSON must be an object.
    type Payload: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
    /// What the agent answers when it succeeds.
    type Reply: Serialize + DeserializeOwned + JsonSchema + Send + 'static;

    /// What a payload's type cannot say for itself, such as that one of two fields must be there. Checked by the server
    /// before anything is sent, and by the agent before anything is done.
    ///
    /// # Errors
    /// The payload is none; the error names the field.
    fn check(payload: &Self::Payload) -> Result<(), FieldError> {
        let _ = payload;
        Ok(())
    }

    /// The agent's side: do it, on the machine the agent runs on.
    fn run(
        agent: &AgentContext,
        payload: Self::Payload,
    ) -> impl Future<Output = Result<Self::Reply, CommandError>> + Send;
}

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
    fn said(code: Option<String>, message: String) -> Self {
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

/// What is wrong with a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyError {
    /// The agent said `{"status":"ERROR"}`, with its code and message.
    Failed(CommandError),
    /// The reply is no valid reply of the command; the text says why.
    Bad(String),
}

pub(super) fn schema_of<T: JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}

pub(super) fn check_payload<C: Command>(json: &[u8]) -> Result<String, FieldError> {
    let payload: C::Payload = decode_object(json)?;
    encode_payload::<C>(&payload)
}

/// The payload as the JSON that goes over the wire.
///
/// # Errors
/// The command's own check refuses the payload, or it cannot be written as JSON.
pub fn encode_payload<C: Command>(payload: &C::Payload) -> Result<String, FieldError> {
    C::check(payload)?;
    serde_json::to_string(payload).map_err(|e| FieldError::new("", e.to_string()))
}

/// Decodes JSON and, where that fails, names the field it failed at. A byte order mark before it is passed over.
///
/// # Errors
/// The JSON is malformed, can be read in more than one way or is not of the type; the error names the field by its
/// path.
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, FieldError> {
    let json = looked_through(json)?;
    // Keeping track of the path costs more than the rest, and only what fails needs it.
    if let Ok(value) = serde_json::from_slice(json) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().to_string();
        let message = e.inner().to_string();
        // serde names a missing or unknown field in its text only; a program wants it as the field.
        let named = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let field = match (path.as_str(), named) {
            (".", Some(name)) => name.to_owned(),
            (".", None) => String::new(),
            (path, Some(name)) => format!("{path}.{name}"),
            (path, None) => path.to_owned(),
        };
        FieldError::new(field, expectation(message.split(" at line ").next().unwrap_or_default()))
    })?;
    Ok(value)
}

/// The text of JSON that can be read in one way.
fn looked_through(json: &[u8]) -> Result<&[u8], FieldError> {
    let json = text::decode(json).map_err(|e| FieldError::new("", format!("expected JSON: {e}")))?;
    json::check(json.as_bytes()).map_err(|e| FieldError::new("", e.to_string()))?;
    Ok(json.as_bytes())
}

/// What serde says of a value that does not fit, as what was expected of it: without the value.
fn expectation(said: &str) -> String {
    let echoes = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `"];
    match said.rfind(", expected ") {
        Some(at) if echoes.iter().any(|echo| said.starts_with(echo)) => {
            let expected = &said[at + ", expected ".len()..];
            format!("expected {}", json::expected_in_words(expected).replace('`', ""))
        }
        _ if said.starts_with("missing field `") => "this is missing".to_owned(),
        _ => said.to_owned(),
    }
}

/// Decodes a JSON object as [`decode`] does; nothing but blanks stands for the empty one. Serde would also read a struct
/// from an array of its fields' values.
///
/// # Errors
/// As [`decode`], or the JSON is no object.
pub fn decode_object<T: DeserializeOwned>(json: &[u8]) -> Result<T, FieldError> {
    let begin = json.strip_prefix("\u{feff}".as_bytes()).unwrap_or(json);
    match begin.iter().find(|b| !b.is_ascii_whitespace()) {
        // What is no text says so itself.
        Some(b'{' | 0 | 0x80..) => decode(json),
        Some(_) => Err(FieldError::new("", "expected a JSON object")),
        None => decode(b"{}"),
    }
}

/// The part of every reply that says whether the agent did it.
#[derive(serde::Deserialize)]
struct ReplyStatus {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    message: Option<String>,
    /// A word, if the agent says one; what is none is passed over.
    #[serde(default)]
    code: serde_json::Value,
}

/// The error that a reply is, whatever command it belongs to; none for any other.
pub fn error_in(json: &[u8]) -> Option<CommandError> {
    let ReplyStatus { status, message, code } = serde_json::from_slice(json).ok()?;
    let code = if let serde_json::Value::String(code) = code { Some(code) } else { None };
    (status? == "ERROR").then(|| CommandError::said(code, message.unwrap_or_default()))
}

pub(super) fn check_reply<C: Command>(json: &[u8]) -> Result<String, ReplyError> {
    let json = looked_through(json).map_err(|e| ReplyError::Bad(e.to_string()))?;
    let opens = json.iter().find(|b| !b.is_ascii_whitespace());
    if opens == Some(&b'{')
        && let Ok(ReplyStatus { status: Some(status), message, code }) = serde_json::from_slice(json)
        && status == "ERROR"
        && (is_error_frame(json) || decode::<C::Reply>(json).is_err())
    {
        let code = if let serde_json::Value::String(code) = code { Some(code) } else { None };
        return Err(ReplyError::Failed(CommandError::said(code, message.unwrap_or_default())));
    }
    let reply: C::Reply = decode(json).map_err(|e| ReplyError::Bad(e.to_string()))?;
    let reply = serde_json::to_string(&reply).map_err(|e| ReplyError::Bad(e.to_string()))?;
    // Serde also reads a struct from an array of its fields' values, which is no reply of the command.
    if opens == Some(&b'[') && !reply.starts_with('[') {
        return Err(ReplyError::Bad("an array where an object was expected".to_owned()));
    }
    Ok(reply)
}

/// Whether a reply is an error and nothing else. A command's own reply may have a field `status`, too.
fn is_error_frame(json: &[u8]) -> bool {
    let fields = serde_json::from_slice::<std::collections::BTreeMap<String, serde::de::IgnoredAny>>(json);
    fields.is_ok_and(|fields| {
        fields.keys().all(|field| ["status", "message", "code"].contains(&field.as_str()))
    })
}

pub(super) fn run<'a, C: Command>(agent: &'a AgentContext, json: &'a [u8]) -> BoxFuture<'a, String> {
    Box::pin(async move {
        let payload = decode::<C::Payload>(json).and_then(|payload| C::check(&payload).map(|()| payload));
        let result = match payload {
            Ok(payload) => C::run(agent, payload).await,
            Err(e) => Err(CommandError::new("invalid_payload", format!("Invalid payload: {e}"))),
        };
        let encoded = match &result {
            Ok(reply) => {
                serde_json::to_string(reply).map_err(|e| CommandError::new("internal", e.to_string()))
            }
            Err(e) => Err(e.clone()),
        };
        encoded.unwrap_or_else(|e| failure_reply(&e))
    })
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
