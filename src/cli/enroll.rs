//! `netignite agent enroll`: makes this machine's agent on a server, and says how to run it.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::failure::Failure;
use super::{block_on, confidential, keep_files_private, output};
use crate::agent::{Enrolment, EnrolmentOptions};
use crate::config::{Level, LogConfig, LogFormat};
use crate::logging;
use crate::text::bare;

/// The environment variable that holds the code.
const VARIABLE: &str = "NETIGNITE_ENROLMENT_CODE";

#[derive(Debug, Args)]
#[command(after_help = "The code is read from the file that --code-file names, else from the environment's \
    NETIGNITE_ENROLMENT_CODE, else it is asked for, or read from standard input. `netignite enrolment create` makes one \
    on the server.")]
pub(super) struct Arguments {
    /// The server's base URL: http(s):// or ws(s)://
    #[arg(long, value_name = "URL")]
    server: String,
    /// What people will call the agent [default: this machine's name]
    #[arg(long)]
    name: Option<String>,
    /// What people note about it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The file that holds the enrolment code
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
    /// The file that will hold the agent's secret; it must not be there yet
    #[arg(long, value_name = "FILE", default_value = "agent-secret.txt")]
    secret_file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    keep_files_private();
    let look = LogConfig { format: LogFormat::Pretty, ..LogConfig::default() };
    let _log = logging::start(Level::Warn, &look)?;
    let name = arguments.name.unwrap_or_else(this_machine);
    let enrolment = Enrolment::prepare(EnrolmentOptions {
        server: arguments.server,
        name: name.clone(),
        description: arguments.description,
        secret_file: arguments.secret_file.clone(),
    })?;
    let server = enrolment.server();
    let code = code(arguments.code_file)?;
    let id = block_on(async { Ok(enrolment.run(&code).await?) })?;
    let file = arguments.secret_file;
    if arguments.json {
        let file = file.display().to_string();
        return output::print_json(&json!({ "id": id, "name": name, "server": server, "secretFile": file }));
    }
    let program = std::env::args_os().next().unwrap_or_else(|| "netignite".into());
    let words =
        [program.as_os_str(), "agent".as_ref(), "--server".as_ref(), server.as_ref(), "--id".as_ref()];
    let id_word = id.to_string();
    let rest = [id_word.as_ref(), "--secret-file".as_ref(), file.as_os_str()];
    let command: Vec<_> = words.into_iter().chain(rest).map(quoted).collect();
    output::print(format_args!(
        "Agent {name:?} was enrolled with ID {id}; its secret is in {}. Run it with:\n{}",
        file.display(),
        command.join(" ")
    ))
}

/// The code: from the file if one is named, else from the environment, a prompt or standard input.
fn code(file: Option<PathBuf>) -> Result<SecretString, Failure> {
    let code = match (file, std::env::var(VARIABLE)) {
        (Some(file), _) => confidential::from_file(&file, "code")?,
        (None, Ok(code)) if !code.is_empty() => SecretString::from(code),
        (None, Err(std::env::VarError::NotUnicode(_))) => {
            return Err(Failure::new(format!("{VARIABLE} is no valid UTF-8")));
        }
        // An empty variable counts as not set, as everywhere.
        (None, Ok(_) | Err(std::env::VarError::NotPresent)) if io::stdin().is_terminal() => {
            rpassword::prompt_password("Enrolment code: ").map(SecretString::from).map_err(|e| {
                Failure::new(format!("cannot ask for the code: {e}; write it to standard input instead"))
            })?
        }
        (None, Ok(_) | Err(std::env::VarError::NotPresent)) => confidential::from_stdin("code")?,
    };
    // What files and programs leave around a text; a code has none of it.
    let code = bare(code.expose_secret());
    if code.is_empty() {
        return Err(Failure::new(format!(
            "no enrolment code was given; type it at the prompt, set {VARIABLE}, or name a file with --code-file"
        )));
    }
    Ok(code.into())
}

fn this_machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A word as a shell takes it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for (word, quoted_word) in [
            ("/opt/netignite", "/opt/netignite"),
            ("http://localhost:1/a", "http://localhost:1/a"),
            ("my secret", "'my secret'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word.as_ref()), quoted_word);
        }
    }
}
