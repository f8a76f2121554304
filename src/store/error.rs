//! What can be wrong with the database, in one line that names the file and the remedy.
//!
//! At start the line is what the operator reads. While running it goes to the log, and a client learns only what it
//! can act on. Neither ever holds a stored value: SQLite's messages name tables and columns, not their contents.

use std::fmt;
use std::io;
use std::path::Path;

use crate::error::{Error, Kind};
use crate::files::{is_full, remedy};
use crate::vault::KeyError;

/// The words by which programs know what is wrong with the database.
pub(super) mod code {
    pub(in crate::store) const FULL: &str = "storage_full";
    pub(in crate::store) const FAILED: &str = "storage_failed";
    pub(in crate::store) const BUSY: &str = "database_busy";
    pub(in crate::store) const DAMAGED: &str = "database_damaged";
    pub(in crate::store) const LOST: &str = "data_lost";
}

/// The database cannot be used, or refused what it was asked. Its text is one line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    fault: Fault,
    message: String,
}

/// What a client may know of a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// There is no space left.
    Full,
    /// Another process keeps the database locked.
    Busy,
    /// The disk or the file system fails, or does not let us.
    Disk,
    /// The file's content is not what was written.
    Damaged,
    /// A row would point to nothing, or a deleted one is still pointed to.
    Reference,
    /// Anything else: only the operator can act on it.
    Other,
}

impl StoreError {
    /// An error of the operator's, in its own words.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { fault: Fault::Other, message: message.into() }
    }

    /// `doing` (such as "open" or "copy") `file` failed in the file system.
    pub(super) fn io(doing: &str, file: &Path, error: &io::Error) -> Self {
        let fault = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::Full,
            _ => Fault::Disk,
        };
        Self { fault, message: format!("cannot {doing} {}: {error}; {}", file.display(), remedy(error)) }
    }

    /// What libsql said about `file`.
    pub(super) fn sqlite(file: &Path, error: &libsql::Error) -> Self {
        let (code, text) = match error {
            libsql::Error::SqliteFailure(code, text) => (*code, text.clone()),
            // Its text ends with the code, and has it nowhere else.
            libsql::Error::ConnectionFailed(text) => {
                (text.rsplit(' ').next().and_then(|code| code.parse().ok()).unwrap_or(0), text.clone())
            }
            other => (0, other.to_string()),
        };
        // Where there is no room for what it shares between its connections, SQLite speaks of the disk alone.
        let code = match code & 0xff {
            SQLITE_IOERR | SQLITE_CANTOPEN if is_full(file) => SQLITE_FULL,
            _ => code,
        };
        let file = file.display();
        let (fault, message) = match (code & 0xff, code) {
            (SQLITE_FULL, _) => (
                Fault::Full,
                format!(
                    "the disk is full: nothing more fits into {file}; free some space on its file system"
                ),
            ),
            (SQLITE_BUSY | SQLITE_LOCKED, _) => (
                Fault::Busy,
                format!("{file} is locked by another process ({text}); stop whatever else has the file open"),
            ),
            (SQLITE_READONLY | SQLITE_PERM | SQLITE_CANTOPEN | SQLITE_AUTH, _) => (
                Fault::Disk,
                format!(
                    "cannot open or write {file} ({text}); make it, the files beside it and its directory readable \
                     and writable for the user the server runs as"
                ),
            ),
            (SQLITE_CORRUPT, _) => (
                Fault::Damaged,
                format!("{file} is damaged ({text}); stop the server and restore a backup of the file"),
            ),
            (SQLITE_NOTADB, _) => (Fault::Damaged, not_a_database(&file)),
            (SQLITE_IOERR, _) => (
                Fault::Disk,
                format!(
                    "cannot read or write {file} ({text}, code {code}); check the disk and the file system"
                ),
            ),
            (_, SQLITE_CONSTRAINT_FOREIGNKEY) => (Fault::Reference, format!("{file}: {text}")),
            _ => (Fault::Other, format!("{file}: {text}")),
        };
        Self { fault, message }
    }
}

/// The line for a file that holds something else.
pub(super) fn not_a_database(file: &impl fmt::Display) -> String {
    format!(
        "{file} is not a database; it was left as it is: move it away to start anew, or put a backup of the database \
         in its place"
    )
}

// SQLite's result codes, of which libsql exports none: https://www.sqlite.org/rescode.html
const SQLITE_PERM: i32 = 3;
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_READONLY: i32 = 8;
const SQLITE_IOERR: i32 = 10;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;
const SQLITE_AUTH: i32 = 23;
const SQLITE_NOTADB: i32 = 26;
const SQLITE_CONSTRAINT_FOREIGNKEY: i32 = 787;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error.fault {
            Fault::Full => Self::new(
                Kind::Unavailable,
                code::FULL,
                "Nothing was saved: the disk of the server is full. Free some space there and try again.",
            ),
            Fault::Busy => Self::new(
                Kind::Unavailable,
                code::BUSY,
                "The database is locked by another program on the server. Try again in a moment.",
            ),
            Fault::Disk => Self::new(
                Kind::Unavailable,
                code::FAILED,
                "The disk of the server fails or cannot be written: nothing was saved. The log of the server says what to do.",
            ),
            Fault::Damaged => Self::new(
                Kind::Unavailable,
                code::DAMAGED,
                "The database of the server is damaged. Stop the server and restore a backup.",
            ),
            Fault::Reference => Self::conflict(
                "reference_conflict",
                "Nothing was saved: something named here is gone, or what is to be deleted is still in use.",
            ),
            Fault::Other => return Self::internal(error.message),
        }
        .detail(error.message)
    }
}

/// At start, what a query says is what the operator reads.
impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}
