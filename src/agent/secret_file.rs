//! The file that holds an agent's secret.
//!
//! A new secret takes the file's place, and the one before goes beside it, into `<file>.old`, until the server has taken
//! the new one. Until then both are tried, so that neither a server that does not know what it handed out nor a power cut
//! at any moment locks the agent out.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::AgentError;
use super::secret::{Candidate, readings};
use crate::files;
use crate::registry::{AgentSecret, BoxFuture, SecretKeeper};

/// Longer than any secret; a file beyond it is the wrong file.
const LONGEST: u64 = 4096;
/// How many new secrets are kept in [`WINDOW`]: each is written to the disk.
const KEPT: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// A file that holds the secret.
#[derive(Debug, Clone)]
pub(super) struct SecretFile {
    path: PathBuf,
    /// When new secrets were kept lately; and whether the file's mode was found fault with.
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    kept_since: Option<Instant>,
    kept: u32,
    warned: bool,
}

/// What a file looked like, to notice that somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(Option<(u64, u64, u64, SystemTime)>);

impl SecretFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, notes: Arc::default() }
    }

    /// The file itself: where the path is a link, what it leads to.
    fn target(&self) -> PathBuf {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        path.canonicalize().unwrap_or(path)
    }

    /// What the file looks like now. Blocks.
    pub(super) fn mark(&self) -> Mark {
        let metadata = std::fs::metadata(&self.path).ok();
        Mark(metadata.and_then(|m| Some((m.dev(), m.ino(), m.len(), m.modified().ok()?))))
    }

    /// See [`super::secret::Secret::candidates`].
    pub(super) fn candidates(&self) -> Result<Vec<Candidate>, AgentError> {
        let old = read_file(&beside(&self.target(), ".old")).ok();
        let read = read_file(&self.path).and_then(|(text, mode)| {
            self.warn_of_readers(mode);
            let found = readings(&text, false);
            if found.is_empty() {
                Err("empty; it must hold the agent's secret".to_owned())
            } else {
                Ok(found)
            }
        });
        let old = old.map(|(text, _)| readings(&text, true)).unwrap_or_default();
        match read {
            Ok(mut found) => {
                let same =
                    |a: &Candidate, b: &Candidate| a.secret.expose_secret() == b.secret.expose_secret();
                let old: Vec<_> =
                    old.into_iter().filter(|old| !found.iter().any(|new| same(old, new))).collect();
                found.extend(old);
                Ok(found)
            }
            // Half of a write that was cut off.
            Err(_) if !old.is_empty() => Ok(old),
            Err(what) => Err(AgentError(format!("--secret-file {}: {what}", self.path.display()))),
        }
    }

    fn warn_of_readers(&self, mode: u32) {
        let readable = mode & 0o007 != 0;
        let mut notes = self.notes.lock();
        if readable && !notes.warned {
            tracing::warn!(
                "--secret-file {}: every user of this machine can read the agent's secret; run chmod o= on the file",
                self.path.display()
            );
        }
        notes.warned = readable;
    }

    /// See [`super::secret::Secret::proven`].
    pub(super) fn proven(&self, candidate: &Candidate) -> io::Result<()> {
        let target = self.target();
        let old = beside(&target, ".old");
        if candidate.old {
            tracing::warn!(
                "The server refused the agent's new secret and took the one before, which is used again"
            );
            replace(&target, candidate.secret.expose_secret())?;
        }
        match std::fs::remove_file(&old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn keep_beside(&self, secret: &AgentSecret) -> io::Result<()> {
        let target = self.target();
        let secret = secret.get().expose_secret();
        // Somebody may have taken the file away; what was in it is lost then.
        let text = read_file(&target).map(|(text, _)| text).unwrap_or_default();
        let known = readings(&text, false);
        if known.first().is_some_and(|known| known.secret.expose_secret() == secret) {
            return Ok(());
        }
        self.count_kept()?;
        let old = beside(&target, ".old");
        // One that is there was proven; the one in the file was not yet.
        if !known.is_empty() && !old.exists() {
            replace(&old, &text)?;
        }
        replace(&target, secret)
    }

    /// Refuses more new secrets than anybody needs.
    fn count_kept(&self) -> io::Result<()> {
        let mut notes = self.notes.lock();
        let now = Instant::now();
        if notes.kept_since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            notes.kept_since = Some(now);
            notes.kept = 0;
        }
        notes.kept += 1;
        if notes.kept > KEPT {
            return Err(io::Error::other("too many new secrets within a minute"));
        }
        Ok(())
    }
}

