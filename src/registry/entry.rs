//! A registered command with its types erased, and how one is registered.

use std::panic::Location;
use std::time::Duration;

use super::command::{BoxFuture, Class, Command, ReplyError, check_payload, check_reply, run, schema_of};
use super::context::AgentContext;
use super::section::{AgentSection, Section};
use super::server_side::{Hooks, ServerSide};
use crate::error::FieldError;

/// A registered command with its types erased.
pub struct CommandEntry {
    /// See [`Command::NAME`].
    pub name: &'static str,
    /// See [`Command::SUMMARY`].
    pub summary: &'static str,
    /// See [`Command::TIMEOUT`].
    pub timeout: Duration,
    /// See [`Command::DELIVER_WITHIN`].
    pub deliver_within: Duration,
    /// See [`Command::LONGEST_DELIVERY`].
    pub longest_delivery: Duration,
    /// See [`Command::IDEMPOTENT`].
    pub idempotent: bool,
    /// See [`Command::CLASS`].
    pub class: Class,
    /// See [`Command::URGENT`].
    pub urgent: bool,
    /// See [`Command::INTERNAL`].
    pub internal: bool,
    /// See [`Command::OPT_IN`].
    pub opt_in: bool,
    /// See [`Command::CANCELABLE`].
    pub cancelable: bool,
    /// The command's section of an agent's configuration, if it has one.
    pub section: Option<Section>,
    /// What the server does of it, if it does something.
    pub server_side: Option<Hooks>,
    /// The type's path.
    pub type_name: fn() -> &'static str,
    /// Where `register_command!` stands.
    pub location: &'static Location<'static>,
    /// The JSON Schema of the payload.
    pub payload_schema: fn() -> serde_json::Value,
    /// The JSON Schema of the reply.
    pub reply_schema: fn() -> serde_json::Value,
    /// Checks a payload given as JSON against its type and writes it in its canonical form.
    pub check_payload: fn(&[u8]) -> Result<String, FieldError>,
    /// Checks a reply given as JSON against its type and writes it in its canonical form.
    pub check_reply: fn(&[u8]) -> Result<String, ReplyError>,
    /// Runs the agent's side on a payload given as JSON and answers the reply's JSON, an error included.
    pub run: for<'a> fn(&'a AgentContext, &'a [u8]) -> BoxFuture<'a, String>,
}

impl std::fmt::Debug for CommandEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandEntry").field("name", &self.name).field("location", &self.location).finish()
    }
}

impl CommandEntry {
    /// The entry of `C`, with the caller's place in the source.
    #[track_caller]
    pub const fn of<C: Command>() -> Self {
        Self {
            name: C::NAME,
            summary: C::SUMMARY,
            timeout: C::TIMEOUT,
            deliver_within: C::DELIVER_WITHIN,
            longest_delivery: C::LONGEST_DELIVERY,
            idempotent: C::IDEMPOTENT,
            class: C::CLASS,
            urgent: C::URGENT,
            internal: C::INTERNAL,
            opt_in: C::OPT_IN,
            cancelable: C::CANCELABLE,
            section: None,
            server_side: None,
            type_name: std::any::type_name::<C>,
            location: Location::caller(),
            payload_schema: schema_of::<C::Payload>,
            reply_schema: schema_of::<C::Reply>,
            check_payload: check_payload::<C>,
            check_reply: check_reply::<C>,
            run: run::<C>,
        }
    }
}

impl CommandEntry {
    /// The same with a section of its own in an agent's configuration, of the type `T`.
    #[must_use]
    pub const fn with_config<T: AgentSection>(mut self) -> Self {
        self.section = Some(Section::of::<T>());
        self
    }

    /// The same with what the server does of it.
    #[must_use]
    pub const fn with_server_side<C: ServerSide>(mut self) -> Self {
        self.server_side = Some(Hooks::of::<C>());
        self
    }
}

/// Registers a type that implements [`Command`] with the host, from any crate that is linked.
///
/// - `config = T` names the type of the command's section of an agent's configuration, which [`AgentContext::config`] gives.
/// - `server_side` says that the type implements [`ServerSide`], too.
///
/// Both are optional, in this order.
///
/// A command that no program could use is not compiled. The compiler points at this line, and says what is wrong:
///
/// ```compile_fail
/// # use netignite::prelude::*;
/// struct Lower;
///
/// impl Command for Lower {
///     const NAME: &'static str = "lower";
///     const SUMMARY: &'static str = "Go lower";
///     type Payload = Empty;
///     type Reply = Empty;
///
///     async fn run(_: &AgentContext, _: Empty) -> std::result::Result<Empty, CommandError> {
///         Ok(Empty {})
///     }
/// }
///
/// // error: the NAME of a command must be 1 to 32 characters of A-Z, 0-9 and _
/// register_command!(Lower);
/// ```
#[macro_export]
macro_rules! register_command {
    ($command:ty, config = $config:ty, server_side) => {
        $crate::register_command!(@ $command, with_config::<$config>, with_server_side::<$command>);
    };
    ($command:ty, config = $config:ty) => {
        $crate::register_command!(@ $command, with_config::<$config>);
    };
    ($command:ty, server_side) => {
        $crate::register_command!(@ $command, with_server_side::<$command>);
    };
    ($command:ty) => {
        $crate::register_command!(@ $command);
    };
    (@ $command:ty $(, $with:ident::<$type:ty>)*) => {
        const _: () = $crate::registry::declared::<$command>();
        $crate::__register_origin!();
        $crate::__private::inventory::submit! {
            $crate::registry::CommandEntry::of::<$command>()$(.$with::<$type>())*
        }
    };
}

inventory::collect!(CommandEntry);
