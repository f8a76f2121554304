//! One process a data directory: the lock that a running server, or a command that opens the database itself, holds.
//!
//! It is on a file in the directory, which also names the process, and on the directory itself: whoever deletes the file
//! lets no second server in. Where the file system has no locks, only the file's text warns.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::io::Errno;
use tracing::{error, warn};

use crate::files::{self, is_lacking, remedy};

/// The file that is locked, in the data directory.
pub(crate) const NAME: &str = "netignite.lock";

/// The data directory is this process's as long as this lives. The system frees the lock of a process that died.
#[derive(Debug)]
pub struct DataLock {
    file: Mutex<File>,
    path: PathBuf,
    _directory: Option<File>,
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
                    io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                        "make it a directory that this user may write"
                    }
                    _ => remedy(error),
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
        files::create_directory(directory).map_err(refuse)?;
        let path = directory.join(NAME);
        let file = files::open_or_create(&path).map_err(refuse)?;
        let held = |mut file: File| {
            let mut text = String::new();
            let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
            let process = read.ok().and_then(|_| text.trim().parse().ok());
            LockError::Held { directory: directory.to_owned(), process }
        };
        let has_locks = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Err(held(file)),
            Err(TryLockError::Error(e)) if lacks_locks(&e) => false,
            Err(TryLockError::Error(e)) => return Err(refuse(e)),
        };
        if !has_locks {
            warn!(
                "the file system of {} has no locks: see to it that no second server is started in it",
                directory.display()
            );
        }
        // Only where the file could be locked: a network's file system may lock files alone.
        let opened = if has_locks { File::open(directory).ok() } else { None };
        if let Some(Err(TryLockError::WouldBlock)) = opened.as_ref().map(File::try_lock) {
            return Err(held(file));
        }
        write_process(&file);
        Ok(Self { file: Mutex::new(file), path, _directory: opened })
    }

    /// Makes the file again if it is gone: it says who has the directory, and older programs lock nothing else. Blocks.
    pub fn look(&self) {
        let identity = |is: fs::Metadata| (is.dev(), is.ino());
        let mut own = self.file.lock();
        let (Ok(there), Ok(held)) = (fs::metadata(&self.path).map(identity), own.metadata().map(identity))
        else {
            // In a directory that is gone, the file is not what is missed.
            if self.path.parent().is_some_and(Path::is_dir)
                && let Ok(file) = files::create_new(&self.path)
            {
                if let Err(TryLockError::WouldBlock) = file.try_lock() {
                    return;
                }
                warn!("{} was deleted while the server runs, and is made again", self.path.display());
                write_process(&file);
                *own = file;
            }
            return;
        };
        if there == held {
            return;
        }
        if let Ok(file) = files::open_or_create(&self.path) {
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                error!(
                    "{} was replaced, and another process has locked it: stop that, for two servers in one data \
                     directory damage the database",
                    self.path.display()
                );
                return;
            }
            write_process(&file);
            *own = file;
        }
    }
}

/// Only for the message of the next one who comes: the lock holds without it, as on a full disk.
fn write_process(mut file: &File) {
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
}

fn lacks_locks(error: &io::Error) -> bool {
    is_lacking(error) || error.raw_os_error() == Some(Errno::NOLCK.raw_os_error())
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
