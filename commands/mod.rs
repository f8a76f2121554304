//! The agent commands, one file each. A new command is a file and its line here.

pub(crate) mod discover;
pub(crate) mod get_status;
pub(crate) mod heartbeat;
pub(crate) mod probe;
pub(crate) mod reboot;
pub(crate) mod rotate_secret;
pub(crate) mod shutdown;
pub(crate) mod sleep;
pub(crate) mod wakeup;