impl SecretKeeper for SecretFile {
    fn keep<'a>(&'a self, secret: &'a AgentSecret) -> BoxFuture<'a, io::Result<()>> {
        let (file, secret) = (self.clone(), secret.clone());
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || file.keep_beside(&secret));
            written.await.map_err(io::Error::other)?
        })
    }
}

/// Writes the first secret of an agent into a file that was made for it.
pub(super) fn write_first(path: &Path, secret: &AgentSecret) -> io::Result<()> {
    replace(&SecretFile::at(path.to_owned()).target(), secret.get().expose_secret())
}

/// The path with something at its end.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(ending);
    name.into()
}

/// Puts a file with a line in the place of whatever is there, whole or not at all. It keeps its owner, and its mode if not
/// everyone may read it; a new one is for the owner of its directory alone.
fn replace(path: &Path, line: &str) -> io::Result<()> {
    let text = Zeroizing::new(format!("{}\n", line.trim_end_matches(['\r', '\n'])));
    files::replace(path, text.as_bytes())
}

/// The text of a file, and who may read it.
fn read_file(path: &Path) -> Result<(String, u32), String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mode = file.metadata().map_err(|e| e.to_string())?.mode();
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("longer than {LONGEST} bytes; it must hold the secret and nothing else"));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err("it is written in UTF-16; save it as UTF-8".to_owned());
    }
    String::from_utf8(bytes)
        .map(|text| (text, mode))
        .map_err(|_| "it is not text in UTF-8; it must hold the secret and nothing else".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::secret::Secret;
    use super::*;

    fn tried(secret: &Secret) -> Vec<String> {
        secret.candidates().unwrap().iter().map(|c| c.secret.expose_secret().to_owned()).collect()
    }

    fn kept(content: &str) -> (tempfile::TempDir, SecretFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (folder, SecretFile::at(path))
    }

    fn new(text: &str) -> AgentSecret {
        AgentSecret::try_from(text.to_owned()).unwrap()
    }

    fn files(folder: &tempfile::TempDir) -> usize {
        std::fs::read_dir(folder.path()).unwrap().count()
    }

    #[test]
    fn the_old_secret_stays_until_the_new_one_is_proven() {
        let (folder, file) = kept("the old one\n");
        let secret = Secret::File(file.clone());
        file.keep_beside(&new("the new one")).unwrap();
        assert_eq!(tried(&secret), ["the new one", "the old one"]);
        // A second one takes the place of the first, which nobody has seen.
        file.keep_beside(&new("the newest one")).unwrap();
        assert_eq!(tried(&secret), ["the newest one", "the old one"]);
        secret.proven(&secret.candidates().unwrap()[0]).unwrap();
        assert_eq!(tried(&secret), ["the newest one"]);
        assert_eq!(files(&folder), 1);
    }

    #[test]
    fn a_new_secret_that_the_server_refuses_gives_way_to_the_old_one() {
        let (folder, file) = kept("the old one\n");
        let secret = Secret::File(file.clone());
        file.keep_beside(&new("the new one")).unwrap();
        secret.proven(&secret.candidates().unwrap()[1]).unwrap();
        assert_eq!(tried(&secret), ["the old one"]);
        assert_eq!(files(&folder), 1);
    }

    #[test]
    fn whatever_a_power_cut_leaves_there_is_a_secret_to_try() {
        let (folder, file) = kept("the old one\n");
        let path = folder.path().join("secret");
        let secret = Secret::File(file);
        // After each step of keeping a new one: a draft, the old one beside itself, a draft of the new one.
        std::fs::write(beside(&path, ".old.new"), "the o").unwrap();
        assert_eq!(tried(&secret), ["the old one"]);
        std::fs::write(beside(&path, ".old"), "the old one\n").unwrap();
        assert_eq!(tried(&secret), ["the old one"]);
        std::fs::write(beside(&path, ".new"), "the n").unwrap();
        assert_eq!(tried(&secret), ["the old one"]);
        // A file system that lost the content of what was renamed.
        std::fs::write(&path, "").unwrap();
        assert_eq!(tried(&secret), ["the old one"]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(tried(&secret), ["the old one"]);
    }

    #[test]
    fn a_flood_of_new_secrets_is_refused() {
        let (_folder, file) = kept("the old one\n");
        let kept = (0..100).filter(|n| file.keep_beside(&new(&format!("new secret {n}"))).is_ok()).count();
        assert_eq!(kept, KEPT as usize);
        file.keep_beside(&new(&format!("new secret {}", KEPT - 1))).unwrap();
    }
}
