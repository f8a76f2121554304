//! `/api/account/sessions`: where a user is logged in, and ending that.
//!
//! A session is called by an ID that neither lets anyone in nor tells what does. One's own are listed and no others.

use schemars::JsonSchema;
use serde::Serialize;

use super::tags::ACCOUNT;
use crate::auth::session::public_id;
use crate::clock::Millis;
use crate::domain::session::{self, OwnSession};
use crate::error::Result;
use crate::error::failures as f;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/account/sessions", "List the caller's sessions")
            .session()
            .tag(ACCOUNT)
            .handler(list),
        Route::delete("/api/account/sessions", "End all of the caller's sessions but this one")
            .session()
            .tag(ACCOUNT)
            .handler(end_others),
        Route::delete("/api/account/sessions/{id}", "End one of the caller's sessions")
            .session()
            .tag(ACCOUNT)
            .param::<String>("id", "The session's ID, as the list has it")
            .fails(&[f::NOT_FOUND])
            .handler(end),
    ]
}

/// A session as its user sees it in the list.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionView {
    id: String,
    /// When its user logged in, in milliseconds since the epoch, as every time here.
    created: Millis,
    /// When it was last used.
    last_used: Millis,
    /// When it ends unless it is used.
    expires_at: Millis,
    /// The address its user logged in from; null for the server's own machine.
    address: Option<String>,
    /// What the client called itself.
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

impl From<OwnSession> for SessionView {
    fn from(own: OwnSession) -> Self {
        let OwnSession { key, session, address, user_agent, current } = own;
        Self {
            id: public_id(key),
            created: session.created,
            last_used: session.last_used,
            expires_at: session.expires,
            address,
            user_agent,
            current,
        }
    }
}

async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<SessionView>>> {
    let own = session::list(&call).await?;
    Ok(Answer::ok("Sessions retrieved successfully.", own.into_iter().map(SessionView::from).collect()))
}

async fn end(call: Call, _: NoBody) -> Result<Answer<()>> {
    session::end(&call, call.param("id").to_owned()).await?;
    Ok(Answer::done("Session ended successfully"))
}

async fn end_others(call: Call, _: NoBody) -> Result<Answer<()>> {
    session::end_others(&call).await?;
    Ok(Answer::done("All other sessions were ended"))
}
