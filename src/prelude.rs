//! The one import of a command or a plugin: `use netignite::prelude::*;`.
//!
//! What a command's agent side looks at and sends:
//!
//! ```
//! use netignite::prelude::*;
//! use netignite::testkit::FakeNetwork;
//!
//! async fn say(network: &dyn Network) -> std::result::Result<String, CommandError> {
//!     let invalid = |_| CommandError::new("no_mac", "That is no MAC address");
//!     let mac: MacAddress = "AA:BB:CC:DD:EE:FF".parse().map_err(invalid)?;
//!     let target = ProbeTarget::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
//!     let Sighting { found, method, .. } = network.probe(&Look { mac: Some(mac), ..Look::at(target) }).await?;
//!     let by = match method {
//!         Some(ProbeMethod::Icmp) => "by ping",
//!         Some(ProbeMethod::Tcp) => "at a port",
//!         Some(ProbeMethod::Neighbour) | None => "",
//!     };
//!     let sent: Vec<SentTo> = network.broadcast(b"hello", 9, None).await?;
//!     let heard: Swept = &|done, all| println!("{done} of {all}");
//!     let Neighbourhood { hosts, .. } = network.sweep(heard).await?;
//!     let known = hosts.iter().filter(|host: &&Neighbour| host.mac == mac).count();
//!     let up = Online::from(found) == Online::Online && found == Reachability::Up;
//!     Ok(format!("{up} {by}, sent to {}, {known} known", sent.len()))
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let said = say(&FakeNetwork::new(Reachability::Up)).await.unwrap();
//! assert_eq!(said, "true , sent to 1, 0 known");
//! # });
//! assert!("01:23:45:67:89:AB".parse::<SecureOn>().is_ok());
//! assert_eq!(Outcome::ok("Done").status, OkStatus::Ok);
//! ```
//!
//! A command that is answered first and done afterwards, and its test:
//!
//! ```
//! use std::io;
//!
//! use netignite::prelude::*;
//! use netignite::testkit::FakeNetwork;
//!
//! /// Takes whatever it is to start.
//! struct Idle;
//!
//! impl Machine for Idle {
//!     fn schedule<'a>(&'a self, _: &'a Program, _: Duration) -> BoxFuture<'a, io::Result<()>> {
//!         Box::pin(async { Ok(()) })
//!     }
//! }
//!
//! /// Keeps no secret.
//! impl SecretKeeper for Idle {
//!     fn keep<'a>(&'a self, secret: &'a AgentSecret) -> BoxFuture<'a, io::Result<()>> {
//!         assert!(!secret.get().expose_secret().is_empty());
//!         Box::pin(async { Err(io::Error::other("there is no file for it")) })
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let agent = FakeNetwork::new(Reachability::Up).context().with_machine(Arc::new(Idle)).with_keeper(Arc::new(Idle));
//! let later = Delayed { delay_seconds: Some(5) };
//! let outcome = later.schedule(&agent, &Program::new(&["true"]), "Shuts down").await.unwrap();
//! assert_eq!(outcome.message, "Shuts down in 5 seconds");
//! # });
//! ```
//!
//! A plugin's routes, with failures of their own, a body and files:
//!
//! ```
//! use netignite::prelude::*;
//!
//! const NOTES: Tag = Tag::new("notes", "What people wrote down");
//! const FULL: Failure = Failure::new(ErrorKind::Conflict, "notes_full", "There is no room for another note");
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Note {
//!     text: String,
//! }
//!
//! fn routes(files: Arc<StaticFiles>) -> Vec<Route> {
//!     let add = |call: Call, Json(note): Json<Note>| async move {
//!         if note.text.len() > 100 {
//!             return Err(Error::new(FULL.kind, FULL.code, FULL.about));
//!         }
//!         let by: &By = &call.by;
//!         Ok(Answer::ok("Written down", call.host.devices(by).await?.len()))
//!     };
//!     let send = |call: Call| async move {
//!         let form: Form = call.form()?;
//!         Ok(Raw::html(escaped(form.get("text"))))
//!     };
//!     let file = move |call: Call| {
//!         // The name is looked up and never becomes a path.
//!         let answer = files.get(call.param("name")).map(|file: &StaticFile| file.answer(&call.headers));
//!         async move { answer.ok_or_else(|| Error::not_found("There is no such file")) }
//!     };
//!     let row: Row = Route::post("/api/notes", "Write something down").signed_in().tag(NOTES).fails(&[FULL]);
//!     assert!(matches!(row.access, Access::SignedIn));
//!     vec![
//!         row.handler(add),
//!         Route::post("/notes", "The same as a form").signed_in().page(send),
//!         Route::get("/notes/{name}", "A file").public().sends_files().page(file),
//!     ]
//! }
//!
//! let css: (std::borrow::Cow<str>, std::borrow::Cow<[u8]>) = ("notes.css".into(), b"body {}".as_slice().into());
//! assert_eq!(routes(Arc::new(StaticFiles::new([css]))).len(), 3);
//! ```
//!
//! What a plugin counts and keeps, and routes at an address of its own:
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use netignite::prelude::*;
//!
//! async fn keep(tables: &Tables) -> Result<Vec<Record>> {
//!     let job = |table: &Table<'_>| {
//!         let values: [SqlValue; 1] = ["one".to_owned().into()];
//!         table.execute("INSERT INTO plugin_notes_lines (line) VALUES (?1)", values)?;
//!         table.query("SELECT line FROM plugin_notes_lines", [])
//!     };
//!     tables.write(job).await
//! }
//!
//! async fn how_much(host: &Arc<Host>) -> (usize, i64, u64) {
//!     let Figures { connected, writing, standing, .. } = host.figures().await;
//!     let Writing { sizes, .. } = writing;
//!     let sizes: Tallied = sizes;
//!     (connected, standing.map_or(0, |standing: Standing| standing.queued), sizes.count())
//! }
//!
//! fn failed(event: &Event) -> bool {
//!     matches!(event, Event::CommandDone { outcome, .. } if *outcome != CommandOutcome::Ok)
//! }
//!
//! async fn fetched(web: &Web) -> std::result::Result<usize, WebError> {
//!     let WebAnswer { status, headers, body } = web.get("https://example.org/").await?;
//!     let headers: HeaderMap = headers;
//!     Ok(if status == StatusCode::OK && !headers.is_empty() { body.len() } else { 0 })
//! }
//!
//! fn beside(host: &Arc<Host>, routes: Vec<Route>, stop: Shutdown) -> std::result::Result<SocketAddr, PluginError> {
//!     serve_routes(host, SocketAddr::from(([127, 0, 0, 1], 0)), routes, stop)
//! }
//! ```
//!
//! What the server does of a command, and a header of an answer:
//!
//! ```
//! use netignite::prelude::*;
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Payload {
//!     device: Option<i64>,
//!     name: Option<String>,
//! }
//!
//! struct Greet;
//!
//! impl Command for Greet {
//!     const NAME: &'static str = "GREET";
//!     const SUMMARY: &'static str = "Greet a device";
//!     type Payload = Payload;
//!     type Reply = Outcome;
//!
//!     async fn run(_: &AgentContext, payload: Payload) -> std::result::Result<Outcome, CommandError> {
//!         Ok(Outcome::ok(format!("Hello {}", payload.name.unwrap_or_default())))
//!     }
//! }
//!
//! impl ServerSide for Greet {
//!     const MIGRATIONS: &'static [&'static str] =
//!         &["CREATE TABLE command_greet_said (agent INTEGER NOT NULL, said TEXT NOT NULL) STRICT"];
//!
//!     async fn after(
//!         server: &ReplyContext,
//!         reply: Outcome,
//!     ) -> std::result::Result<Outcome, CommandError> {
//!         let sql = "INSERT INTO command_greet_said (agent, said) VALUES (?1, ?2)";
//!         server.tables().execute(sql, [server.agent().into(), reply.message.as_str().into()]).await?;
//!         Ok(reply)
//!     }
//!
//!     async fn before(
//!         server: &ServerContext,
//!         mut payload: Payload,
//!     ) -> std::result::Result<Payload, CommandError> {
//!         if let Some(id) = payload.device.take() {
//!             server.require(Permission::DevicesRead)?;
//!             let device: KnownDevice = server.device(id).await?;
//!             payload.name = Some(device.name);
//!         }
//!         Ok(payload)
//!     }
//! }
//!
//! register_command!(Greet, server_side);
//!
//! fn section<T: AgentSection>(agent: &AgentContext) -> T {
//!     agent.config()
//! }
//!
//! let program: (HeaderName, HeaderValue) = (HeaderName::from_static("x-program"), HeaderValue::from_static(VERSION));
//! assert_eq!(program.1, VERSION);
//! ```

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
pub use crate::json::{end_within, secrets::as_redacted};
pub use crate::model::audit::{Action, SubjectKind};
pub use crate::model::event::{CommandOutcome, Event};
pub use crate::model::rows::{Record, SqlValue};
pub use crate::model::tally::Tallied;
pub use crate::plugin::{
    CommandLine, Plugin, PluginError, Server, Shutdown, Subcommand, Tables, Web, WebAnswer, WebError,
    serve_routes,
};
pub use crate::registry::{
    AgentContext, AgentSecret, AgentSection, BoxFuture, Class, Command, CommandError, CommandTables, Delayed,
    Empty, KnownDevice, Look, MacAddress, Machine, Neighbour, Neighbourhood, Network, OkStatus, Online,
    Outcome, ProbeMethod, ProbeTarget, Program, Progress, Reachability, ReplyContext, Running, SecretKeeper,
    SecureOn, SentTo, ServerContext, ServerSide, Sighting, Swept,
};
pub use crate::rest::{
    Access, Answer, Call, Form, HeaderMap, HeaderName, HeaderValue, Json, Method, NoBody, Raw, Route, Row,
    StaticFile, StaticFiles, StatusCode, Tag, escaped,
};
pub use crate::store::Table;
pub use crate::{method, register_command, register_plugin};
