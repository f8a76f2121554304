//! `/api/admin/log-level`: how much is logged, while the server runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, Rule};
use super::field::Field;
use crate::config::Level;
use crate::domain::log_level;
use crate::error::Result;
use crate::rest::{Answer, Call, Json, NoBody};

const LEVEL: Rule<String, Level> = Rule::word("debug, info, warn, error or critical");

/// The level of the log.
#[derive(Serialize, JsonSchema)]
pub(super) struct LevelView {
    level: Level,
}

/// The level that the log shall have.
#[derive(Deserialize, JsonSchema)]
pub(super) struct LevelBody {
    #[schemars(with = "Level")]
    level: Field<String>,
}

pub(super) async fn get(call: Call, _: NoBody) -> Result<Answer<LevelView>> {
    Ok(Answer::ok("Log level retrieved successfully", LevelView { level: call.host.log_level.get() }))
}

pub(super) async fn set(call: Call, Json(body): Json<LevelBody>) -> Result<Answer<LevelView>> {
    let mut check = Check::default();
    let Some(level) = check.required("level", body.level, &LEVEL) else { return Err(check.error()) };
    log_level::set(&call, level).await?;
    Ok(Answer::ok("Log level changed successfully", LevelView { level }))
}
