//! How much server and agent may say at once. Both sides keep to it, so it stands where both can read it.

/// The largest frame the server sends, header included: the firmware closes the connection above it.
pub const LARGEST_COMMAND: usize = 15_360;
/// The largest message an agent may answer with, its fragments counted together: the server closes the connection
/// above it.
pub const LARGEST_REPLY: usize = 64 * 1024;
/// The largest JSON of a report how far a command is.
pub const LARGEST_PROGRESS: usize = 2048;
/// The frame with which the server has a command end. No command is called so.
pub const CANCEL: &str = "CANCEL";
/// The frame with which an agent says how far a command is. No command is called so.
pub const PROGRESS: &str = "PROGRESS";
/// What an agent answers to a command that it does not know.
pub const UNKNOWN_COMMAND: &str = "Unknown command";
/// The code of the error that an agent answers of a command that ended because it was canceled.
pub const CANCELED: &str = "canceled";
/// The code of the error for a command that took longer than it may.
pub const COMMAND_TIMED_OUT: &str = "command_timed_out";
/// The code of the error for a command that panicked.
pub const COMMAND_PANICKED: &str = "command_panicked";
/// The code of the error in the place of a reply that is too large.
pub const REPLY_TOO_LARGE: &str = "reply_too_large";
/// The code of the error for a command that came while as many as may run at once did.
pub const TOO_MANY_COMMANDS: &str = "too_many_commands";
/// The code of the error for a command that the agent's configuration does not allow.
pub const COMMAND_NOT_ALLOWED: &str = "command_not_allowed";
