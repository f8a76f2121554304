//! `/api/account/sessions`: where a user is logged in, and ending that.
//!
//! A session is called by an ID that neither lets anyone in nor tells what does. One's own are listed and no others.

use schemars::JsonSchema;
use serde::Serialize;

use crate::audit::{Action, SubjectKind};
use crate::auth::session::SessionKey;
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, NoBody};
use crate::store::sessions::{self, SessionRow};

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

pub(super) async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<SessionView>>> {
    let (account, current) = call.caller.session()?;
    let user = account.id;
    let rows = call.host.store.read(move |db| sessions::of_user(db, user)).await?;
    let view = |row: SessionRow| {
        let key = SessionKey(row.key);
        // What is in memory is newer; what is not there has ended.
        let session = call.host.sessions.get(key)?;
        Some(SessionView {
            id: key.public_id(),
            created: session.created,
            last_used: session.last_used,
            expires_at: session.expires,
            address: row.address,
            user_agent: row.user_agent,
            current: key == current,
        })
    };
    Ok(Answer::ok("Sessions retrieved successfully.", rows.into_iter().filter_map(view).collect()))
}

pub(super) async fn end(call: Call, _: NoBody) -> Result<Answer<()>> {
    let (account, _) = call.caller.session()?;
    let id = call.param("id").to_owned();
    let own = call.host.sessions.keys_of(account.id);
    let key = own.into_iter().find(|key| key.public_id() == id);
    let key = key.ok_or_else(|| Error::not_found("Session not found"))?;
    call.change(Action::SessionEnd, move |db, entry| {
        entry.on(SubjectKind::Session, None, id);
        sessions::delete(db, &key.0)
    })
    .await?;
    call.host.sessions.forget(key);
    Ok(Answer::done("Session ended successfully"))
}

pub(super) async fn end_others(call: Call, _: NoBody) -> Result<Answer<()>> {
    let (account, current) = call.caller.session()?;
    let (user, name) = (account.id, account.username.clone());
    call.change(Action::SessionEnd, move |db, entry| {
        entry.on(SubjectKind::User, user, name);
        sessions::delete_of_user(db, user, Some(&current.0))
    })
    .await?;
    call.host.sessions.forget_all_of(user, Some(current));
    Ok(Answer::done("All other sessions were ended"))
}
