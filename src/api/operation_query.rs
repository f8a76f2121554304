//! The query of the list of operations.

use super::query_keys::{USUAL, limit, take_all};
use crate::domain::operation::read::{Filter, InState};
use crate::error::Result;
use crate::model::id::parse_id;
use crate::model::operation::{OperationId, OperationKind, State};
use crate::rest::Call;

/// 2001-09-09 in milliseconds: a smaller time is one in seconds.
const FIRST_TIME: i64 = 1_000_000_000_000;

/// The keys of the query.
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
pub(super) struct OperationQuery {
    /// A state, or `live`: queued or running.
    state: Option<String>,
    /// `command` or `wake`.
    kind: Option<OperationKind>,
    /// Of this agent alone.
    #[serde(rename = "agentID")]
    agent_id: Option<i64>,
    /// Of this device alone.
    #[serde(rename = "deviceID")]
    device_id: Option<i64>,
    /// Made at this time or after, in milliseconds since the epoch.
    since: Option<i64>,
    /// How many, at most 500; 100 unless given.
    limit: Option<i64>,
    /// Where to go on: out of the `Link` of an earlier answer.
    cursor: Option<String>,
}

/// The keys.
const KEYS: [&str; 7] = ["state", "kind", "agentID", "deviceID", "since", "limit", "cursor"];

/// What the query asks for. Keys that are none are passed over, as in other lists.
///
/// # Errors
/// 400 naming every key whose value is none, or that comes twice.
pub(super) fn asked(call: &Call) -> Result<Filter> {
    let limit = i64::try_from(USUAL).unwrap_or(i64::MAX);
    let mut filter = Filter { limit, before: i64::MAX, ..Filter::default() };
    take_all(call, &KEYS, |key, value| take(&mut filter, key, value)).check()?;
    Ok(filter)
}

/// Takes one key; what was expected if its value is none.
fn take(filter: &mut Filter, key: &str, value: &str) -> Result<(), &'static str> {
    let id = || parse_id(value).ok_or("an ID, a whole number");
    match key {
        "state" => {
            filter.state = match value {
                "live" => InState::Live,
                word => InState::One(
                    State::from_word(word)
                        .ok_or("queued, running, succeeded, failed, timed_out, expired, canceled or live")?,
                ),
            };
        }
        "kind" => filter.kind = Some(OperationKind::from_word(value).ok_or("command or wake")?),
        "agentID" => filter.agent = Some(id()?),
        "deviceID" => filter.device = Some(id()?),
        "since" => {
            let time = value.parse().ok().filter(|time| *time == 0 || *time >= FIRST_TIME);
            let time = time.ok_or("a time in milliseconds since the epoch, not in seconds")?;
            filter.from = OperationId::first_key(time);
        }
        "limit" => {
            filter.limit = i64::try_from(limit(value)?).unwrap_or(i64::MAX);
        }
        "cursor" => {
            let cursor = value.parse::<OperationId>().map_err(|_| "the cursor of an earlier answer")?;
            filter.before = cursor.key();
        }
        _ => {}
    }
    Ok(())
}
