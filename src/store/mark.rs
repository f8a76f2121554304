//! What ties the database's file to its write-ahead log: a small file beside them, `db.sqlite-mark`.
//!
//! SQLite applies whatever write-ahead log lies beside a database. A backup that is put in the place of the database
//! after a kill is thus undone or damaged by what the killed server left. The mark says which file the log belongs to;
//! as the database's file changes only when the log is written back into it, which the writer alone does, it can be
//! exact. It is good for the time since the machine was started; beyond that, and where everything was moved together,
//! the database's content is checked instead.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tracing::{info, warn};

use super::Conn;
use super::error::StoreError;
use crate::files::{open_or_create, remove_if_there, with_suffix};

/// Up to this size a database is checked with its indexes, in bytes.
const SMALL: u64 = 64 << 20;
/// Up to this size it is checked at all.
const LARGE: u64 = 1 << 30;

/// What is known of the two files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// Which start of the machine this is.
    boot: String,
    /// Whether the log was perhaps just being written back, so that the database's size and time say nothing.
    busy: bool,
    database: (u64, u64, i64),
    log: u64,
    /// The first half of what the log's header begins its checksums with, which grows by one when the log begins anew.
    salt: u32,
}

/// What the mark says of the files as they are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They belong together, or there is no log.
    Together,
    /// Nobody knows: the content is to be checked.
    Unknown,
    /// They do not belong together.
    Apart,
    /// There is no log, though something was saved in one.
    Missing,
}

/// The file, while the database is open.
pub(super) struct Mark {
    file: Mutex<Option<File>>,
    path: PathBuf,
    database: PathBuf,
}

fn log_of(database: &Path) -> PathBuf {
    with_suffix(database, "-wal")
}

/// Looks at the files before anything opens them.
pub(super) fn judge(database: &Path) -> Verdict {
    let text = fs::read_to_string(with_suffix(database, "-mark")).unwrap_or_default();
    if fs::metadata(log_of(database)).map_or(0, |is| is.len()) == 0 {
        // Whoever puts a backup back removes both; at an orderly stop neither is left.
        let one_was_left = with_suffix(database, "-shm").exists() && !log_of(database).exists();
        let is_lost = one_was_left && State::read(&text).is_some_and(|then| !then.busy && then.log != 0);
        return if is_lost { Verdict::Missing } else { Verdict::Together };
    }
    let (Some(then), Some(now)) = (State::read(&text), State::now(database, false)) else {
        return Verdict::Unknown;
    };
    if then.boot != now.boot {
        return Verdict::Unknown;
    }
    let same_file = then.database.0 == now.database.0;
    let same = same_file && (then.busy || then.database == now.database);
    let follows = now.salt == then.salt || now.salt == then.salt.wrapping_add(1);
    match (same, follows, then.log == now.log) {
        // While it was opened, closed or written back the log may have begun anew; without one there was nothing to tie.
        (true, ..) if then.busy || then.salt == 0 => Verdict::Unknown,
        (true, true, _) => Verdict::Together,
        (true, false, _) | (false, true, true) => Verdict::Apart,
        (false, ..) => Verdict::Unknown,
    }
}

/// Refuses files that do not belong together, or whose content shows that they do not. `db` must not be able to write.
pub(super) fn check(db: &Conn, verdict: Verdict) -> Result<(), StoreError> {
    let path = db.file();
    let damaged = match verdict {
        Verdict::Together => return Ok(()),
        Verdict::Missing => {
            let database = path.display();
            return Err(StoreError::new(format!(
                "{database}-wal is missing beside {database}-shm: what was saved last is in it. Nothing was changed. Put it \
                 back and start again; if it is lost, or {database} is a backup, remove {database}-shm to start with what \
                 is in {database} alone"
            )));
        }
        Verdict::Apart => None,
        Verdict::Unknown => {
            let size = fs::metadata(path).map_or(0, |is| is.len());
            let sql = match size {
                size if size <= SMALL => "PRAGMA integrity_check(1)",
                size if size <= LARGE => "PRAGMA quick_check(1)",
                _ => {
                    warn!("{} is too large to be checked at the start beside its -wal", path.display());
                    return Ok(());
                }
            };
            match db.pragma(sql) {
                Ok(word) if word == "ok" => {
                    info!("{} was left with a -wal, and is whole", path.display());
                    return Ok(());
                }
                Ok(word) => Some(word),
                Err(e) => Some(e.to_string()),
            }
        }
    };
    let database = path.display();
    let what = match damaged {
        None => "was replaced, or they were: they are of two generations".to_owned(),
        Some(word) => format!("is damaged together with them ({})", word.lines().next().unwrap_or_default()),
    };
    Err(StoreError::new(format!(
        "{database} does not go with {database}-wal and {database}-shm beside it: it {what}. Nothing was changed. If {database} \
         is a backup that you have put there, remove {database}-wal and {database}-shm and start again; else put back the \
         file that they belong to, or a backup without them. If nothing was replaced at all, remove {database}-mark"
    )))
}

impl Mark {
    /// For a database that is about to be opened to write: from now on its file may change.
    pub(super) fn begin(database: &Path) -> Self {
        let path = with_suffix(database, "-mark");
        let mark = Self { file: Mutex::new(open_or_create(&path).ok()), path, database: database.to_owned() };
        mark.write(true);
        mark
    }

    /// Notes that the log is about to be written back, before anything of it is.
    pub(super) fn busy(&self) {
        self.write(true);
    }

    /// Notes the files as they are, until the log is written back again.
    pub(super) fn settled(&self) {
        self.write(false);
    }

    fn write(&self, busy: bool) {
        let mut file = self.file.lock();
        let Some(open) = &*file else { return };
        let text = match State::now(&self.database, busy) {
            Some(state) => state.text(),
            None => String::new(),
        };
        let written = open.set_len(0).and_then(|()| open.write_all_at(text.as_bytes(), 0));
        // What is not on disk after a power cut is of another start of the machine.
        if written.is_err() {
            // Without a mark the content is checked.
            *file = None;
            let _ = remove_if_there(&self.path);
        }
    }
}

impl State {
    fn now(database: &Path, busy: bool) -> Option<Self> {
        let is = fs::metadata(database).ok()?;
        let time = is.mtime().wrapping_mul(1_000_000_000).wrapping_add(is.mtime_nsec());
        let log = log_of(database);
        let mut salt = [0; 4];
        if let Ok(mut open) = File::open(&log) {
            let mut head = [0; 20];
            if open.read_exact(&mut head).is_ok() {
                salt.copy_from_slice(&head[16..]);
            }
        }
        Some(Self {
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned(),
            busy,
            database: (is.ino(), is.len(), time),
            log: fs::metadata(&log).map_or(0, |is| is.ino()),
            salt: u32::from_be_bytes(salt),
        })
    }

    fn text(&self) -> String {
        let Self { boot, busy, database: (file, size, time), log, salt } = self;
        format!("1 {boot} {} {file} {size} {time} {log} {salt} .\n", u8::from(*busy))
    }

    fn read(text: &str) -> Option<Self> {
        let words: Vec<_> = text.split_whitespace().collect();
        let ["1", boot, busy, file, size, time, log, salt, "."] = words[..] else { return None };
        Some(Self {
            boot: boot.to_owned(),
            busy: busy != "0",
            database: (file.parse().ok()?, size.parse().ok()?, time.parse().ok()?),
            log: log.parse().ok()?,
            salt: salt.parse().ok()?,
        })
    }
}
