//! `netignite shares …`: what is shared with whom, by calls of the API as the local operator.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::Failure;
use super::names::user_id;
use super::operator::Asking;
use super::output::{self, text};
use super::{number, when};
use crate::http::Method;

/// The shares' route.
const SHARES: &str = "/api/shares";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what is shared with users
    List(List),
    /// Remove a share
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only what is shared with the user of this name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The share's ID
    #[arg(value_parser = number::id)]
    id: i64,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Remove(arguments) => remove(arguments),
    }
}

fn list(List { user, asking }: List) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let mut shares = operator.request(Method::GET, SHARES, None).await?;
            if let Some(name) = user {
                // Whether there is such a user: nothing is shared with many.
                user_id(operator, &name).await?;
                if let Value::Array(shares) = &mut shares {
                    shares.retain(|share| share["username"] == name.as_str());
                }
            }
            Ok(shares)
        },
        |shares| {
            let row = |share: &Value| {
                let rights = share["permissions"].as_array().into_iter().flatten().map(text);
                vec![
                    text(&share["id"]),
                    text(&share["ownerName"]),
                    text(&share["username"]),
                    format!("{} {} {}", text(&share["type"]), share["sharedID"], text(&share["sharedName"])),
                    rights.collect::<Vec<_>>().join(","),
                    when::in_words(&share["expiresAt"]),
                ]
            };
            output::table_of(&["ID", "OWNER", "WITH", "WHAT", "MAY", "EXPIRES"], shares, row)
        },
    )
}

fn remove(Remove { id, asking }: Remove) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            operator.request(Method::DELETE, &format!("{SHARES}/{id}"), None).await?;
            Ok(json!({ "id": id }))
        },
        |removed| format!("Share {} was removed.", removed["id"]),
    )
}
