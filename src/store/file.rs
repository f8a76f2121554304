//! The database's file in its directory: made for its owner only, looked at before anything may change it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::error::{StoreError, not_a_database};
use crate::files::{self, with_suffix};

/// The file's name.
pub(super) const NAME: &str = "db.sqlite";
/// What every SQLite file begins with.
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Makes the directory and an empty file where there are none, and answers the file, opened, and its absolute path.
///
/// # Errors
/// They cannot be made or opened, or the file begins like no database does.
pub(super) fn prepare(directory: &Path) -> Result<(File, PathBuf), StoreError> {
    files::create_directory(directory)
        .map_err(|e| StoreError::io("make the data directory", directory, &e))?;
    // SQLite would take a relative path that begins with `file:` for a URI.
    let directory =
        fs::canonicalize(directory).map_err(|e| StoreError::io("find the data directory", directory, &e))?;
    let path = directory.join(NAME);
    if path.is_dir() {
        return Err(StoreError::new(format!(
            "{} is a directory; move it away: the database's file belongs there",
            path.display()
        )));
    }
    let mut file =
        files::open_or_create(&path).map_err(|e| StoreError::io("open the database", &path, &e))?;
    let mut head = Vec::new();
    file.by_ref()
        .take(MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(|e| StoreError::io("read the database", &path, &e))?;
    if !head.is_empty() && head != MAGIC {
        return Err(StoreError::new(not_a_database(&path.display())));
    }
    Ok((file, path))
}

/// Takes the file, and what SQLite keeps beside it, away from everyone but its owner.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let file = with_suffix(path, suffix);
        match files::make_private(&file) {
            Ok(true) => {}
            Ok(false) => warn!(
                "others than its owner may be able to read {}: its permissions cannot be narrowed here; see to it that \
                 only the server's user reaches the data directory",
                file.display()
            ),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::io("restrict the permissions of", &file, &e)),
        }
    }
    Ok(())
}

/// Whether the data directory has had a database that is missing, or empty, now: the key to it is there.
///
/// # Errors
/// It cannot be looked at.
pub fn is_bereft(data_directory: &Path) -> io::Result<bool> {
    let has = |name: &str| match fs::metadata(data_directory.join(name)) {
        Ok(is) => Ok(Some(is.len())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    };
    Ok(has("secret.key")?.is_some() && has(NAME)?.is_none_or(|length| length == 0))
}
