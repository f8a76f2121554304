//! Where the agent's secret comes from: a file, the environment or a prompt. Never the command line, which every
//! user of the machine can read.
//!
//! A new secret takes the file's place, and the one before goes beside it, into `<file>.old`, until the server has taken
//! the new one. Until then both are tried, so that neither a server that does not know what it handed out nor a power cut
//! at any moment locks the agent out.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::AgentError;
use crate::files;
use crate::registry::{AgentSecret, BoxFuture, SecretKeeper};

/// The environment variable that holds the secret.
const VARIABLE: &str = "NETIGNITE_AGENT_SECRET";
/// Longer than any secret; a file beyond it is the wrong file.
const LONGEST: u64 = 4096;
/// How many new secrets are kept in [`WINDOW`]: each is written to the disk.
const KEPT: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// A secret, or where to read it.
#[derive(Debug, Clone)]
pub(super) enum Secret {
    /// Read anew before each connection, so that a new secret takes effect without a restart.
    File(SecretFile),
    /// Known since the start.
    Known(SecretString),
}

/// A secret to log in with.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub secret: SecretString,
    /// Whether it is the one that was kept beside a new one.
    old: bool,
}

impl Secret {
    /// Finds the secret: the file if one is named, else the environment, else a prompt on the terminal. Blocks.
    ///
    /// # Errors
    /// There is none, or the file cannot be read.
    pub(super) fn find(file: Option<PathBuf>) -> Result<Self, AgentError> {
        if let Some(path) = file {
            let file = SecretFile::at(path);
            file.candidates()?;
            return Ok(Self::File(file));
        }
        match std::env::var(VARIABLE) {
            Ok(secret) if !text_of(&secret).trim().is_empty() => return Ok(Self::Known(secret.into())),
            Ok(_) => return Err(AgentError(format!("{VARIABLE} is set but empty"))),
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(AgentError(format!("{VARIABLE} is no valid UTF-8")));
            }
            Err(std::env::VarError::NotPresent) => {}
        }
        if !std::io::stdin().is_terminal() {
            return Err(AgentError(format!(
                "The agent's secret is missing: set {VARIABLE} or name a file with --secret-file"
            )));
        }
        let typed = rpassword::prompt_password("Agent secret: ")
            .map_err(|e| AgentError(format!("The secret could not be read from the terminal: {e}")))?;
        if typed.trim().is_empty() {
            return Err(AgentError("No secret was typed; the agent cannot log in without one".into()));
        }
        Ok(Self::Known(typed.into()))
    }

    /// What to log in with, in the order in which to try it; never empty. Blocks for the time of reading small files.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn candidates(&self) -> Result<Vec<Candidate>, AgentError> {
        match self {
            Self::File(file) => file.candidates(),
            Self::Known(secret) => Ok(readings(secret.expose_secret(), false)),
        }
    }

    /// Notes that the server took a candidate: what it was tried before or beside is no longer needed. Blocks.
    ///
    /// # Errors
    /// The file cannot be written. What is needed is still there.
    pub(super) fn proven(&self, candidate: &Candidate) -> io::Result<()> {
        match self {
            Self::File(file) => file.proven(candidate),
            Self::Known(_) => Ok(()),
        }
    }

    /// The file, if the secret comes from one.
    pub(super) fn file(&self) -> Option<&SecretFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Known(_) => None,
        }
    }
}

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

    fn candidates(&self) -> Result<Vec<Candidate>, AgentError> {
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

    fn proven(&self, candidate: &Candidate) -> io::Result<()> {
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

/// A text without the byte order mark before it and the line breaks after it, which editors leave.
fn text_of(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text).trim_end_matches(['\r', '\n'])
}

/// The secrets that a text can mean: the text without the blanks around it and, since a secret may have some, with them.
fn readings(text: &str, old: bool) -> Vec<Candidate> {
    let whole = text_of(text);
    let bare = whole.trim();
    let found = if bare == whole { vec![bare] } else { vec![bare, whole] };
    let candidate = |secret: &str| Candidate { secret: secret.into(), old };
    if bare.is_empty() { Vec::new() } else { found.into_iter().map(candidate).collect() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn tried(secret: &Secret) -> Vec<String> {
        secret.candidates().unwrap().iter().map(|c| c.secret.expose_secret().to_owned()).collect()
    }

    fn with(content: &[u8]) -> Result<Vec<String>, AgentError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        Secret::find(Some(path)).map(|secret| tried(&secret))
    }

    #[test]
    fn what_editors_leave_around_a_secret_is_cut() {
        for (content, secrets) in [
            ("s3cret:with:colons", &["s3cret:with:colons"][..]),
            ("s3cret\n", &["s3cret"]),
            ("s3cret\r\n", &["s3cret"]),
            ("\u{feff}s3cret\r\n\r\n", &["s3cret"]),
            // A secret may have blanks at its ends, or its file may.
            (" s3cret \n\n", &["s3cret", " s3cret "]),
        ] {
            assert_eq!(with(content.as_bytes()).unwrap(), secrets);
        }
        assert_eq!(tried(&Secret::Known("\u{feff}s3cret\n".into())), ["s3cret"]);
    }

    #[test]
    fn a_file_without_a_secret_is_refused_and_named() {
        for content in
            [&b""[..], b"\n", b" \t\r\n", b"\xef\xbb\xbf\n", &[b'x'; 5000], b"\xff\xfex\0", b"\xff"]
        {
            let AgentError(said) = with(content).unwrap_err();
            assert!(said.contains("--secret-file"), "{said}");
        }
        let AgentError(said) = Secret::find(Some("/nowhere/secret".into())).unwrap_err();
        assert!(said.contains("/nowhere/secret"), "{said}");
    }

    #[test]
    fn a_new_secret_in_the_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "old").unwrap();
        let secret = Secret::find(Some(path.clone())).unwrap();
        std::fs::write(&path, "new").unwrap();
        assert_eq!(tried(&secret), ["new"]);
        assert!(!format!("{:?}", Secret::Known("hidden-s3cret".into())).contains("hidden-s3cret"));
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
        file.keep_beside(&new("new secret 4")).unwrap();
    }
}
