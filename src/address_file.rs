//! The address that the server of a data directory listens at, in a file there: flags and variables that moved it are
//! known to nobody else.
//!
//! It is written once the server listens and removed when it stops. One that a killed server left names an address where
//! nobody answers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::files;

/// Longer than any address, in bytes.
const LONGEST: u64 = 128;

fn path(directory: &Path) -> PathBuf {
    directory.join("netignite.address")
}

/// Writes the address down.
///
/// # Errors
/// The directory cannot be written.
pub fn write(directory: &Path, address: SocketAddr) -> io::Result<()> {
    files::replace(&path(directory), format!("{address}\n").as_bytes())
}

/// The address that is written down, if one is.
pub fn read(directory: &Path) -> Option<SocketAddr> {
    crate::text::read_file(&path(directory), LONGEST).ok()?.trim().parse().ok()
}

/// Removes what is written down.
pub fn remove(directory: &Path) {
    let _ = fs::remove_file(path(directory));
}
