//! `/api/admin/log-level`: how much is logged, while the server runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::word;
use super::check::Check;
use super::field::Field;
use super::tags::SERVER;
use crate::config::Level;
use crate::domain::log_level;
use crate::error::Result;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, Json, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/admin/log-level", "How much is logged")
            .needs(&[P::ServerAdmin])
            .tag(SERVER)
            .handler(get),
        Route::put("/api/admin/log-level", "Change how much is logged, until the next start")
            .needs(&[P::ServerAdmin])
            .tag(SERVER)
            .example(r#"{"level": "info"}"#)
            .handler(set),
    ]
}

word!(Level, "debug, info, warn, error or critical");

/// The level of the log.
#[derive(Serialize, JsonSchema)]
pub(super) struct LevelView {
    level: Level,
}

/// The level that the log shall have.
#[derive(Deserialize, JsonSchema)]
pub(super) struct LevelBody {
    level: Field<Level>,
}

async fn get(call: Call, _: NoBody) -> Result<Answer<LevelView>> {
    Ok(Answer::ok("Log level retrieved successfully", LevelView { level: call.host.log_level.get() }))
}

async fn set(call: Call, Json(body): Json<LevelBody>) -> Result<Answer<LevelView>> {
    let level = Check::all(|check| check.required("level", body.level))?;
    log_level::set(&call, level).await?;
    Ok(Answer::ok("Log level changed successfully", LevelView { level }))
}
