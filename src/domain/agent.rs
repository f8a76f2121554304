//! Agents.

use crate::error::Error;

pub(crate) fn not_found() -> Error {
    Error::not_found("Agent not found")
}
