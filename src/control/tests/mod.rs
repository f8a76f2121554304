//! Tests of the Agent Control Service below its public door: codecs, the line, the clockwork, the epochs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod autobahn;
mod cancels;
mod corpus;
mod epochs;
mod frames;
mod handshakes;
mod histories;
mod lines;
mod messages;
mod model;
mod model_check;
mod network;
mod network_agent;
pub(crate) mod network_ear;
pub(crate) mod network_fate;
pub(crate) mod network_seeds;
mod network_watch;
pub(crate) mod peer;
mod shares;
mod tcp;
mod times;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{
    AUTHORIZATION, CONNECTION, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::core::{Due, Task};
use super::*;
use crate::clock::Clock;
use crate::model::event::Event;
use crate::model::shutdown::Shutdown;
use crate::registry::{AgentContext, Class, Command, CommandEntry, CommandError};

/// What a test command carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Text {
    text: String,
}

impl Text {
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

/// Declares a command of the tests' own.
macro_rules! command {
    ($type:ident, $name:literal, $class:ident, $timeout:literal) => {
        command!($type, $name, $class, $timeout, false);
    };
    ($type:ident, $name:literal, $class:ident, $timeout:literal, $urgent:literal) => {
        pub(super) struct $type;
        impl Command for $type {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = "A command of the tests";
            const TIMEOUT: Duration = Duration::from_secs($timeout);
            const CLASS: Class = Class::$class;
            const URGENT: bool = $urgent;
            const CANCELABLE: bool = matches!(Class::$class, Class::Question);
            type Payload = Text;
            type Reply = Text;
            async fn run(_: &AgentContext, payload: Text) -> Result<Text, CommandError> {
                Ok(payload)
            }
        }
    };
}

command!(Act, "ACT", Action, 5);
command!(Ask, "ASK", Question, 7);
command!(Nudge, "NUDGE", Control, 5);
command!(Toil, "TOIL", Long, 3600);
command!(Rouse, "ROUSE", Action, 5, true);

pub(super) static ACT: CommandEntry = CommandEntry::of::<Act>();
pub(super) static ASK: CommandEntry = CommandEntry::of::<Ask>();

/// The names of all commands.
pub(super) fn names() -> Vec<&'static str> {
    vec!["ACT", "ASK", "NUDGE", "TOIL", "ROUSE", "HEARTBEAT"]
}

pub(super) const SECRET: &str = "correct:horse:battery";

/// What happened, in one word each.
pub(super) type Happenings = Arc<Mutex<Vec<String>>>;

/// A service with agents 1 (a microcontroller) and 2 (a server).
pub(super) fn service() -> (Arc<Control>, Happenings) {
    let events = Happenings::default();
    let log = events.clone();
    let control = Control::new(
        Clock::default(),
        names(),
        Box::new(move |event| {
            log.lock().push(match event {
                Event::AgentOnline { agent } => format!("online {agent}"),
                Event::AgentOffline { agent, why } => format!("offline {agent} {why}"),
                Event::CommandDone { command, outcome, .. } => format!("{command} {outcome:?}"),
                other => format!("{other:?}"),
            });
        }),
    );
    control.load(vec![
        credential(1, AgentKind::Microcontroller, SECRET),
        credential(2, AgentKind::Server, SECRET),
    ]);
    (control, events)
}

pub(super) fn credential(id: i64, kind: AgentKind, secret: &str) -> Credential {
    Credential { id, kind, digest: crate::model::credential::digest(secret), old: None }
}

/// The headers of a good handshake, the key being the one of RFC 6455's example.
pub(super) fn headers(id: i64, secret: &str) -> HeaderMap {
    use base64::Engine;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Basic {basic}")).unwrap());
    headers
}

pub(super) fn admit(control: &Arc<Control>, id: i64, secret: &str) -> Result<Ticket> {
    admit_saying(control, id, secret, None)
}

pub(crate) fn admit_saying(
    control: &Arc<Control>,
    id: i64,
    secret: &str,
    about: Option<&'static str>,
) -> Result<Ticket> {
    let peer = Some([192, 0, 2, 7].into());
    let mut headers = headers(id, secret);
    if let Some(about) = about {
        headers.insert("netignite-agent", HeaderValue::from_static(about));
    }
    let admitted = control.admit(&Method::GET, Version::HTTP_11, &headers, peer, false);
    admitted.map(|(_, ticket)| ticket).map_err(|refused| refused.error)
}
