//! `netignite agents …`: the agents the server knows, by calls of the API as the local operator.

use std::path::PathBuf;

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::failure::Failure;
use super::names::{for_owner, name_of, user_id, users};
use super::operator::{Asking, Operator};
use super::output::{self, text};
use super::{confidential, number, when};
use crate::auth::fresh_token;
use crate::http::Method;
use crate::model::agent::AgentKind;

/// The agents' route.
const AGENTS: &str = "/api/agents";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an agent; a secret is made up and printed, or read from a file
    Add(Add),
    /// List agents and whether they are connected
    List(List),
    /// Make a new secret for an agent and print it; the one in use stays good for a while
    RotateSecret(RotateSecret),
    /// Delete an agent that no device names
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What people call the agent
    name: String,
    /// What it is
    #[arg(long = "type", value_name = "TYPE", value_parser = PossibleValuesParser::new(AgentKind::WORDS))]
    kind: String,
    /// What people note about it
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// The name of the user whose it is [default: the superadmin]
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The file that holds its secret, for an agent that has one already
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those of the user of this name
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct RotateSecret {
    /// The agent's ID
    #[arg(value_parser = number::id)]
    id: i64,
    /// How long the secret in use stays good, at most; 0 ends it now
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = number::number::<i64>(number::HOURS, 0..=720))]
    grace_hours: i64,
    /// Have the running server hand the connected agent its new secret
    #[arg(long)]
    hand_over: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The agent's ID
    #[arg(value_parser = number::id)]
    id: i64,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add(arguments),
        Command::List(arguments) => list(arguments),
        Command::RotateSecret(arguments) => rotate_secret(arguments),
        Command::Delete(arguments) => delete(arguments),
    }
}

fn add(arguments: Add) -> Result<(), Failure> {
    let Add { name, kind, description, owner, secret_file, asking } = arguments;
    let secret = match &secret_file {
        Some(file) => confidential::from_file(file, "secret")?,
        None => SecretString::from(fresh_token().map_err(Failure::new)?.as_str()),
    };
    asking.answer(
        async |operator| {
            let path = for_owner(operator, AGENTS, owner.as_deref()).await?;
            let body = json!({
                "name": name,
                "type": kind,
                "description": description,
                "secret": secret.expose_secret(),
            });
            let id = operator.request(Method::POST, &path, Some(&body)).await?;
            let mut added = json!({ "id": id, "name": name });
            if secret_file.is_none() {
                added["secret"] = json!(secret.expose_secret());
            }
            Ok(added)
        },
        |added| {
            let done = format!("Agent {:?} was added with ID {}.", text(&added["name"]), added["id"]);
            match added["secret"].as_str() {
                Some(secret) => format!("{done}\nSecret: {secret}"),
                None => done,
            }
        },
    )
}

fn list(List { owner, asking }: List) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let mut agents = operator.request(Method::GET, AGENTS, None).await?;
            let users = users(operator).await?;
            let owner = match owner {
                Some(name) => Some(user_id(operator, &name).await?),
                None => None,
            };
            if let Value::Array(agents) = &mut agents {
                agents.retain(|agent| owner.is_none_or(|owner| agent["ownerID"] == owner));
                for agent in agents {
                    agent["owner"] = json!(name_of(&users, &agent["ownerID"]));
                }
            }
            Ok(agents)
        },
        |agents| {
            let row = |agent: &Value| {
                let state = text(&agent["presence"]["state"]);
                ["id", "name", "type", "owner"]
                    .map(|key| text(&agent[key]))
                    .into_iter()
                    .chain([state])
                    .collect()
            };
            output::table_of(&["ID", "NAME", "TYPE", "OWNER", "STATUS"], agents, row)
        },
    )
}

fn rotate_secret(arguments: RotateSecret) -> Result<(), Failure> {
    let RotateSecret { id, grace_hours, hand_over, asking } = arguments;
    asking.answer(
        async |operator| {
            let body = json!({ "graceHours": grace_hours, "handOver": hand_over });
            known(operator, id).await?;
            let mut rotated =
                operator.request(Method::POST, &format!("{AGENTS}/{id}/secret"), Some(&body)).await?;
            rotated["id"] = json!(id);
            Ok(rotated)
        },
        |rotated| {
            let id = &rotated["id"];
            if rotated["handedOver"] == true {
                return format!("Agent {id} has a new secret and uses it.");
            }
            let secret = text(&rotated["secret"]);
            let problem = rotated["problem"].as_str();
            let problem = problem
                .map(|problem| format!("It could not be handed over: {}. ", output::printable(problem)));
            let old = match &rotated["oldValidUntil"] {
                Value::Null => "No other is good any more.".to_owned(),
                until => format!(
                    "The one before is good until it logs in with this, or ends {}.",
                    when::in_words(until)
                ),
            };
            format!("Agent {id} has a new secret. {}{old}\nSecret: {secret}", problem.unwrap_or_default())
        },
    )
}

fn delete(Delete { id, asking }: Delete) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            known(operator, id).await?;
            operator.request(Method::DELETE, &format!("{AGENTS}/{id}"), None).await?;
            Ok(json!({ "id": id }))
        },
        |deleted| format!("Agent {} was deleted.", deleted["id"]),
    )
}

/// Whether there is an agent of this ID.
async fn known(operator: &Operator, id: i64) -> Result<(), Failure> {
    let agents = operator.request(Method::GET, AGENTS, None).await?;
    if agents.as_array().into_iter().flatten().any(|agent| agent["id"] == id) {
        return Ok(());
    }
    Err(Failure::new(format!("there is no agent {id}; `netignite agents list` shows all")))
}
