//! Where the agent's secret comes from: a file, the environment or a prompt. Never the command line, which every
//! user of the machine can read.
//!
//! Editors and shells leave something around a text: what a secret can mean is tried in turns.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::AgentError;
use super::secret_file::SecretFile;
use crate::text::unmarked;

/// The environment variable that holds the secret.
const VARIABLE: &str = "NETIGNITE_AGENT_SECRET";

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
    pub old: bool,
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

/// A text without the byte order mark before it and the line breaks after it, which editors leave.
fn text_of(text: &str) -> &str {
    unmarked(text).trim_end_matches(['\r', '\n'])
}

/// The secrets that a text can mean: the text without the blanks around it and, since a secret may have some, with them.
pub(super) fn readings(text: &str, old: bool) -> Vec<Candidate> {
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
}
