//! New passwords come from a prompt, or from standard input when that is no terminal.

use std::io::{self, IsTerminal};

use secrecy::{ExposeSecret, SecretString};

use super::confidential;
use super::failure::Failure;

/// A new password for `user`: asked for twice on a terminal, else the first line of standard input.
pub(super) fn new_password(user: &str) -> Result<SecretString, Failure> {
    let terminal = io::stdin().is_terminal();
    let password = if terminal { prompted(user)? } else { confidential::from_stdin("password")? };
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
