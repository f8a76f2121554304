//! `GET /api/permissions`: what there is to be allowed, for those who choose.

use schemars::JsonSchema;
use serde::Serialize;

use super::tags::TOKENS;
use crate::auth::permission::Permission;
use crate::error::Result;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/permissions", "List the permissions there are, those of plugins too")
            .signed_in()
            .tag(TOKENS)
            .handler(list),
    ]
}

/// A permission as it is listed.
#[derive(Serialize, JsonSchema)]
struct PermissionView {
    name: String,
    /// What it allows.
    about: String,
    /// The plugin that brings it; null for the server's own.
    plugin: Option<String>,
}

async fn list(_: Call, _: NoBody) -> Result<Answer<Vec<PermissionView>>> {
    let own = Permission::ALL.len();
    let all = Permission::described().into_iter().enumerate().map(|(at, (name, about))| {
        let plugin = name.split_once(':').filter(|_| at >= own).map(|(plugin, _)| plugin.to_owned());
        PermissionView { name, about, plugin }
    });
    Ok(Answer::ok("Permissions retrieved successfully.", all.collect()))
}
