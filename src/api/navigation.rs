//! The pages that plugins add to the navigation of the page at `/`.

use schemars::JsonSchema;
use serde::Serialize;

use super::tags::SERVER;
use crate::error::Result;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/navigation", "List the pages of plugins that the caller may open")
            .signed_in()
            .tag(SERVER)
            .handler(list),
    ]
}

/// A page of a plugin.
#[derive(Serialize, JsonSchema)]
pub(super) struct NavigationView {
    /// Where it is, from where the server begins, with a slash before it.
    path: String,
    /// What the plugin calls it.
    title: &'static str,
}

async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<NavigationView>>> {
    Ok(Answer::ok("Pages retrieved successfully.", navigation(&call)))
}

/// The pages of plugins that a caller may open.
pub(super) fn navigation(call: &Call) -> Vec<NavigationView> {
    call.navigation().map(|(path, title)| NavigationView { path: path.to_owned(), title }).collect()
}
