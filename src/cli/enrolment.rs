//! `netignite enrolment …`: codes with which machines make their own agents, by calls of the API as the local operator.

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::{Value, json};

use super::failure::Failure;
use super::names::{for_owner, name_of, users};
use super::operator::Asking;
use super::output::{self, text};
use super::{number, when};
use crate::http::Method;
use crate::model::agent::AgentKind;

/// The codes' route.
const CODES: &str = "/api/agents/enrolment-codes";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a code and print it; `netignite agent enroll` on a machine takes it
    Create(Create),
    /// List the codes that are still good
    List(Asking),
    /// Revoke a code
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the agents it makes are
    #[arg(long = "type", value_name = "TYPE", default_value = AgentKind::WORDS[0], value_parser = PossibleValuesParser::new(AgentKind::WORDS))]
    kind: String,
    /// How many agents it makes
    #[arg(long, default_value_t = 1, value_parser = number::number::<i64>(number::COUNT, 1..=1000))]
    uses: i64,
    /// How long it is good, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = number::number::<i64>(number::MINUTES, 1..=10_080))]
    expires_in: i64,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// The name of the user whose the agents will be [default: the superadmin]
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The code's ID
    #[arg(value_parser = number::id)]
    id: i64,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create(arguments),
        Command::List(asking) => list(asking),
        Command::Revoke(arguments) => revoke(arguments),
    }
}

fn create(Create { kind, uses, expires_in, name, owner, asking }: Create) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let path = for_owner(operator, CODES, owner.as_deref()).await?;
            let body = json!({ "type": kind, "uses": uses, "expiresInMinutes": expires_in, "name": name });
            let mut made = operator.request(Method::POST, &path, Some(&body)).await?;
            made["owner"] = json!(name_of(&users(operator).await?, &made["ownerID"]));
            Ok(made)
        },
        |made| {
            let agents = if made["usesLeft"] == 1 { "agent" } else { "agents" };
            format!(
                "Enrolment code {} makes {} {agents} of {:?} and ends {}.\nCode: {}",
                made["id"],
                made["usesLeft"],
                text(&made["owner"]),
                when::in_words(&made["expiresAt"]),
                text(&made["code"])
            )
        },
    )
}

fn list(asking: Asking) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            let mut codes = operator.request(Method::GET, CODES, None).await?;
            let users = users(operator).await?;
            for code in codes.as_array_mut().into_iter().flatten() {
                code["owner"] = json!(name_of(&users, &code["ownerID"]));
            }
            Ok(codes)
        },
        |codes| {
            let row = |code: &Value| {
                let ends = when::in_words(&code["expiresAt"]);
                let cells = ["id", "name", "type", "owner", "usesLeft"].map(|key| text(&code[key]));
                cells.into_iter().chain([ends]).collect()
            };
            output::table_of(&["ID", "NAME", "TYPE", "OWNER", "USES LEFT", "EXPIRES"], codes, row)
        },
    )
}

fn revoke(Revoke { id, asking }: Revoke) -> Result<(), Failure> {
    asking.answer(
        async |operator| {
            operator.request(Method::DELETE, &format!("{CODES}/{id}"), None).await?;
            Ok(json!({ "id": id }))
        },
        |revoked| format!("Enrolment code {} was revoked.", revoked["id"]),
    )
}
