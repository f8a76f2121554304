//! A key, and sealing with it: XChaCha20-Poly1305.
//!
//! A sealed value is a version byte, the key's ID in 4 bytes (big-endian), a random nonce of 24 bytes, and the
//! ciphertext with its tag of 16. The associated data is all but the nonce of what stands in front, and the place it
//! was sealed for: moved to another row or column, it no longer opens.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;
/// The version and the key's ID.
const HEAD_LENGTH: usize = 5;

/// Where a value is stored, which is part of what is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's key.
    pub row: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} of row {}", self.table, self.column, self.row)
    }
}

/// Why a value was not sealed or opened. It says nothing of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// It does not begin like anything sealed.
    NotSealed,
    /// It is sealed with a key that is not known.
    UnknownKey(u32),
    /// It was altered, or sealed for another place.
    Damaged,
    /// The system has no randomness to give.
    NoRandomness,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSealed => f.write_str("it is not sealed"),
            Self::UnknownKey(id) => write!(f, "it is sealed with the key {id}, which is not there"),
            Self::Damaged => f.write_str("it was altered or belongs elsewhere"),
            Self::NoRandomness => f.write_str("the system has no randomness to give"),
        }
    }
}

impl std::error::Error for SealError {}

/// The ID of the key that a value is sealed with.
///
/// # Errors
/// It is not sealed.
pub(super) fn key_id(sealed: &[u8]) -> Result<u32, SealError> {
    match sealed {
        [VERSION, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(SealError::NotSealed),
    }
}

/// A key with its ID. It is wiped from memory when dropped.
pub(super) struct Key {
    id: u32,
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
}

impl Key {
    pub(super) fn new(id: u32, bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        Self { id, bytes }
    }

    pub(super) fn from_bytes(id: u32, bytes: &[u8]) -> Option<Self> {
        Some(Self::new(id, Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub(super) fn random(id: u32) -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        getrandom::fill(&mut *bytes).map_err(|_| SealError::NoRandomness)?;
        Ok(Self::new(id, bytes))
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.bytes
    }

    pub(super) fn seal(&self, place: Place, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut sealed = Vec::with_capacity(HEAD_LENGTH + NONCE_LENGTH + plain.len() + 16);
        sealed.push(VERSION);
        sealed.extend(self.id.to_be_bytes());
        let associated = associated_data(&sealed, place);
        sealed.extend(nonce);
        let payload = Payload { msg: plain, aad: &associated };
        // It refuses nothing but values of many gigabytes.
        let ciphertext =
            self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Damaged)?;
        sealed.extend(ciphertext);
        Ok(sealed)
    }

    pub(super) fn unseal(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if key_id(sealed)? != self.id {
            return Err(SealError::UnknownKey(key_id(sealed)?));
        }
        let (head, rest) = sealed.split_at(HEAD_LENGTH);
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(SealError::Damaged)?;
        let payload = Payload { msg: ciphertext, aad: &associated_data(head, place) };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| SealError::Damaged)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

/// No two places have the same: names hold no NUL.
fn associated_data(head: &[u8], place: Place) -> Vec<u8> {
    [head, place.table.as_bytes(), b"\0", place.column.as_bytes(), b"\0", &place.row.to_be_bytes()].concat()
}
