//! NetIgnite Server: powers devices on from anywhere, through small always-on agents.
//!
//! The crate is a host and what it hosts. The host is the machinery in `src/`: configuration, database, HTTP server,
//! the Agent Control Service and the registry. What it hosts are agent commands (`commands/`) and server plugins
//! (`plugins/`), one unit a file, collected at compile time. [`cli::main`] is the whole program; a crate of its own
//! may link this one, register further commands and plugins, and call it too.

extern crate self as netignite;

// A unit's file may move to a crate of its own unchanged, so what it shows is `pub`, reachable from outside or not.
#[allow(unreachable_pub)]
#[path = "../commands/mod.rs"]
pub mod commands;
#[allow(unreachable_pub)]
#[path = "../plugins/mod.rs"]
mod plugins;

pub mod address_file;
pub mod agent;
pub mod api;
pub mod audit;
pub mod auth;
pub mod bootstrap;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod error;
pub mod events;
mod files;
pub mod host;
pub mod http;
pub mod json;
pub mod local_socket;
pub mod lock;
pub mod logging;
mod memory;
pub mod model;
pub mod plugin;
pub mod preflight;
pub mod prelude;
pub mod registry;
pub mod reload;
pub mod rest;
pub mod store;
pub mod testkit;
pub mod text;
pub mod vault;
mod watch;

#[doc(hidden)]
pub use testkit as testing;

/// The version of the server, and of the agent in it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the registration macros need in the crate that calls them.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
}
