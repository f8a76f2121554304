//! `netignite secrets rotate-key|remove-backups`: the keys that secrets are sealed with, and the copies of the
//! database from before they were.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::failure::Failure;
use super::operator::Asking;
use super::{ConfigArguments, output};
use crate::http::Method;
use crate::store::backup;
use crate::vault::Given;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Seal all secrets with a new key, whether the server runs or not
    RotateKey(RotateKey),
    /// Remove the copies of the database that were made before upgrades; older ones hold secrets readable
    RemoveBackups(ConfigArguments),
}

#[derive(Debug, Args)]
pub(super) struct RotateKey {
    /// Change the master key instead, which the data key is wrapped with: a new one is made, or taken from
    /// NETIGNITE_NEW_SECRET_KEY or the file that NETIGNITE_NEW_SECRET_KEY_FILE names
    #[arg(long)]
    master: bool,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::RotateKey(arguments) => rotate_key(arguments),
        Command::RemoveBackups(arguments) => remove_backups(arguments),
    }
}

fn rotate_key(RotateKey { master, asking }: RotateKey) -> Result<(), Failure> {
    let given = Given::from_environment().map_err(Failure::new)?;
    let (path, body) = if master {
        let new_key = given.next().map(ExposeSecret::expose_secret);
        ("/api/admin/secrets/rotate-master-key", json!({ "newKey": new_key }))
    } else {
        ("/api/admin/secrets/rotate-key", json!({}))
    };
    asking.answer(
        async |operator| operator.request(Method::POST, path, Some(&body)).await,
        if master { master_changed } else { key_changed },
    )
}

fn key_changed(done: &Value) -> String {
    format!("Sealed with the new data key {}: {} secrets.", done["keyID"], done["secrets"])
}

fn master_changed(done: &Value) -> String {
    let place = done["place"].as_str().unwrap_or_default();
    if done["byOperator"] == true {
        format!(
            "The master key was changed. Before the server's next start, put the new key in the place of the old one: \
             {place}. Backups from before need the old key: keep it with them."
        )
    } else {
        format!(
            "The master key was changed; the new one is {place}: back it up. Backups from before need the old key: \
             keep it with them."
        )
    }
}

fn remove_backups(arguments: ConfigArguments) -> Result<(), Failure> {
    let directory = arguments.load()?.config.data_directory;
    let removed = backup::remove_all(&directory).map_err(Failure::new)?;
    if removed.is_empty() {
        return output::print(format_args!("There is no backup in {}.", directory.display()));
    }
    for path in removed {
        output::print(format_args!("Removed {}.", path.display()))?;
    }
    Ok(())
}
