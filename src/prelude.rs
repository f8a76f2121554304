//! The one import of a command or a plugin: `use netignite::prelude::*;`.

pub use std::future::Future;
pub use std::num::NonZeroU16;
pub use std::sync::Arc;
pub use std::time::Duration;

pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};
pub use tokio::time::sleep;

pub use crate::auth::permission::Permission;
pub use crate::error::{Error, FieldError, Result};
pub use crate::host::Host;
pub use crate::http::{Access, Answer, Call, Json, Method, NoBody, Raw, Route};
pub use crate::plugin::{CommandOutcome, Event, Plugin, PluginError, Shutdown};
pub use crate::registry::{
    AgentContext, Class, Command, CommandError, Empty, MacAddress, Network, OkStatus, Outcome, ProbeTarget,
    Reachability,
};
pub use crate::{register_command, register_plugin};
