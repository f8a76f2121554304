//! `netignite token …`: users' API tokens, by calls of the API as the local operator.

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::{Value, json};

use super::failure::Failure;
use super::names::{USERS, user_id, users};
use super::operator::{Asking, Operator};
use super::output::{self, text};
use super::{number, when};
use crate::auth::permission::Permission;
use crate::clock::{Clock, Millis};
use crate::http::Method;

const DAY: Millis = 24 * 60 * 60 * 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an API token that acts as a user, and print it
    Create(Create),
    /// List API tokens
    List(List),
    /// Revoke an API token
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The name of the user the token acts as
    user: String,
    /// What people call the token
    #[arg(long)]
    name: String,
    /// What the token may do, as far as its user may; several are separated by commas
    #[arg(
        long = "permission",
        value_name = "PERMISSION",
        required = true,
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Permission::all().map(Permission::name))
    )]
    permissions: Vec<String>,
    /// The ID of a device that the token is for, and no other; several are separated by commas
    #[arg(long = "device", value_name = "ID", value_delimiter = ',', value_parser = number::id)]
    devices: Vec<i64>,
    /// When the token ends, in days [default: never]
    #[arg(long, value_name = "DAYS", value_parser = number::number::<i64>(number::DAYS, 1..=36_500))]
    expires_in_days: Option<i64>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those of the user of this name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The token's ID
    #[arg(value_parser = number::id)]
    id: i64,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create(arguments),
        Command::List(arguments) => list(arguments),
        Command::Revoke(arguments) => revoke(arguments),
    }
}

fn create(arguments: Create) -> Result<(), Failure> {
    let Create { user, name, permissions, devices, expires_in_days, asking } = arguments;
    asking.answer(
        async |operator| {
            let mut body = json!({ "name": name, "permissions": permissions });
            if !devices.is_empty() {
                body["deviceIDs"] = json!(devices);
            }
            if let Some(days) = expires_in_days {
                body["expiresAt"] = json!(Clock::default().now() + days * DAY);
            }
            let path = format!("{USERS}/{}/tokens", user_id(operator, &user).await?);
            let mut made = operator.request(Method::POST, &path, Some(&body)).await?;
            made["username"] = json!(user);
            Ok(made)
        },
        |made| {
            format!(
                "Token {} acts as {:?}. It is shown only this once.\nToken: {}",
                made["id"],
                text(&made["username"]),
                text(&made["token"])
            )
        },
    )
}

/// Everyone's tokens, each with its user's name.
async fn tokens(operator: &Operator) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    for user in users(operator).await? {
        let path = format!("{USERS}/{}/tokens", user["id"]);
        if let Value::Array(tokens) = operator.request(Method::GET, &path, None).await? {
            all.extend(tokens.into_iter().map(|mut token| {
                token["userID"] = user["id"].clone();
                token["username"] = user["username"].clone();
                token
            }));
        }
    }
    Ok(all)
}

fn list(List { user, asking }: List) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let mut tokens = tokens(operator).await?;
            if let Some(user) = user {
                let id = user_id(operator, &user).await?;
                tokens.retain(|token| token["userID"] == id);
            }
            Ok(Value::Array(tokens))
        },
        |tokens| {
            let row = |token: &Value| {
                let devices = &token["deviceIDs"];
                vec![
                    text(&token["id"]),
                    text(&token["username"]),
                    text(&token["name"]),
                    joined(&token["permissions"]),
                    if devices.is_null() { "all".to_owned() } else { joined(devices) },
                    when::in_words(&token["expiresAt"]),
                    when::in_words(&token["lastUsed"]),
                ]
            };
            let head = ["ID", "USER", "NAME", "PERMISSIONS", "DEVICES", "EXPIRES", "LAST USED"];
            output::table_of(&head, tokens, row)
        },
    )
}

fn joined(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(",")
}

fn revoke(Revoke { id, asking }: Revoke) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let tokens = tokens(operator).await?;
            let token = tokens.into_iter().find(|token| token["id"] == id).ok_or_else(|| {
                Failure::new(format!("there is no token {id}; `netignite token list` shows all"))
            })?;
            let path = format!("{USERS}/{}/tokens/{id}", token["userID"]);
            operator.request(Method::DELETE, &path, None).await?;
            Ok(token)
        },
        |token| {
            let (name, user) = (text(&token["name"]), text(&token["username"]));
            format!("Token {} ({name:?} of {user:?}) was revoked.", token["id"])
        },
    )
}
