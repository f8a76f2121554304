//! Whether what is open is still what lies in the data directory, and whether writing works.
//!
//! A deleted file goes on working for whoever has it open, and everything written to it is lost. So the writer looks at
//! the files' identity before each commit and before it is acknowledged, which costs five calls of the system, and the
//! server looks every few seconds. While something is lost nothing is saved, and the reason is said; a file that comes
//! back ends it. The files are looked at by name: opening and closing one here would free SQLite's locks on it.
//!
//! Another database may also be copied into the open file. As the file changes only when the write-ahead log is written
//! back into it, its size and time then say so. What others wrote into one of the files is never written back or
//! checkpointed: it may be the backup that somebody is just restoring.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{error, info, warn};

use super::Conn;
use super::error::{StoreError, code};
use super::file::MAGIC;
use super::mark::Mark;
use crate::error::{Error, Kind, Result};
use crate::files::{remedy, with_suffix};

/// Looks at the files, and remembers how writing went.
pub(super) struct Watch {
    /// The database's file, kept open so that closing it frees no lock. Its connections are closed before.
    database: File,
    path: PathBuf,
    /// Whether times of changes are exact there.
    exact: bool,
    files: Mutex<Vec<Watched>>,
    lost: Mutex<Option<Error>>,
    /// The master key's file is.
    keyless: Mutex<Option<Error>>,
    failing: Mutex<Option<Error>>,
    damaged: Mutex<Option<Error>>,
    /// The size of the database's file, and when it was changed; none while the log is written back into it.
    content: Mutex<Option<Content>>,
    /// How long the write-ahead log was when it was looked at last: it is cut only at the end.
    log_length: AtomicU64,
    /// Whether everything may have to be written back, since the write-ahead log is lost.
    rescue: AtomicBool,
    opened: Instant,
    /// When something was last saved, in milliseconds since then.
    saved: AtomicU64,
}

/// A file, and which one it was when it was opened.
struct Watched {
    path: PathBuf,
    name: String,
    identity: (u64, u64),
    suffix: &'static str,
    /// The write-ahead log's alone is kept open: no lock lies on it.
    log: Option<File>,
}

/// Size in bytes and time of the last change, in seconds and what is finer.
#[derive(Clone, Copy)]
struct Content {
    size: u64,
    time: (i64, i64),
}

impl Content {
    fn of(is: &Metadata) -> Self {
        Self { size: is.len(), time: (is.mtime(), is.mtime_nsec()) }
    }

    /// Whether it was changed. Where times are not `exact` what is finer than seconds may be rounded later.
    fn differs(self, now: Self, exact: bool) -> bool {
        let is_later = if exact { self.time != now.time } else { self.time.0.abs_diff(now.time.0) > 1 };
        self.size != now.size || is_later
    }
}

/// File systems of one machine that round times when these are set, and not later: those of ext, XFS, Btrfs, tmpfs,
/// overlays, F2FS and ZFS, as `statfs` calls them.
const EXACT: [u64; 7] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0xf2f5_2010, 0x2fc1_2fc1];

#[cfg(target_os = "linux")]
fn has_exact_times(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|is| u64::try_from(is.f_type).is_ok_and(|kind| EXACT.contains(&kind)))
}

#[cfg(not(target_os = "linux"))]
fn has_exact_times(_: &File) -> bool {
    false
}

/// What a write-ahead log begins with, but for its last bit.
const LOG_MAGIC: u32 = 0x377f_0682;

impl Watch {
    /// For the database whose file `database` at `path` is.
    pub(super) fn over(database: File, path: &Path) -> Self {
        Self {
            exact: has_exact_times(&database),
            database,
            path: path.to_owned(),
            files: Mutex::default(),
            lost: Mutex::default(),
            keyless: Mutex::default(),
            failing: Mutex::default(),
            damaged: Mutex::default(),
            content: Mutex::default(),
            log_length: AtomicU64::new(0),
            rescue: AtomicBool::new(false),
            opened: Instant::now(),
            saved: AtomicU64::new(0),
        }
    }

