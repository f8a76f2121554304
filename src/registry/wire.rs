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
