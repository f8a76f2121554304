//! A copy of the database beside it, made before a migration touches it.
//!
//! The copy is complete and on disk under its name, or it is not there: it is written under another name first. It
//! holds secrets like the original, so it is its owner's only. It stays until the operator asks for its removal.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::Conn;
use super::error::StoreError;
use super::file;
use super::migrate::SEALED_SINCE;
use crate::clock::{Clock, Millis};
use crate::files::{create_new, remove_if_there, sync_directory, with_suffix};

/// What stands between the database's name and the version in a copy's name.
const BEFORE: &str = ".before-v";

/// Copies the whole database, what is only in its write-ahead log included. Answers where the copy lies.
///
/// # Errors
/// The copy cannot be written, such as for want of space, or the database is damaged.
pub(super) fn before_version(db: &Conn, version: i64) -> Result<PathBuf, StoreError> {
    let file = db.file();
    let partial = with_suffix(file, ".backup-partial");
    let failed = |e: io::Error| StoreError::io("write the backup", &partial, &e);
    remove_if_there(&partial).map_err(failed)?;
    // SQLite fills an empty file, and would make one that anyone may read.
    let copy = create_new(&partial).map_err(failed)?;
    let Some(partial_text) = partial.to_str() else {
        return Err(StoreError::new(format!("the path {} is no UTF-8; choose another", partial.display())));
    };
    db.execute("VACUUM INTO ?1", [partial_text]).map_err(|e| {
        // The half copy is of no use and takes the space that may be what is missing.
        let _ = fs::remove_file(&partial);
        StoreError::new(format!("no backup could be made of {}, so nothing was changed: {e}", file.display()))
    })?;
    copy.sync_all().map_err(failed)?;

    let stamp = time_stamp(db)?;
    let kept = (1..)
        .map(|n| if n == 1 { String::new() } else { format!("-{n}") })
        .map(|again| with_suffix(file, &format!("{BEFORE}{version}-{stamp}{again}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| partial.clone());
    fs::rename(&partial, &kept).map_err(failed)?;
    file.parent().map_or(Ok(()), sync_directory).map_err(failed)?;
    Ok(kept)
}

/// The copies in a data directory, by name, each with the version that it is from before.
fn all(data_directory: &Path) -> Result<Vec<(i64, PathBuf)>, StoreError> {
    let failed = |e| StoreError::io("look for backups in", data_directory, &e);
    let prefix = format!("{}{BEFORE}", file::NAME);
    let mut found = Vec::new();
    for entry in fs::read_dir(data_directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if let Some(version) = name.strip_prefix(&prefix).and_then(version_of)
            && path.symlink_metadata().is_ok_and(|is| is.is_file())
        {
            found.push((version, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The version in what follows in a copy's name, if that is as this module writes it: `1-20260102T030405Z`, and perhaps
/// `-2`. Whatever else begins alike is somebody else's.
fn version_of(rest: &str) -> Option<i64> {
    let mut parts = rest.split('-');
    let (version, stamp, again) = (parts.next()?, parts.next()?, parts.next());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (day, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    let exact = digits(version) && digits(day) && day.len() == 8 && digits(time) && time.len() == 6;
    (exact && again.is_none_or(digits) && parts.next().is_none()).then(|| version.parse().ok())?
}

/// A copy of the database beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The name of its file.
    pub name: String,
    /// When it was made.
    pub made: Millis,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The copies beside an open database, the oldest first.
///
/// # Errors
/// The data directory cannot be read.
pub fn beside(db: &Conn) -> Result<Vec<Backup>, StoreError> {
    let directory = db.file().parent().unwrap_or(db.file());
    let mut found = Vec::new();
    for (_, path) in all(directory)? {
        // One that is removed at this moment is none.
        let Ok(is) = path.metadata() else { continue };
        let made = is.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let made = Millis::try_from(made.as_millis()).unwrap_or(Millis::MAX);
        found.push(Backup { name, made, bytes: is.len() });
    }
    found.sort_by_key(|backup| backup.made);
    Ok(found)
}

/// The copies that hold secrets readable.
///
/// # Errors
/// The data directory cannot be read.
pub(super) fn readable(data_directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let readable = |(version, path)| (version <= SEALED_SINCE).then_some(path);
    Ok(all(data_directory)?.into_iter().filter_map(readable).collect())
}

/// Removes all copies in a data directory. Answers what was removed.
///
/// # Errors
/// One cannot be removed; the message names it.
pub fn remove_all(data_directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let paths: Vec<_> = all(data_directory)?.into_iter().map(|(_, path)| path).collect();
    for path in &paths {
        fs::remove_file(path).map_err(|e| StoreError::io("remove the backup", path, &e))?;
    }
    sync_directory(data_directory).map_err(|e| StoreError::io("sync", data_directory, &e))?;
    Ok(paths)
}

/// `20260102T030405Z`, by SQLite's calendar.
fn time_stamp(db: &Conn) -> Result<String, StoreError> {
    let sql = "SELECT CAST(strftime('%Y%m%dT%H%M%SZ', ?1 / 1000, 'unixepoch') AS BLOB)";
    Ok(db.query_one(sql, [Clock::default().now()], |row| row.text(0))?.unwrap_or_default())
}
