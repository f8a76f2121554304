//! A log file of each day, named after it: `netignite.2026-01-31.log` for `netignite.log`, by UTC.
//!
//! What is deleted is exactly what this module names so, by the day in the name. Whatever else lies beside it, however
//! much its name looks alike, is somebody else's.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

use crate::clock::Millis;
use crate::files;

/// How the files of a log are named.
#[derive(Debug, Clone)]
pub(super) struct Names {
    directory: PathBuf,
    stem: String,
    extension: Option<String>,
}

impl Names {
    pub(super) fn of(path: &Path) -> Self {
        let text = |part: Option<&OsStr>| part.map(|p| p.to_string_lossy().into_owned());
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self {
            directory: directory.to_owned(),
            stem: text(path.file_stem()).unwrap_or_default(),
            extension: text(path.extension()),
        }
    }

    fn file_of(&self, day: Date) -> PathBuf {
        let extension = self.extension.iter().map(|extension| format!(".{extension}")).collect::<String>();
        self.directory.join(format!("{}.{day}{extension}", self.stem))
    }

    /// The day in a name that is as [`file_of`](Self::file_of) makes it.
    fn day_of(&self, name: &str) -> Option<Date> {
        let rest = name.strip_prefix(&self.stem)?.strip_prefix('.')?;
        let day = match &self.extension {
            Some(extension) => rest.strip_suffix(extension.as_str())?.strip_suffix('.')?,
            None => rest,
        };
        let day: Date = day.parse().ok()?;
        (self.file_of(day).file_name() == Some(OsStr::new(name))).then_some(day)
    }

    /// Deletes the files of all days but the last `keep` before and with the day of `until`.
    pub(super) fn tidy(&self, keep: usize, until: Millis) -> io::Result<()> {
        let Ok(keep) = i64::try_from(keep) else { return Ok(()) };
        let Some(oldest) = day(until).and_then(|day| day.checked_sub((keep - 1).days()).ok()) else {
            return Ok(());
        };
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let old =
                entry.file_name().to_str().and_then(|name| self.day_of(name)).is_some_and(|day| day < oldest);
            if old && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                files::remove_if_there(&entry.path())?;
            }
        }
        Ok(())
    }

    /// The end of the newest day before today that has a file: that day the clock has shown.
    pub(super) fn last_written(&self) -> Option<Millis> {
        let entries = fs::read_dir(&self.directory).ok()?;
        let days = entries.flatten().filter_map(|entry| self.day_of(entry.file_name().to_str()?));
        let end = days.filter(|day| *day < today()).max()?.tomorrow().ok()?;
        Some(Offset::UTC.to_timestamp(end.at(0, 0, 0, 0)).ok()?.as_millisecond())
    }
}

fn day(at: Millis) -> Option<Date> {
    Some(Offset::UTC.to_datetime(Timestamp::from_millisecond(at).ok()?).date())
}

/// Writes to the file of the day.
pub(super) struct DayFile {
    names: Names,
    day: Date,
    file: File,
}

impl DayFile {
    pub(super) fn open(names: Names) -> io::Result<Self> {
        fs::create_dir_all(&names.directory)?;
        let day = today();
        let file = open(&names.file_of(day))?;
        Ok(Self { names, day, file })
    }
}

fn today() -> Date {
    Offset::UTC.to_datetime(Timestamp::now()).date()
}

/// Opens a file to write at its end; one that is missing is made, for its owner alone.
fn open(path: &Path) -> io::Result<File> {
    files::open_or_create(path)?;
    OpenOptions::new().append(true).open(path)
}

impl Write for DayFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let today = today();
        if today != self.day {
            self.day = today;
            // The old one does until the new one can be made.
            if let Ok(file) = open(&self.names.file_of(today)) {
                self.file = file;
            }
        }
        self.file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_is_named_as_written_is_old() {
        let names = Names::of(Path::new("/logs/netignite.log"));
        let day: Date = "2026-01-31".parse().unwrap();
        assert_eq!(names.file_of(day), Path::new("/logs/netignite.2026-01-31.log"));
        assert_eq!(names.day_of("netignite.2026-01-31.log"), Some(day));
        for other in [
            "netignite.log",
            "netignite-agent.2026-01-31.log",
            "netignite.2026-01-31.log.gz",
            "netignite.2026-01-31-copy.log",
            "netignite.2026-1-31.log",
            "netignite.20260131.log",
            "netignite.2026-02-31.log",
            "netignite..log",
            "xnetignite.2026-01-31.log",
        ] {
            assert_eq!(names.day_of(other), None, "{other}");
        }
        assert_eq!(Names::of(Path::new("plain")).day_of("plain.2026-01-31"), Some(day));
    }
}
