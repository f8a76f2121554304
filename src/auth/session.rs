//! To be written: sessions.
#![allow(missing_docs)]

/// The hash under which a session is kept: SHA-256 of the cookie's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey(pub [u8; 32]);
pub struct Sessions;
