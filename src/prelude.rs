//! The one import of a command or a plugin: `use netignite::prelude::*;`.

pub use std::future::Future;
pub use std::net::{IpAddr, Ipv4Addr};
pub use std::num::NonZeroU16;
pub use std::sync::Arc;
pub use std::time::{Duration, Instant};

pub use schemars::JsonSchema;
pub use secrecy::{ExposeSecret, SecretString};
pub use serde::{Deserialize, Serialize};
pub use tokio::task::spawn_blocking;
pub use tokio::time::{sleep, timeout};

pub use clap;
pub use serde_json::{Value as JsonValue, json};

pub use crate::VERSION;
pub use crate::auth::permission::{Permission, Role};
pub use crate::domain::By;
pub use crate::domain::figures::{Figures, Standing, Writing};
pub use crate::error::failures::{self, Failure};
pub use crate::error::{Error, FieldError, Kind as ErrorKind, Result};
pub use crate::host::Host;
pub use crate::model::audit::{Action, SubjectKind};
pub use crate::model::event::{CommandOutcome, Event};
pub use crate::model::tally::Tallied;
pub use crate::plugin::{
    CommandLine, Plugin, PluginError, Server, Shutdown, Tables, Web, WebAnswer, WebError, serve_routes,
};
pub use crate::registry::{
    AgentContext, AgentSecret, AgentSection, Class, Command, CommandError, Delayed, Empty, KnownDevice, Look,
    MacAddress, Machine, Neighbour, Neighbourhood, Network, OkStatus, Online, Outcome, ProbeMethod,
    ProbeTarget, Program, Progress, Reachability, Running, SecretKeeper, SecureOn, SentTo, ServerContext,
    ServerSide, Sighting, Swept,
};
pub use crate::rest::{
    Access, Answer, Call, Form, HeaderMap, HeaderName, HeaderValue, Json, Method, NoBody, Raw, Route, Row,
    StaticFile, StaticFiles, StatusCode, Tag, escaped,
};
pub use crate::store::{Record, SqlValue, Table};
pub use crate::{register_command, register_plugin};
