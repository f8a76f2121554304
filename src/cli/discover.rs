//! `netignite discover AGENT`: what is on an agent's networks.

use std::num::NonZeroU16;

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::operator::{Reaching, refused};
use super::output::{self, text};
use super::things::{self, AGENTS};
use crate::http::Method;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The agent's ID or name
    agent: String,
    /// How many hosts at most
    #[arg(long, value_name = "NUMBER")]
    limit: Option<NonZeroU16>,
    #[command(flatten)]
    reaching: Reaching,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { agent, limit, reaching } = arguments;
    let as_json = reaching.json();
    let (agent, found) = reaching.ask(async |operator| {
        operator.running()?;
        let agent = things::agent(operator, &agent).await?;
        let body = limit.map_or_else(|| json!({}), |limit| json!({ "limit": limit }));
        let path = format!("{AGENTS}/{}/commands/DISCOVER", agent.id);
        let (status, mut answer) = operator.call(Method::POST, &path, Some(&body), &[]).await?;
        if !status.is_success() {
            let why = refused(status, &answer);
            return Err(Failure::new(format!("the networks of {agent} were not looked through: {why}")));
        }
        Ok((agent, answer["data"].take()))
    })?;
    if as_json {
        return output::print_json(&found);
    }
    let row = |host: &Value| ["address", "macAddress", "name"].map(|key| text(&host[key])).into();
    let hosts = output::table_of(&["ADDRESS", "MAC ADDRESS", "NAME"], &found["hosts"], row);
    if found["hosts"].as_array().is_none_or(Vec::is_empty) {
        return output::print(format_args!("No host was found on the networks of {agent}."));
    }
    output::print(hosts)?;
    if found["truncated"] == true {
        output::note(&format!("there may be more on the networks of {agent} than was looked through"));
    }
    Ok(())
}
