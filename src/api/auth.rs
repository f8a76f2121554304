//! `/api/auth`: logging in, the session as its user sees it, logging out.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::check::{Check, GIVEN_PASSWORD, GIVEN_TEXT};
use super::field::Field;
use super::user_change::RoleName;
use crate::auth::Caller;
use crate::auth::accounts::Account;
use crate::auth::permission::{Permission, Role, has};
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::http::{Answer, Call, Json, NoBody, cookie};
use crate::store::users::{self, UserRow};

/// What is given to log in.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Credentials {
    username: Field<String>,
    password: Field<String>,
}

/// A session as its user sees it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionView {
    #[serde(rename = "userID")]
    user_id: i64,
    username: String,
    role: RoleName,
    /// Whether the admin also grants and takes the roles admin and superadmin.
    superadmin: bool,
    /// What the role allows, for one's own things or for everyone's.
    permissions: Vec<Permission>,
    /// The favourite devices that are there and the user's own.
    favorites: Vec<i64>,
    /// When the session ends unless it is used, in milliseconds since the epoch.
    expiration_timestamp: Millis,
}

impl SessionView {
    fn of(account: &Account, expires: Millis) -> Self {
        Self {
            user_id: account.id,
            username: account.username.clone(),
            role: RoleName::of(account.role),
            superadmin: account.role == Role::Superadmin,
            permissions: Permission::ALL.iter().copied().filter(|name| has(account.role, *name)).collect(),
            favorites: account.favorites.clone(),
            expiration_timestamp: expires,
        }
    }
}

pub(super) async fn login(call: Call, Json(body): Json<Credentials>) -> Result<Answer<SessionView>> {
    let mut check = Check::default();
    let username = check.required("username", body.username, &GIVEN_TEXT);
    let password = check.required("password", body.password, &GIVEN_PASSWORD);
    let (Some(username), Some(password)) = (username, password) else { return Err(check.error()) };

    let host = &call.host;
    let attempt = host.throttle.attempt(&username, call.peer.address).await?;
    let Some(user) = verified(host, username, &password).await? else {
        attempt.failed();
        return Err(no_match());
    };
    let agent = call.headers.get(hyper::header::USER_AGENT).and_then(|value| value.to_str().ok());
    let issued = host.sessions.issue(user.id, &call.peer, agent).await?;
    // A password that was changed while it was being verified must not leave a session behind: the change ended all
    // sessions there were, so either it sees this one or this sees the change.
    if !still_valid(host, &user, &password).await? {
        host.sessions.end(issued.key).await?;
        attempt.failed();
        return Err(no_match());
    }
    attempt.succeeded();
    end_brought(&call).await?;
    let account = host.accounts.get(user.id).await?.ok_or_else(no_match)?;
    let cookie = cookie::set(&issued.token, cookie::secure(&host.config.load(), &call.peer));
    Ok(Answer::ok("Login successful", SessionView::of(&account, issued.expires))
        .header(hyper::header::SET_COOKIE, cookie))
}

/// The user of this name if the password is theirs, with the hash that is stored now.
async fn verified(host: &Host, username: String, password: &SecretString) -> Result<Option<UserRow>> {
    let user = host.store.read(move |db| users::by_name(db, &username)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.expose_secret().to_owned());
    let verdict = host.passwords.verify(hash, password.clone()).await?;
    let Some(mut user) = user.filter(|_| verdict.ok) else { return Ok(None) };
    if verdict.needs_rehash {
        match rehash(host, &user, password).await {
            Ok(hash) => user.password_hash = hash,
            Err(e) => tracing::warn!(user = user.id, "The password's old hash could not be replaced: {e}"),
        }
    }
    Ok(Some(user))
}

/// Replaces the old hash of a password just verified, unless it was replaced meanwhile. Gives the hash to expect.
async fn rehash(host: &Host, user: &UserRow, password: &SecretString) -> Result<SecretString> {
    let new = SecretString::from(host.passwords.hash(password.clone()).await?);
    let (id, old, replacing) = (user.id, user.password_hash.clone(), new.clone());
    host.store
        .write(move |db| {
            let stored = users::get(db, id)?;
            if stored.is_some_and(|user| user.password_hash.expose_secret() == old.expose_secret()) {
                users::set_password_hash(db, id, replacing.expose_secret())?;
            }
            Ok(())
        })
        .await?;
    Ok(new)
}

/// Whether the password that let `user` in is still theirs.
async fn still_valid(host: &Host, user: &UserRow, password: &SecretString) -> Result<bool> {
    let id = user.id;
    let Some(now) = host.store.read(move |db| users::get(db, id)).await? else { return Ok(false) };
    if now.password_hash.expose_secret() == user.password_hash.expose_secret() {
        return Ok(true);
    }
    // Another login may have replaced the old hash of the same password.
    let hash = now.password_hash.expose_secret().to_owned();
    Ok(host.passwords.verify(Some(hash), password.clone()).await?.ok)
}

fn no_match() -> Error {
    Error::new(Kind::Unauthenticated, "no_matching_credentials", "No matching credentials found")
}

/// Ends the sessions the request's cookies name.
async fn end_brought(call: &Call) -> Result<()> {
    for token in cookie::tokens(&call.headers) {
        if let Some(session) = call.host.sessions.find(token) {
            call.host.sessions.end(session.key).await?;
        }
    }
    Ok(())
}

pub(super) async fn session(call: Call, _: NoBody) -> Result<Answer<SessionView>> {
    let Caller::User { account, session } = &call.caller else {
        return Err(Error::unauthenticated("No session found"));
    };
    let session =
        call.host.sessions.get(*session).ok_or_else(|| Error::unauthenticated("Invalid session"))?;
    Ok(Answer::ok("Session retrieved successfully", SessionView::of(account, session.expires)))
}

pub(super) async fn logout(call: Call, _: NoBody) -> Result<Answer<()>> {
    // The session is over whatever the database says; only a restart could bring it back.
    if let Err(e) = end_brought(&call).await {
        tracing::warn!("A session that was logged out could not be deleted from the database: {e}");
    }
    let cookie = cookie::clear(cookie::secure(&call.host.config.load(), &call.peer));
    Ok(Answer::done("Logged out successfully").header(hyper::header::SET_COOKIE, cookie))
}
