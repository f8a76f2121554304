//! Where a user is logged in, and ending that. One's own sessions are seen and ended, and no others.

use std::sync::Arc;

use super::By;
use crate::auth::Caller;
use crate::auth::second_factor::is_missing;
use crate::auth::session::{Session, public_id};
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::account::Account;
use crate::model::audit::{Action, SubjectKind};
use crate::model::digest::Digest;
use crate::store::sessions;

/// A session of the caller's.
pub struct OwnSession {
    /// Its key.
    pub key: Digest,
    /// Its times.
    pub session: Session,
    /// The address its user logged in from; none for the server's own machine.
    pub address: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// The session that asks.
pub struct Current {
    /// Its user.
    pub account: Arc<Account>,
    /// Whether the user must set up a second factor before anything else.
    pub totp_setup_required: bool,
    /// When it ends unless it is used.
    pub expires: Millis,
}

impl Current {
    pub(super) fn of(host: &Host, account: Arc<Account>, expires: Millis) -> Self {
        let totp_setup_required = is_missing(&account, &host.config.load());
        Self { account, totp_setup_required, expires }
    }
}

/// The caller's session.
///
/// # Errors
/// There is none, or it has just ended.
pub fn current(by: &By) -> Result<Current> {
    let Caller::User { account, session } = &by.caller else {
        return Err(Error::unauthenticated("No session found"));
    };
    let session = by.host.sessions.get(*session).ok_or_else(|| Error::unauthenticated("Invalid session"))?;
    Ok(Current::of(&by.host, account.clone(), session.expires))
}

/// The caller's sessions.
///
/// # Errors
/// The caller has no session; the database cannot be read.
pub async fn list(by: &By) -> Result<Vec<OwnSession>> {
    let (account, current) = by.caller.session()?;
    let user = account.id;
    let rows = by.host.store.read(move |db| sessions::of_user(db, user)).await?;
    let own = rows.into_iter().filter_map(|row| {
        let key = Digest(row.key);
        // What is in memory is newer; what is not there has ended.
        let session = by.host.sessions.get(key)?;
        Some(OwnSession {
            key,
            session,
            address: row.address,
            user_agent: row.user_agent,
            current: key == current,
        })
    });
    Ok(own.collect())
}

/// Ends one of the caller's sessions, by its public ID.
///
/// # Errors
/// The caller has no session, or none of that ID; the database refuses.
pub async fn end(by: &By, id: String) -> Result<()> {
    let (account, _) = by.caller.session()?;
    let own = by.host.sessions.keys_of(account.id);
    let key = own.into_iter().find(|key| public_id(*key) == id);
    let key = key.ok_or_else(|| Error::not_found("Session not found"))?;
    by.change(Action::SessionEnd, move |db, entry| {
        entry.on(SubjectKind::Session, None, id);
        sessions::delete(db, &key.0)
    })
    .await?;
    by.host.sessions.forget(key);
    Ok(())
}

/// Ends all of the caller's sessions but the one that asks.
///
/// # Errors
/// The caller has no session; the database refuses.
pub async fn end_others(by: &By) -> Result<()> {
    let (account, current) = by.caller.session()?;
    let (user, name) = (account.id, account.username.clone());
    by.change(Action::SessionEnd, move |db, entry| {
        entry.on(SubjectKind::User, user, name);
        sessions::delete_of_user(db, user, Some(&current.0))
    })
    .await?;
    by.host.sessions.forget_all_of(user, Some(current));
    Ok(())
}
