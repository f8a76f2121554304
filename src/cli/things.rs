//! Which device or agent is meant: people say its ID or its name, the API wants IDs.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde_json::Value;

use super::failure::Failure;
use super::names::meant;
use super::operator::{Operator, refused};
use crate::http::{Method, StatusCode};

/// The devices' route.
pub(super) const DEVICES: &str = "/api/devices";
/// The agents' route.
pub(super) const AGENTS: &str = "/api/agents";
/// As many things are asked for by their IDs; of more the whole list.
const MOST: usize = 500;
/// As many IDs are named where a name means several things.
const NAMED: usize = 20;

/// A device or an agent, as far as it matters to say which.
#[derive(Debug, Clone)]
pub(super) struct Thing {
    /// What it is: `device` or `agent`.
    pub(super) what: &'static str,
    pub(super) id: i64,
    /// What people call it; none where the caller may not see that.
    pub(super) name: Option<String>,
}

impl Thing {
    fn new(what: &'static str, id: i64, shown: &Value) -> Self {
        Self { what, id, name: shown["name"].as_str().map(ToOwned::to_owned) }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name:?} ({} {})", self.what, self.id),
            None => write!(f, "{} {}", self.what, self.id),
        }
    }
}

/// The device that is called by its ID or name. Whoever may wake devices and see none names it by its ID.
pub(super) async fn device(operator: &Operator, said: &str) -> Result<Thing, Failure> {
    let Some(id) = id(said) else { return named(operator, DEVICES, "device", said).await };
    let (status, answer) = operator.call(Method::GET, &format!("{DEVICES}/{id}"), None, &[]).await?;
    match status {
        StatusCode::FORBIDDEN => Ok(Thing { what: "device", id, name: None }),
        StatusCode::NOT_FOUND => Err(missing("device", id)),
        status if status.is_success() => Ok(Thing::new("device", id, &answer["data"])),
        status => Err(refused(status, &answer)),
    }
}

/// The agent that is called by its ID or name. An agent by itself would be shown with its secret: the list is without.
/// Whoever may send agents commands and see none names it by its ID.
pub(super) async fn agent(operator: &Operator, said: &str) -> Result<Thing, Failure> {
    let Some(id) = id(said) else { return named(operator, AGENTS, "agent", said).await };
    let path = format!("{AGENTS}?ids={id}");
    let (status, answer) = operator.call(Method::GET, &path, None, &[]).await?;
    match status {
        StatusCode::FORBIDDEN => Ok(Thing { what: "agent", id, name: None }),
        status if status.is_success() => {
            let found = answer["data"].as_array().into_iter().flatten().find(|agent| agent["id"] == id);
            found.map(|agent| Thing::new("agent", id, agent)).ok_or_else(|| missing("agent", id))
        }
        status => Err(refused(status, &answer)),
    }
}

/// Names by IDs.
pub(super) type Names = HashMap<i64, String>;

/// What devices or agents are called; nothing where the caller may not see them.
pub(super) async fn names(operator: &Operator, path: &str, ids: impl Iterator<Item = i64>) -> Names {
    let ids: BTreeSet<String> = ids.map(|id| id.to_string()).collect();
    let path = match ids.len() {
        0 => return Names::new(),
        1..=MOST => format!("{path}?limit={MOST}&ids={}", ids.into_iter().collect::<Vec<_>>().join(",")),
        _ => path.to_owned(),
    };
    let found = operator.request(Method::GET, &path, None).await.unwrap_or_default();
    let found = found.as_array().into_iter().flatten();
    found.filter_map(|thing| Some((thing["id"].as_i64()?, thing["name"].as_str()?.to_owned()))).collect()
}

/// The ID that was said; none for a name. A whole number is always an ID.
fn id(said: &str) -> Option<i64> {
    said.parse().ok().filter(|id| *id > 0)
}

fn missing(what: &str, id: i64) -> Failure {
    Failure::new(format!("there is no {what} {id}; `netignite {what}s list` shows all"))
}

async fn named(operator: &Operator, path: &str, what: &'static str, name: &str) -> Result<Thing, Failure> {
    let list = operator.request(Method::GET, path, None).await?;
    let all: Vec<_> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|thing| Some((thing["id"].as_i64()?, thing["name"].as_str()?)))
        .collect();
    let id = choose(what, name, &all)?;
    let name = all.iter().find(|(known, _)| *known == id).map(|(_, name)| (*name).to_owned());
    Ok(Thing { what, id, name })
}

/// The ID of the one thing of this name: as it is written or, if none is, whatever its letters' case.
fn choose(what: &str, name: &str, all: &[(i64, &str)]) -> Result<i64, Failure> {
    let with = |alike: &dyn Fn(&str) -> bool| -> Vec<i64> {
        all.iter().filter(|(_, known)| alike(known)).map(|(id, _)| *id).collect()
    };
    let mut found = with(&|known| known == name);
    if found.is_empty() {
        found = with(&|known| known.to_lowercase() == name.to_lowercase());
    }
    match found.as_slice() {
        [id] => Ok(*id),
        [] => {
            let meant = meant(name, all.iter().map(|(_, known)| *known));
            Err(Failure::new(format!(
                "there is no {what} {name:?}; {meant}`netignite {what}s list` shows all"
            )))
        }
        several => {
            let ids: Vec<_> = several.iter().take(NAMED).map(ToString::to_string).collect();
            let more = if several.len() > NAMED { ", …" } else { "" };
            Err(Failure::new(format!(
                "{} {what}s are called {name:?}: say which by its ID: {}{more}",
                several.len(),
                ids.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_means_one_thing_or_none() {
        let all = [(1, "Box"), (2, "box"), (3, "NAS"), (4, "Twin"), (5, "Twin"), (6, "7")];
        let choose = |name: &str| choose("device", name, &all).map_err(|e| e.to_string());
        assert_eq!(choose("Box"), Ok(1));
        assert_eq!(choose("box"), Ok(2));
        assert_eq!(choose("nas"), Ok(3));
        assert_eq!(choose("BOX").unwrap_err(), "2 devices are called \"BOX\": say which by its ID: 1, 2");
        assert_eq!(choose("Twin").unwrap_err(), "2 devices are called \"Twin\": say which by its ID: 4, 5");
        let line = choose("Twinn").unwrap_err();
        assert_eq!(
            line,
            "there is no device \"Twinn\"; did you mean \"Twin\"? `netignite devices list` shows all"
        );
        assert_eq!((id("7"), id("0"), id("-1"), id("7a")), (Some(7), None, None, None));
    }
}
