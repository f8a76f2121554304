//! How much server and agent may say at once. Both sides keep to it, so it stands where both can read it.

/// The largest frame the server sends, header included: the firmware closes the connection above it.
pub const LARGEST_COMMAND: usize = 15_360;
/// The largest message an agent may answer with, its fragments counted together: the server closes the connection
/// above it.
pub const LARGEST_REPLY: usize = 64 * 1024;
