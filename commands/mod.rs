//! The agent commands, one file each. A new command is a file and its line here.

pub mod discover;
pub mod get_status;
pub(crate) mod heartbeat;
pub mod probe;
pub mod reboot;
pub(crate) mod rotate_secret;
pub mod shutdown;
pub mod sleep;
pub mod wakeup;