    /// Remembers which files are open. Call it when every connection has read something.
    pub(super) fn begin(&self) -> Result<(), StoreError> {
        let failed = |e| StoreError::io("look at", &self.path, &e);
        let mut files = Vec::new();
        for suffix in ["", "-wal", "-shm"] {
            let path = with_suffix(&self.path, suffix);
            let is = match suffix {
                "" => self.database.metadata(),
                _ => fs::metadata(&path),
            };
            match is {
                Ok(is) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let log = (suffix == "-wal").then(|| File::open(&path)).transpose().map_err(failed)?;
                    files.push(Watched { path, name, identity: identity(&is), suffix, log });
                }
                // In such a database there is none, and nothing of it can be lost.
                Err(e) if !suffix.is_empty() && e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(failed(e)),
            }
        }
        *self.files.lock() = files;
        match self.look() {
            Ok(()) => Ok(()),
            Err(e) => Err(StoreError::new(e.to_string())),
        }
    }

    /// Looks at the files. An error says what is lost; it is logged when that changes.
    pub(super) fn look(&self) -> Result<()> {
        let found = self.files.lock().iter().find_map(|file| self.fault_of(file));
        let fault = found.map(|(fault, is_whole)| {
            if is_whole && self.lost.lock().is_none() {
                self.rescue.store(true, Relaxed);
            }
            fault
        });
        self.note(&self.lost, fault)
    }

    /// The log is about to be written back into the database's file, or to be begun anew.
    pub(super) fn busy(&self) {
        *self.content.lock() = None;
    }

    /// The log was written back.
    pub(super) fn settled(&self) {
        self.log_length.store(0, Relaxed);
        *self.content.lock() = self.database.metadata().ok().as_ref().map(Content::of);
    }

    /// Whether the files may be written to when they are closed. An error says what is wrong with them.
    pub(super) fn is_whole(&self) -> Result<()> {
        let _ = self.look();
        let of = |place: &Mutex<Option<Error>>| place.lock().clone();
        of(&self.lost).or_else(|| of(&self.damaged)).map_or(Ok(()), Err)
    }

    /// Whether anything was found to be lost or damaged, and still is: for the begin of a transaction, whose end looks
    /// itself.
    pub(super) fn standing(&self) -> Result<()> {
        if self.lost.lock().is_some() || self.damaged.lock().is_some() {
            self.look()?;
        }
        if let Some(damaged) = &*self.damaged.lock() {
            return Err(damaged.clone());
        }
        self.keyless.lock().clone().map_or(Ok(()), Err)
    }

    /// Notes what is wrong with the master key's file, or that nothing is.
    pub(super) fn note_key(&self, fault: Option<String>) {
        let fault = fault.map(|what| {
            let text = format!(
                "Nothing was saved: {what}, and what is sealed now could not be read after a restart. Put the file back, \
                 from a backup if need be; the server then goes on without a restart."
            );
            Error::new(Kind::Unavailable, code::LOST, text.clone()).detail(text)
        });
        let _ = self.note(&self.keyless, fault);
    }

    fn note(&self, place: &Mutex<Option<Error>>, fault: Option<Error>) -> Result<()> {
        let mut lost = place.lock();
        match (&*lost, &fault) {
            (None, Some(fault)) => error!("nothing is saved any more: {fault}"),
            (Some(_), None) => {
                info!("what was missing beside or at {} is back: saving goes on", self.path.display())
            }
            (Some(before), Some(fault)) if before.message() != fault.message() => {
                error!("nothing is saved any more: {fault}");
            }
            _ => {}
        }
        (*lost).clone_from(&fault);
        fault.map_or(Ok(()), Err)
    }

    /// What is wrong with a file, and whether what is open of it can still be written back.
    fn fault_of(&self, file: &Watched) -> Option<(Error, bool)> {
        let name = &file.name;
        let is_log = !file.suffix.is_empty();
        let (what, is_whole) = match fs::metadata(&file.path) {
            Ok(is) if identity(&is) != file.identity => (
                format!(
                    "{name} was replaced by another file while the server runs. Restart the server, which then goes on \
                     with what lies in the data directory"
                ),
                is_log,
            ),
            Ok(is) if !is_log && (is.len() == 0 || !self.is_database()) => (
                format!(
                    "{name} was emptied or overwritten while the server runs. Stop the server, restore a backup of the \
                     file without the -wal and -shm beside it, and restart the server"
                ),
                false,
            ),
            Ok(is) if !is_log && self.was_changed(&is) => (
                format!(
                    "{name} was changed by another program while the server runs. If a backup was copied over it, stop \
                     the server, copy the backup once more, remove the -wal and -shm beside it, and restart the server"
                ),
                false,
            ),
            Ok(is) if self.was_cut(file, &is) => (
                format!(
                    "{name} was emptied or overwritten while the server runs. Stop the server, restore a backup of the \
                     database without the -wal and -shm beside it, and restart the server"
                ),
                false,
            ),
            Ok(_) => return None,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !is_log => (
                format!(
                    "{name} was deleted or moved, or its directory was, while the server runs. Put that very file back, \
                     or restart the server, which then goes on with what lies in the data directory"
                ),
                false,
            ),
            Err(e) if e.kind() == io::ErrorKind::NotFound => (
                format!(
                    "{name} was deleted while the server runs. Restart the server; it keeps its files itself, so that \
                     none of them is to be deleted"
                ),
                true,
            ),
            Err(e) => (
                format!(
                    "{name} cannot be reached: {e}; {}, then restart the server if that does not help",
                    remedy(&e)
                ),
                is_log,
            ),
        };
        let detail = format!("{} is lost: {what}", file.path.display());
        let text = format!("Nothing was saved: {what}.");
        Some((Error::new(Kind::Unavailable, code::LOST, text).detail(detail), is_whole))
    }

    /// Whether somebody else wrote into the database's file.
    fn was_changed(&self, is: &Metadata) -> bool {
        // Locked meanwhile, so that the writer does not begin to write the log back.
        let content = self.content.lock();
        content.is_some_and(|before| before.differs(Content::of(is), self.exact))
    }

    /// Whether somebody else wrote into the write-ahead log.
    fn was_cut(&self, file: &Watched, is: &Metadata) -> bool {
        let Some(log) = &file.log else { return false };
        // A log that is begun anew keeps its length, but while it is written back it may be cut.
        if self.content.lock().is_none() {
            return false;
        }
        if self.log_length.fetch_max(is.len(), Relaxed) > is.len() {
            return true;
        }
        let mut magic = [0; 4];
        is.len() >= 4
            && log.read_exact_at(&mut magic, 0).is_ok()
            && u32::from_be_bytes(magic) & !1 != LOG_MAGIC
    }

    /// Whether the open file begins as a database does.
    fn is_database(&self) -> bool {
        let mut head = [0; MAGIC.len()];
        self.database.read_exact_at(&mut head, 0).is_ok_and(|()| head == *MAGIC)
    }

    /// Writes everything back into the database's file if it is only the write-ahead log that is lost: what was
    /// acknowledged is in it. On the writer's thread.
    pub(super) fn rescue(&self, db: &Conn, mark: &Mark) {
        if !self.rescue.swap(false, Relaxed) {
            return;
        }
        self.busy();
        let written = db.query_int("PRAGMA wal_checkpoint(TRUNCATE)", ());
        self.settled();
        match &written {
            Ok(0) => {
                // No log is missed at the next start, which may come as soon as this is said.
                mark.busy();
                warn!(
                    "what was saved before {}-wal and -shm were touched is written back into {0}; restart the server",
                    self.path.display()
                );
            }
            Ok(_) => error!(
                "what is in the lost {}-wal could not be written back: it is in use",
                self.path.display()
            ),
            Err(e) => {
                error!("what is in the lost {}-wal could not be written back: {e}", self.path.display())
            }
        }
    }

    /// Something was saved.
    pub(super) fn saved(&self) {
        self.saved.store(u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
        let mut failing = self.failing.lock();
        // On a full disk a small change may still find a place; one that fills what a large one needs says more.
        if failing.as_ref().is_some_and(|e| e.code() != code::FULL) {
            *failing = None;
            info!("writing to {} works again", self.path.display());
        }
    }

    /// As much as any change needs was saved.
    pub(super) fn saved_much(&self) {
        if self.failing.lock().take().is_some() {
            info!("writing to {} works again", self.path.display());
        }
    }

    /// Something failed. What lies in the database or the disk makes the server not ready.
    pub(super) fn failed(&self, e: &Error) {
        let place = match e.code() {
            code::FULL | code::FAILED | code::BUSY => &self.failing,
            code::DAMAGED => &self.damaged,
            _ => return,
        };
        let mut place = place.lock();
        if place.as_ref().is_none_or(|before| before.code() != e.code()) {
            error!("{e}");
        }
        *place = Some(e.clone());
    }

    /// Why the database cannot be worked with now.
    pub(super) fn trouble(&self) -> Option<Error> {
        let of = |place: &Mutex<Option<Error>>| place.lock().clone();
        of(&self.lost)
            .or_else(|| of(&self.keyless))
            .or_else(|| of(&self.damaged))
            .or_else(|| of(&self.failing))
    }

    /// Whether writing failed last.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.lock().is_some()
    }

    /// How long nothing was saved.
    pub(super) fn idle(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.saved.load(Relaxed)))
    }
}

fn identity(is: &Metadata) -> (u64, u64) {
    (is.dev(), is.ino())
}
