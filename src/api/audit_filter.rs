//! The query of the audit log's routes: which entries are asked for.
//!
//! Unlike other routes these refuse what they do not know: a mistyped filter that was passed over would show everything
//! and look like an answer.

use std::collections::HashSet;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::audit::{Action, AuditOutcome, SubjectKind};
use crate::clock::Millis;
use crate::domain::audit_log::{AuditFilter, Place};
use crate::error::{Error, FieldError, Result};
use crate::model::id::parse_id;
use crate::rest::Call;

/// Entries of a page, unless the query says otherwise, and at most.
const USUAL: usize = 100;
const MOST: usize = 1000;
/// Wrong keys that are named of one query.
const MAX_NAMED: usize = 16;
/// The longest key that is repeated.
const MAX_KEY: usize = 16;
/// How a date is written.
const DATE: &str = "2030-01-31";
/// The last moment of the year 9999, in milliseconds since the epoch.
const LAST_TIME: Millis = 253_402_300_799_999;
/// The kinds of actors.
const ACTORS: [&str; 7] = ["nobody", "user", "token", "agent", "operator", "server", "plugin"];

/// The query.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
pub(super) struct AuditQuery {
    /// From when on: in milliseconds since the epoch, or like 2030-01-31 or 2030-01-31T12:00:00Z.
    since: Option<String>,
    /// Before when, written as `since`.
    until: Option<String>,
    /// The ID of the user who acted, or whose token or agent did.
    user: Option<i64>,
    /// Who: nobody, user, token, agent, operator or server.
    actor: Option<String>,
    /// What was done: an action such as agent.update, or the start of one such as `agent.`.
    action: Option<String>,
    /// The kind of thing it was done to.
    target: Option<SubjectKind>,
    /// The ID of that thing.
    #[serde(rename = "targetID")]
    target_id: Option<i64>,
    /// What became of it.
    outcome: Option<AuditOutcome>,
    /// The IP address it came from.
    address: Option<String>,
    /// The `next` of an earlier answer.
    before: Option<String>,
    /// How many entries at most.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

/// What is asked for.
pub(super) struct Asked {
    /// Which entries.
    pub(super) filter: AuditFilter,
    /// Where the page begins.
    pub(super) before: Option<Place>,
    /// How many entries it has at most.
    pub(super) limit: usize,
}

/// What the query asks for.
///
/// # Errors
/// 400 naming every key that is unknown or whose value is none.
pub(super) fn asked(call: &Call) -> Result<Asked> {
    let query = call.query.as_deref().unwrap_or_default();
    let mut asked = Asked { filter: AuditFilter::default(), before: None, limit: USUAL };
    let mut wrong = Vec::new();
    let mut seen = HashSet::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let taken = match asked.take(&key, &value) {
            // Of two filters one would be passed over.
            Ok(()) if !seen.insert(key.clone()) && key != "adminMode" => Err("this key once"),
            taken => taken,
        };
        if let Err(expected) = taken
            && wrong.len() < MAX_NAMED
        {
            // A word of the client's is repeated where it can be a mistyped key, and not where it can be anything.
            let is_word = key.len() <= MAX_KEY && key.bytes().all(|b| b.is_ascii_alphabetic());
            let key = if is_word { key.into_owned() } else { String::new() };
            wrong.push(FieldError::new(key, format!("expected {expected}")));
        }
    }
    if wrong.is_empty() { Ok(asked) } else { Err(Error::invalid_fields("Invalid query", wrong)) }
}

impl Asked {
    /// Takes one key of the query; what was expected if it is none.
    fn take(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        let filter = &mut self.filter;
        match key {
            "since" => filter.since = Some(time(value)?),
            "until" => filter.until = Some(time(value)?),
            "user" => filter.user = Some(parse_id(value).ok_or("the ID of a user, a whole number")?),
            "actor" => {
                let actor = ACTORS.contains(&value).then(|| value.to_owned());
                filter.actor = Some(actor.ok_or("nobody, user, token, agent, operator, server or plugin")?);
            }
            "action" => filter.action = Some(action(value)?),
            "target" => {
                filter.target = Some(word::<SubjectKind>(value, "a kind of target, such as agent or device")?)
            }
            "targetID" => filter.target_id = Some(parse_id(value).ok_or("an ID, a whole number")?),
            "outcome" => filter.outcome = Some(word::<AuditOutcome>(value, "done, refused or failed")?),
            "address" => filter.address = Some(address(value)?),
            "before" => self.before = Some(place(value).ok_or("the next of an earlier answer")?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                self.limit = limit.ok_or("a whole number from 1 to 1000")?;
            }
            // Clients send it with every request of an admin.
            "adminMode" => {}
            _ => {
                return Err(
                    "one of the keys since, until, user, actor, action, target, targetID, outcome, address, before \
                     and limit",
                );
            }
        }
        Ok(())
    }
}

/// A time: in milliseconds since the epoch, or as RFC 3339 writes it; a date alone is its first moment in UTC.
fn time(text: &str) -> Result<Millis, &'static str> {
    let expected = "a time in milliseconds since the epoch, or like 2030-01-31 or 2030-01-31T12:00:00Z";
    if let Ok(millis) = text.parse() {
        return match millis {
            0 | 10_000_000_000.. if millis <= LAST_TIME => Ok(millis),
            // As milliseconds they lie in the spring of 1970.
            100_000_000..10_000_000_000 => Err(
                "a time in milliseconds since the epoch, and this looks like seconds: multiply it by 1000, or write it \
                 like 2030-01-31",
            ),
            _ => Err(expected),
        };
    }
    let whole = if text.len() == DATE.len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse::<jiff::Timestamp>().map(|at| at.as_millisecond()).map_err(|_| expected)
}

/// One of the words of an enum.
fn word<T: DeserializeOwned>(text: &str, expected: &'static str) -> Result<String, &'static str> {
    serde_json::from_value::<T>(text.into()).map(|_| text.to_owned()).map_err(|_| expected)
}

/// The start of the name of at least one action.
fn action(text: &str) -> Result<String, &'static str> {
    let known = !text.is_empty() && Action::described().iter().any(|(name, _)| name.starts_with(text));
    if known {
        Ok(text.to_owned())
    } else {
        Err("an action such as agent.update, or the start of one such as agent.")
    }
}

/// An address as it is stored.
fn address(text: &str) -> Result<String, &'static str> {
    let address: IpAddr = text.parse().map_err(|_| "an IP address")?;
    Ok(address.to_canonical().to_string())
}

fn place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('.')?;
    Some(Place { at: at.parse().ok()?, id: parse_id(id)? })
}

/// A place as clients are given it, to send it back.
pub(super) fn written(place: Place) -> String {
    format!("{}.{}", place.at, place.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_or_as_people_write_them() {
        assert_eq!(time("1893456000000"), Ok(1_893_456_000_000));
        assert_eq!(time("2030-01-01"), Ok(1_893_456_000_000));
        assert_eq!(time("2030-01-01T00:00:01.5Z"), Ok(1_893_456_001_500));
        assert_eq!(time("2030-01-01T01:00:00+01:00"), Ok(1_893_456_000_000));
        for junk in ["", "yesterday", "2030-13-01", "2030-01-01T00:00", "99999999999999999999", "1e3"] {
            assert!(time(junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn a_place_comes_back_as_it_was_given() {
        let there = Place { at: 1_893_456_000_000, id: 7 };
        assert_eq!(place(&written(there)), Some(there));
        for junk in ["", "7", ".", "1.x", "1.-7", "x.1"] {
            assert_eq!(place(junk), None, "{junk}");
        }
    }
}
