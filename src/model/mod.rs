//! The words that the whole server shares: what things are called, and nothing that happens to them.
//!
//! Types of roles and permissions, agents and what they prove themselves with, operations, presence, the audit log's entries, whose
//! things are meant, accounts and IDs. Everything may import them; they import the clock and small libraries alone.
//! Deliberately absent: I/O, caches, SQL, HTTP, and decisions that need any of these.

pub mod access;
pub mod account;
pub mod agent;
pub mod agent_about;
pub mod agent_features;
pub mod audit;
pub mod credential;
pub mod device;
pub mod device_presence;
pub mod digest;
pub mod event;
pub mod id;
pub mod network;
pub mod operation;
pub mod operation_change;
pub mod operation_id;
pub mod permission;
pub mod plugin_words;
pub mod presence;
pub mod reach;
pub mod remembered;
pub mod request_id;
pub mod rows;
pub mod search;
pub mod shown;
pub mod shutdown;
pub mod tally;
pub mod username;
