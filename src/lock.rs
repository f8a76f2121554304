//! One process a data directory: the lock that a running server, or a command that opens the database itself, holds.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file that is locked, in the data directory.
const NAME: &str = "netignite.lock";

/// The data directory is this process's as long as this lives. The system frees the lock of a process that died.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Why the data directory cannot be taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it.
    Held {
        /// The data directory.
        directory: PathBuf,
        /// The other process, if it said so.
        process: Option<u32>,
    },
    /// The directory or the file in it cannot be made, opened or locked.
    Io {
        /// The data directory.
        directory: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { directory, process } => {
                let who = process.map(|id| format!(" (process {id})")).unwrap_or_default();
                write!(
                    f,
                    "another netignite{who} uses the data directory {}; stop it, or choose another directory with \
                     dataDirectory or --data-dir",
                    directory.display()
                )
            }
            Self::Io { directory, error } => {
                let remedy = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "run this as the user whose server uses it, make it a directory that this user may write"
                    }
                    _ => "make it a directory that this user may write",
                };
                write!(
                    f,
                    "cannot use the data directory {}: {error}; {remedy}, or choose another with dataDirectory or \
                     --data-dir",
                    directory.display()
                )
            }
        }
    }
}

impl std::error::Error for LockError {}

impl DataLock {
    /// Takes the data directory for this process, making it, for its owner alone, if there is none.
    ///
    /// # Errors
    /// Another process has it, or it cannot be written.
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let refuse = |error| LockError::Io { directory: directory.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(refuse)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(NAME))
            .map_err(refuse)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.take(32).read_to_string(&mut text);
                let process = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(LockError::Held { directory: directory.to_owned(), process });
            }
            Err(TryLockError::Error(error)) => return Err(refuse(error)),
        }
        // Only for the message of the next one who comes: the lock holds without it.
        file.set_len(0).and_then(|()| file.rewind()).map_err(refuse)?;
        writeln!(file, "{}", std::process::id()).map_err(refuse)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_data_directory_has_one_holder() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("deep/data");
        let first = DataLock::acquire(&directory).unwrap();
        let second = DataLock::acquire(&directory).unwrap_err();
        let own = std::process::id();
        assert!(matches!(second, LockError::Held { process: Some(id), .. } if id == own), "{second}");
        let text = second.to_string();
        assert!(text.contains(&format!("process {own}")) && text.contains("deep/data"), "{text}");
        drop(first);
        DataLock::acquire(&directory).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join(NAME)), 0o600);
    }

    #[test]
    fn a_file_in_the_way_is_named_with_the_remedy() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        std::fs::write(&path, "").unwrap();
        let text = DataLock::acquire(&path).unwrap_err().to_string();
        assert!(text.contains(&path.display().to_string()) && text.contains("dataDirectory"), "{text}");

        let error = io::ErrorKind::PermissionDenied.into();
        let text = LockError::Io { directory: path, error }.to_string();
        assert!(text.contains("run this as the user whose server uses it"), "{text}");
    }
}
