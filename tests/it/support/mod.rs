//! What the integration tests stand on: servers of their own, independent clients, and waiting without luck.

pub mod agent;
pub mod authenticator;
pub mod binary;
pub mod client;
pub mod events;
pub mod firmware;
pub mod held;
pub mod namespace;
pub mod played;
pub mod raw;
pub mod scene;
pub mod server;
pub mod sqlite;
pub mod system;
pub mod terminal;
pub mod trail;
pub mod wait;

pub use agent::Agent;
pub use binary::Binary;
pub use client::{Client, Reply};
pub use firmware::Firmware;
pub use held::Held;
pub use scene::Scene;
pub use server::Server;
pub use terminal::Terminal;
pub use wait::soon;
