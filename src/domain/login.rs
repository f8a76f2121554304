//! Logging in and out.
//!
//! A login that fails takes a quarter of a second at least, so that its time shows neither whether the user exists, nor how
//! old the stored hash is, nor which of password and code was wrong.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep_until};

use super::By;
use super::failed::log_failed;
use super::second_factor_code;
use super::session::Current;
use crate::auth::second_factor::{self, Code};
use crate::auth::session::Session;
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::model::audit::{Action, Actor, SubjectKind};
use crate::store::users::{self, UserRow};
use crate::store::{Conn, second_factors, sessions};

/// The shortest time a failed login takes: well above what any usual hash costs on a small machine.
const FAILURE_FLOOR: Duration = Duration::from_millis(250);

/// What a login is tried with.
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// Of the user's second factor, if one is in force.
    pub code: Option<Code>,
}

/// What the client that logs in brings along.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// What it calls itself.
    pub user_agent: Option<&'a str>,
    /// The tokens of the sessions it had, which a login ends.
    pub tokens: &'a [&'a str],
}

/// A session that was just begun.
pub struct LoggedIn {
    /// What its user is known by from now on.
    pub token: SecretString,
    /// The session as its user sees it.
    pub session: Current,
}

/// Begins a session.
///
/// # Errors
/// The credentials do not match, or there were too many such; the user's code is needed; the database refuses.
pub async fn login(by: &By, given: Credentials, client: Client<'_>) -> Result<LoggedIn> {
    let begun = Instant::now();
    let entered = enter(by, given, client).await;
    if let Err(e) = &entered {
        log_failed(by, "login", e);
    }
    if entered.as_ref().is_err_and(|e| e.kind() == Kind::Unauthenticated) {
        sleep_until(begun + FAILURE_FLOOR).await;
    }
    entered
}

/// Ends the sessions of these tokens. They are over whatever the database says; only a restart could bring them back.
pub async fn logout(by: &By, tokens: &[&str]) {
    for session in brought(by, tokens) {
        if let Err(e) = end(by, session).await {
            tracing::warn!("A session that was logged out could not be deleted from the database: {e}");
        }
    }
}

async fn enter(by: &By, given: Credentials, client: Client<'_>) -> Result<LoggedIn> {
    let Credentials { username, password, code } = given;
    let host = &by.host;
    let attempt = host.throttle.attempt(&username, by.address).await?;
    let user = match verified(by, username, &password).await? {
        Ok(user) => user,
        Err(known) => {
            attempt.failed();
            return Err(no_match(known));
        }
    };
    let of_user = Some((SubjectKind::User, user.id));
    let factor = match second_factor(by, &user, code).await {
        Err(e) if second_factor_code::is_wrong(&e) => {
            attempt.failed();
            return Err(e.refusing(Action::AuthLogin, of_user));
        }
        // Without a code the attempt counts neither way: who knows the password could else clear the account's count
        // between guesses at the code.
        Err(e) if e.kind() == Kind::Unauthenticated => return Err(e.refusing(Action::AuthLogin, of_user)),
        proved => proved?,
    };
    let mut login = by.entry(Action::AuthLogin);
    login.actor = Actor::User { id: user.id, name: user.username.clone() };
    let issued = host.sessions.issue(user.id, by.address, client.user_agent, login).await?;
    // A password or a second factor that was changed meanwhile must not leave a session behind: the change ended all
    // sessions there were, so either it sees this one or this sees the change.
    if !still_valid(host, &user, &password, factor).await? {
        host.sessions.end(issued.key).await?;
        attempt.failed();
        return Err(no_match(Some(user.id)));
    }
    attempt.succeeded();
    for session in brought(by, client.tokens) {
        host.sessions.end(session.key).await?;
    }
    let account = host.accounts.get(user.id).await?.ok_or_else(|| no_match(None))?;
    Ok(LoggedIn { token: issued.token, session: Current::of(host, account, issued.expires) })
}

