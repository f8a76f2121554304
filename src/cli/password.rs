//! Passwords come from a prompt, or from standard input when that is no terminal: never from arguments.

use std::io::{self, BufRead, IsTerminal};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::failure::Failure;

/// The longest line that is read as a password, in bytes.
const MAX_BYTES: u64 = 4096;

/// A new password for `user`: asked for twice on a terminal, else the first line of standard input.
pub(super) fn new_password(user: &str) -> Result<SecretString, Failure> {
    let password = if io::stdin().is_terminal() { prompted(user)? } else { first_line(io::stdin().lock())? };
    if password.expose_secret().is_empty() {
        return Err(Failure::new(format!(
            "no password for {user:?} was given; type it at the prompt or write it to standard input"
        )));
    }
    Ok(password)
}

fn prompted(user: &str) -> Result<SecretString, Failure> {
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt).map(SecretString::from).map_err(|e| {
            Failure::new(format!("cannot ask for a password: {e}; write it to standard input instead"))
        })
    };
    let password = ask(format!("New password of {user:?}: "))?;
    let again = ask("The same again: ".to_owned())?;
    if password.expose_secret() != again.expose_secret() {
        return Err(Failure::new("the two passwords differ; nothing was changed"));
    }
    Ok(password)
}

fn first_line(input: impl BufRead) -> Result<SecretString, Failure> {
    let mut line = Zeroizing::new(Vec::new());
    input
        .take(MAX_BYTES + 1)
        .read_until(b'\n', &mut line)
        .map_err(|e| Failure::new(format!("cannot read the password from standard input: {e}")))?;
    if line.len() as u64 > MAX_BYTES {
        return Err(Failure::new(format!("the password on standard input is longer than {MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(&line)
        .map_err(|_| Failure::new("the password on standard input is not text in UTF-8"))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_password_is_the_first_line_as_it_is() {
        let read = |bytes: &[u8]| first_line(bytes).map(|p| p.expose_secret().to_owned());
        assert_eq!(read(b" with blanks \r\nnext").unwrap(), " with blanks ");
        assert_eq!(read(b"no end").unwrap(), "no end");
        assert_eq!(read(b"").unwrap(), "");
        assert!(read(&[b'x'; 5000]).is_err());
        assert!(read(b"\xff\n").is_err());
    }
}
