//! What the server does: one file a verb or noun of the business.
//!
//! A function here takes who acts ([`By`]) and typed arguments, asks for the permission, does the thing through the
//! services of the [`Host`](crate::host::Host), notes it in the audit log and answers a typed result. A request, the
//! local operator and a plugin call them alike. Deliberately absent: HTTP, JSON of the wire, SQL, frames.

pub mod account;
pub mod admission;
pub mod agent;
pub mod agent_list;
pub mod audit_log;
pub mod audit_retention;
mod by;
pub mod command;
pub(crate) mod command_error;
pub(crate) mod count;
mod current_password;
pub mod device;
mod device_agent;
pub mod device_list;
pub mod device_presence;
mod device_questions;
pub mod device_status;
mod driven;
pub mod enrolment;
pub mod enrolment_code;
pub(crate) mod failed;
pub mod figures;
pub mod given_share;
pub(crate) mod hang_up;
pub mod keys;
pub mod live;
pub mod log_level;
pub mod login;
mod look;
mod new_password;
pub mod operation;
pub mod owner;
pub mod page;
pub mod password_reset;
pub mod power;
pub mod power_until;
mod quota;
mod reader;
pub mod rotation;
pub mod second_factor;
mod second_factor_code;
pub mod server_side;
pub mod server_status;
pub mod session;
pub mod share;
pub mod timeline;
pub mod token;
pub mod user;
pub mod user_change;
pub mod wake;
pub mod wake_until;
pub mod watching;

pub use by::By;
pub use reader::Reader;

/// The database as one reading sees it.
pub use crate::store::Conn as Snapshot;
