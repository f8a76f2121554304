//! `netignite config show|keys|check`: what is in force and where each value came from, what there is to set, and whether a
//! server could start.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::{ServerArguments, block_on, output};
use crate::config::{self, Loaded, Reference};
use crate::preflight;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print every effective setting and where it came from; secrets are not shown
    Show(Show),
    /// Print every key that there is: its default, what it expects and what it is for
    Keys(Keys),
    /// Check the file, the environment and the flags, and whether a server could start with them, without starting it
    Check(ServerArguments),
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    server: ServerArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Keys {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Show(Show { server, json }) => {
            let loaded = server.load()?;
            warn(&loaded);
            if json { output::print_json(&as_json(&loaded)) } else { output::print(as_table(&loaded)) }
        }
        Command::Keys(Keys { json }) => {
            let keys = config::reference()?;
            if json { output::print_json(&keys) } else { output::print(keys_for_people(&keys)) }
        }
        Command::Check(arguments) => {
            let loaded = arguments.load()?;
            warn(&loaded);
            block_on(async { Ok(preflight::check(&loaded.config)?) })?;
            let file = loaded.file.as_deref().map(Path::display);
            output::print(match file {
                Some(file) => format!("The configuration is valid ({file})."),
                None => "The configuration is valid (there is no file: defaults, environment and flags)."
                    .to_owned(),
            })
        }
    }
}

/// Says what is strange and no error.
fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        output::complain(&Failure::new(warning));
    }
}

fn keys_for_people(keys: &[Reference]) -> String {
    let entry = |one: &Reference| {
        let facts = [
            ("for", one.meaning.unwrap_or_default().to_owned()),
            ("expects", one.expected.unwrap_or_default().to_owned()),
            ("default", one.default.to_string()),
            ("variable", one.variable.clone()),
            ("changed by", if one.live { "SIGHUP, or a restart" } else { "a restart" }.to_owned()),
        ];
        format!("{}\n{}", one.key, indented(&output::facts(&facts)))
    };
    keys.iter().map(entry).collect::<Vec<_>>().join("\n\n")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn as_json(loaded: &Loaded) -> Value {
    let entry = |s: &crate::config::Setting| {
        (s.key.clone(), json!({ "value": s.value, "origin": s.origin.to_string() }))
    };
    Value::Object(loaded.settings.iter().map(entry).collect::<Map<_, _>>())
}

fn as_table(loaded: &Loaded) -> String {
    let row = |s: &crate::config::Setting| vec![s.key.clone(), s.value.to_string(), s.origin.to_string()];
    output::table(&["KEY", "VALUE", "ORIGIN"], &loaded.settings.iter().map(row).collect::<Vec<_>>())
}