/// The user of this name if the password is theirs, with the hash that is stored now; else the ID of the user whose it
/// is not, if there is one.
async fn verified(
    by: &By,
    username: String,
    password: &SecretString,
) -> Result<Result<UserRow, Option<i64>>> {
    let host = &by.host;
    let user = host.store.read(move |db| users::by_name(db, &username)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.expose_secret().to_owned());
    let verdict = host.passwords.verify(hash, password.clone()).await?;
    let mut user = match user {
        Some(user) if verdict.ok => user,
        other => return Ok(Err(other.map(|user| user.id))),
    };
    if verdict.needs_rehash {
        match rehash(by, &user, password).await {
            Ok(hash) => user.password_hash = hash,
            Err(e) => tracing::warn!(user = user.id, "The password's old hash could not be replaced: {e}"),
        }
    }
    Ok(Ok(user))
}

/// Replaces the old hash of a password just verified, unless it was replaced meanwhile. Gives the hash to expect.
async fn rehash(by: &By, user: &UserRow, password: &SecretString) -> Result<SecretString> {
    let new = SecretString::from(by.host.passwords.hash(password.clone()).await?);
    let (id, old, replacing) = (user.id, user.password_hash.clone(), new.clone());
    by.write(move |db| {
        let stored = users::get(db, id)?;
        if stored.is_some_and(|user| user.password_hash.expose_secret() == old.expose_secret()) {
            users::set_password_hash(db, id, replacing.expose_secret())?;
        }
        Ok(())
    })
    .await?;
    Ok(new)
}

/// Has the user prove the second factor in force, if there is one, and answers since when it has been. The code
/// is then used up.
async fn second_factor(by: &By, user: &UserRow, code: Option<Code>) -> Result<Option<Millis>> {
    let host = &by.host;
    let id = user.id;
    let factor = host.store.read(move |db| second_factors::confirmed(db, id)).await?;
    if factor.is_none() {
        return Ok(None);
    }
    let Some(code) = code else {
        return Err(Error::new(
            Kind::Unauthenticated,
            "totp_required",
            "The password is right, and a code is needed too: log in again with the one that your app shows, or with a \
             recovery code.",
        ));
    };
    let now = host.clock.now();
    let recovers = matches!(code, Code::Recovery(_));
    let take = move |db: &Conn| match second_factor::take(db, id, &code, now)? {
        true => Ok(()),
        false => Err(second_factor_code::wrong(Kind::Unauthenticated)),
    };
    let name = user.username.clone();
    let taken = async {
        if recovers {
            let noted = by.change(Action::TotpRecovery, move |db, entry| {
                // Password and code are both right, or nothing is noted.
                entry.actor = Actor::User { id, name: name.clone() };
                entry.on(SubjectKind::User, id, name);
                take(db)
            });
            noted.await
        } else {
            by.write(take).await
        }
    };
    second_factor_code::counted(by, id, taken).await?;
    Ok(factor)
}

/// Whether the password that let `user` in is still theirs, and the second factor still the one there was.
async fn still_valid(
    host: &Host,
    user: &UserRow,
    password: &SecretString,
    factor: Option<Millis>,
) -> Result<bool> {
    let id = user.id;
    let stored = host.store.read(move |db| Ok((users::get(db, id)?, second_factors::confirmed(db, id)?)));
    let (Some(now), factor_now) = stored.await? else { return Ok(false) };
    if factor_now != factor {
        return Ok(false);
    }
    if now.password_hash.expose_secret() == user.password_hash.expose_secret() {
        return Ok(true);
    }
    // Another login may have replaced the old hash of the same password.
    let hash = now.password_hash.expose_secret().to_owned();
    Ok(host.passwords.verify(Some(hash), password.clone()).await?.ok)
}

/// Whether there is such a user is for the audit log alone. A name that nobody has is not even for that: it may be a
/// password that was typed into the wrong field.
fn no_match(user: Option<i64>) -> Error {
    Error::new(Kind::Unauthenticated, "no_matching_credentials", "No matching credentials found")
        .refusing(Action::AuthLogin, user.map(|id| (SubjectKind::User, id)))
}

/// The sessions of these tokens.
fn brought(by: &By, tokens: &[&str]) -> Vec<Session> {
    tokens.iter().filter_map(|token| by.host.sessions.find(token)).collect()
}

/// Ends a session whose user logs out.
async fn end(by: &By, session: Session) -> Result<()> {
    by.host.sessions.forget(session.key);
    let account = by.host.accounts.get(session.user).await?;
    by.change(Action::AuthLogout, move |db, entry| {
        if let Some(account) = account {
            entry.actor = Actor::User { id: account.id, name: account.username.clone() };
        }
        sessions::delete(db, &session.key.0)
    })
    .await
    .map(drop)
}
