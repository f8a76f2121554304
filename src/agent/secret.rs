//! Where the agent's secret comes from: a file, the environment or a prompt. Never the command line, which every
//! user of the machine can read.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::AgentError;
use crate::registry::{BoxFuture, SecretKeeper};

/// The environment variable that holds the secret.
const VARIABLE: &str = "NETIGNITE_AGENT_SECRET";
/// Longer than any secret; a file beyond it is the wrong file.
const LONGEST: u64 = 4096;

/// A secret, or where to read it.
#[derive(Debug, Clone)]
pub(super) enum Secret {
    /// Read anew before each connection, so that a new secret takes effect without a restart.
    File(PathBuf),
    /// Known since the start.
    Known(SecretString),
}

impl Secret {
    /// Finds the secret: the file if one is named, else the environment, else a prompt on the terminal. Blocks.
    ///
    /// # Errors
    /// There is none, or the file cannot be read.
    pub(super) fn find(file: Option<PathBuf>) -> Result<Self, AgentError> {
        if let Some(path) = file {
            read_file(&path)?;
            return Ok(Self::File(path));
        }
        match std::env::var(VARIABLE) {
            Ok(secret) if !secret.is_empty() => return Ok(Self::Known(secret.into())),
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
        if typed.is_empty() {
            return Err(AgentError("No secret was typed; the agent cannot log in without one".into()));
        }
        Ok(Self::Known(typed.into()))
    }

    /// The secret now. Blocks for the time of reading a small file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(&self) -> Result<SecretString, AgentError> {
        match self {
            Self::File(path) => read_file(path),
            Self::Known(secret) => Ok(secret.clone()),
        }
    }
}

/// A file that holds the secret, as somewhere to keep a new one.
#[derive(Debug)]
pub(super) struct SecretFile(pub(super) PathBuf);

impl SecretKeeper for SecretFile {
    fn keep<'a>(&'a self, secret: &'a SecretString) -> BoxFuture<'a, io::Result<()>> {
        let (path, secret) = (self.0.clone(), secret.clone());
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write_file(&path, &secret));
            written.await.map_err(io::Error::other)?
        })
    }
}

/// Puts a file with the secret in the place of whatever is there, whole or not at all, for its owner alone.
pub(super) fn write_file(path: &Path, secret: &SecretString) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    // Where the file is a link, what it leads to is replaced.
    let path = path.canonicalize().unwrap_or(path);
    let directory = path.parent().unwrap_or(&path);
    let mut draft = path.clone().into_os_string();
    draft.push(".new");
    let _ = std::fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", secret.expose_secret())?;
    file.sync_all()?;
    std::fs::rename(&draft, &path)?;
    File::open(directory)?.sync_all()
}

/// The secret in a file: its whole text without the line break at its end.
fn read_file(path: &Path) -> Result<SecretString, AgentError> {
    let wrong = |what: String| AgentError(format!("--secret-file {}: {what}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| wrong(e.to_string()))?;
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(|e| wrong(e.to_string()))?;
    if text.len() as u64 > LONGEST {
        return Err(wrong(format!("longer than {LONGEST} bytes; it must hold the secret and nothing else")));
    }
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(wrong("empty; it must hold the agent's secret".into()));
    }
    Ok(secret.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn with(content: &[u8]) -> Result<SecretString, AgentError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        Secret::find(Some(path)).and_then(|secret| secret.read())
    }

    #[test]
    fn only_the_line_break_at_the_end_is_cut() {
        for (content, secret) in [
            ("s3cret:with:colons", "s3cret:with:colons"),
            ("s3cret\n", "s3cret"),
            ("s3cret\r\n", "s3cret"),
            (" s3cret \n\n", " s3cret \n"),
        ] {
            assert_eq!(with(content.as_bytes()).unwrap().expose_secret(), secret);
        }
    }

    #[test]
    fn a_file_without_a_secret_is_refused_and_named() {
        for content in [&b""[..], b"\n", &[b'x'; 5000], b"\xff\xfe"] {
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
        assert_eq!(secret.read().unwrap().expose_secret(), "new");
        assert!(!format!("{:?}", Secret::Known("hidden-s3cret".into())).contains("hidden-s3cret"));
    }
}
