//! The master key's file in the data directory: `secret.key`, its owner's alone.
//!
//! A new key is written beside it, complete and on disk, before anything is wrapped with it, and takes its place
//! afterwards. Whatever interrupts the change, one of the two files holds the key in force, and
//! [`settle`](KeyFile::settle) finishes it.

use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::KeyError;
use super::master::MasterKey;
use super::origin::read_text;
use crate::files::{self, remedy, remove_if_there, with_suffix};

/// The file, and the one that a new key is written to.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    new: PathBuf,
}

impl KeyFile {
    pub(super) fn of(data_directory: &Path) -> Self {
        let path = data_directory.join("secret.key");
        // Where it is a link, what it leads to is the file.
        let path = files::resolve(&path).unwrap_or(path);
        Self { new: with_suffix(&path, ".new"), path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// The keys that the file's text may mean, the likeliest first, if there is the file. Who else may read it no longer
    /// may.
    pub(super) fn read(&self) -> Result<Option<Vec<MasterKey>>, KeyError> {
        let text = match read_text(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.failed("read", &self.path, &e)),
        };
        let keys = MasterKey::candidates(&text).map_err(|e| {
            KeyError::new(format_args!(
                "the master key in {} is {e}; put the right file there from a backup",
                self.path.display()
            ))
        })?;
        self.make_private()?;
        Ok(Some(keys))
    }

    fn make_private(&self) -> Result<(), KeyError> {
        let failed = |e: io::Error| self.failed("restrict the permissions of", &self.path, &e);
        let open = files::is_open_to_others(&self.path).map_err(failed)?;
        if open && !files::make_private(&self.path).map_err(failed)? {
            warn!(
                "others than its owner may be able to read {}: its permissions cannot be narrowed here; give the key in \
                 NETIGNITE_SECRET_KEY_FILE from a place that only the server's user reaches",
                self.path.display()
            );
        } else if open {
            warn!(
                "others than its owner could read {}, and no longer can; if anyone may have, change the key with \
                 `netignite secrets rotate-key --master` and give the agents new secrets",
                self.path.display()
            );
        }
        Ok(())
    }

    /// The key that a change of the key left beside the file. A change that was interrupted may have left half of it.
    pub(super) fn read_new(&self) -> Option<MasterKey> {
        MasterKey::from_text(&read_text(&self.new).ok()?).ok()
    }

    /// Writes a key beside the file: complete, for its owner alone, and on disk.
    pub(super) fn write_new(&self, key: &MasterKey) -> Result<(), KeyError> {
        let text = zeroize::Zeroizing::new(format!("{}\n", key.text()));
        files::write_draft(&self.new, &self.path, text.as_bytes())
            .map_err(|e| self.failed("write the master key", &self.new, &e))
    }

    /// Puts the key that lies beside the file in its place.
    pub(super) fn put_in_place(&self) -> Result<(), KeyError> {
        files::put_in_place(&self.new, &self.path)
            .map_err(|e| self.failed("put the master key in place from", &self.new, &e))
    }

    /// Finishes or forgets a change of the key that was interrupted: `in_force` is the key it left.
    pub(super) fn settle(&self, in_force: &MasterKey) -> Result<(), KeyError> {
        match self.read_new() {
            Some(key) if key.same(in_force) => self.put_in_place(),
            _ => remove_if_there(&self.new).map_err(|e| self.failed("remove", &self.new, &e)),
        }
    }

    /// What is wrong with the file, which should hold `in_force`, for a person.
    pub(super) fn fault(&self, in_force: &MasterKey) -> Option<String> {
        match read_text(&self.path).map(|text| MasterKey::candidates(&text)) {
            Ok(Ok(keys)) if keys.iter().any(|key| key.same(in_force)) => None,
            Ok(_) => Some("secret.key holds another key than the one in force".into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Some("secret.key was deleted or moved".into()),
            Err(e) => Some(format!("secret.key cannot be read: {}", remedy(&e))),
        }
    }

    fn failed(&self, doing: &str, path: &Path, error: &io::Error) -> KeyError {
        KeyError::new(format_args!("cannot {doing} {}: {error}; {}", path.display(), remedy(error)))
    }
}
