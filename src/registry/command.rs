//! What an agent command is: typed where it is written, erased once where it is collected.
//!
//! A command is one type that implements [`Command`]; `register_command!` turns it into a [`CommandEntry`](super::CommandEntry), a plain
//! struct of `fn` pointers, and hands that to `inventory`. Everything the host does with a command (dispatch, REST,
//! the listing, the agent's side) goes through the entry, so that nothing else has to know the command's types.
//! Deliberately not here: sockets, HTTP, the database.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command_error::{CommandError, failure_reply};
use super::context::AgentContext;
use super::decode::{decode, decode_object, fitting, looked_through};
use crate::error::FieldError;

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
        && (is_error_frame(json) || fitting::<C::Reply>(json).is_err())
    {
        let code = if let serde_json::Value::String(code) = code { Some(code) } else { None };
        return Err(ReplyError::Failed(CommandError::said(code, message.unwrap_or_default())));
    }
    let reply: C::Reply = fitting(json).map_err(|e| ReplyError::Bad(e.to_string()))?;
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
