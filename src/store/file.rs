//! The database's file in its directory: made for its owner only, looked at before anything may change it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::{StoreError, not_a_database};

/// The file's name.
pub(super) const NAME: &str = "db.sqlite";
/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Makes the directory and an empty file where there are none, and answers the file's absolute path.
///
/// # Errors
/// They cannot be made or opened, or the file begins like no database does.
pub(super) fn prepare(directory: &Path) -> Result<PathBuf, StoreError> {
    if !directory.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|e| StoreError::io("make the data directory", directory, &e))?;
    }
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
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = open.map_err(|e| StoreError::io("open the database", &path, &e))?;
    let mut head = Vec::new();
    file.by_ref()
        .take(MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(|e| StoreError::io("read the database", &path, &e))?;
    if !head.is_empty() && head != MAGIC {
        return Err(StoreError::new(not_a_database(&path.display())));
    }
    Ok(path)
}

/// Takes the file, and what SQLite keeps beside it, away from everyone but its owner.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        match fs::set_permissions(&file, Permissions::from_mode(0o600)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("restrict the permissions of", &file, &e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes what was created or renamed in `directory` survive a power cut.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
