//! What travels in a frame: `CMD:ID:JSON`.

use fastwebsockets::{Frame, Payload};

/// The largest frame an agent takes, header included: the firmware closes above it.
pub const MAX_FRAME: usize = crate::registry::LARGEST_COMMAND;
/// The largest header of such a frame.
const HEAD: usize = 4;
/// The digits of the largest ID.
const DIGITS: usize = 10;

/// A command or a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The command's wire name. A reply under another command's name is nobody's.
    pub command: &'a [u8],
    /// The ID the server chose.
    pub id: u32,
    /// The payload; whether it is JSON is judged by the command it belongs to.
    pub json: &'a [u8],
}

impl<'a> Message<'a> {
    /// Splits a message; none if it is not one.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut parts = bytes.splitn(3, |&b| b == b':');
        let (command, id, json) = (parts.next()?, parts.next()?, parts.next()?);
        if id.is_empty() || id.len() > DIGITS || !id.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let id = std::str::from_utf8(id).ok()?.parse().ok()?;
        Some(Self { command, id, json })
    }
}

/// Whether a command with this payload fits a frame whatever its ID will be.
pub fn fits(command: &str, json: &str) -> bool {
    HEAD + command.len() + 1 + DIGITS + 1 + json.len() <= MAX_FRAME
}

/// The text frame that carries a message: unmasked, in one piece.
pub fn encode(command: &str, id: u32, json: &str) -> Vec<u8> {
    frame(Frame::text(Payload::Owned(format!("{command}:{id}:{json}").into_bytes())))
}

/// The bytes of a frame.
pub fn frame(mut frame: Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = frame.write(&mut bytes).len();
    bytes.truncate(length);
    bytes
}
