//! `/api/auth`: logging in, the session as its user sees it, logging out.
//!
//! A login that fails takes [`FAILURE_FLOOR`] at least, so that its time tells neither whether the user exists, nor how
//! old the stored hash is, nor which of password and code was wrong.

use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use super::check::{Check, GIVEN_PASSWORD, GIVEN_TEXT};
use super::field::Field;
use super::role::RoleName;
use super::totp::CODE;
use crate::audit::{Action, Actor, SubjectKind};
use crate::auth::Caller;
use crate::auth::accounts::Account;
use crate::auth::permission::{Permission, Role, has};
use crate::auth::second_factor::{Code, is_missing};
use crate::auth::session::Session;
use crate::clock::Millis;
use crate::domain::failed::log_failed;
use crate::domain::second_factor_code as totp_code;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::http::call::FromBody;
use crate::http::{Answer, Call, Json, NoBody, cookie};
use crate::store::users::{self, UserRow};
use crate::store::{Conn, second_factors, sessions};

/// The shortest time a failed login takes: well above what any usual hash costs on a small machine.
const FAILURE_FLOOR: Duration = Duration::from_millis(250);

/// What is given to log in.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Credentials {
    username: Field<String>,
    password: Field<String>,
    /// Of the user's second factor, if one is in force: six digits of the app, or a recovery code.
    #[serde(default)]
    code: Field<String>,
}

/// What a login is tried with.
struct Given {
    username: String,
    password: SecretString,
    code: Option<Code>,
}

/// The body of a login. Pages act on the very message of a wrong one, so that it names no field.
pub(super) struct LoginBody(Credentials);

/// What is said of a login without a user's name and a password.
const NO_CREDENTIALS: &str = "Invalid payload";

impl FromBody for LoginBody {
    fn schema() -> Option<serde_json::Value> {
        Json::<Credentials>::schema()
    }

    fn from_body(body: &Bytes) -> Result<Self> {
        Json::from_body(body).map(|Json(credentials)| Self(credentials)).map_err(|e| e.saying(NO_CREDENTIALS))
    }
}

impl Credentials {
    fn read(self) -> Result<Given> {
        let mut check = Check::default();
        let username = check.required("username", self.username, &GIVEN_TEXT);
        let password = check.required("password", self.password, &GIVEN_PASSWORD);
        let code = match self.code {
            // As a form sends the field that its user left empty.
            Field::Value(blank) if blank.trim().is_empty() => Field::Null,
            given => given,
        };
        let code = check.optional("code", code, &CODE);
        match (username, password, code) {
            (Some(username), Some(password), Some(code)) => Ok(Given { username, password, code }),
            _ => Err(check.error().saying(NO_CREDENTIALS)),
        }
    }
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
    /// Whether the user must set up a second factor before anything else.
    totp_setup_required: bool,
    /// The favourite devices that are there and the user's own.
    favorites: Vec<i64>,
    /// When the session ends unless it is used, in milliseconds since the epoch.
    expiration_timestamp: Millis,
}

impl SessionView {
    fn of(host: &Host, account: &Account, expires: Millis) -> Self {
        Self {
            user_id: account.id,
            username: account.username.clone(),
            role: account.role.into(),
            superadmin: account.role == Role::Superadmin,
            permissions: Permission::ALL.iter().copied().filter(|name| has(account.role, *name)).collect(),
            totp_setup_required: is_missing(account, &host.config.load()),
            favorites: account.favorites.clone(),
            expiration_timestamp: expires,
        }
    }
}

pub(super) async fn login(call: Call, LoginBody(body): LoginBody) -> Result<Answer<SessionView>> {
    let begun = Instant::now();
    let given = body.read()?;
    let entered = enter(&call, given).await;
    if let Err(e) = &entered {
        log_failed(&call, "login", e);
    }
    if entered.as_ref().is_err_and(|e| e.kind() == Kind::Unauthenticated) {
        sleep_until(begun + FAILURE_FLOOR).await;
    }
    entered
}

async fn enter(call: &Call, given: Given) -> Result<Answer<SessionView>> {
    let Given { username, password, code } = given;
    let host = &call.host;
    let attempt = host.throttle.attempt(&username, call.peer.address).await?;
    let user = match verified(call, username, &password).await? {
        Ok(user) => user,
        Err(known) => {
            attempt.failed();
            return Err(no_match(known));
        }
    };
    let of_user = Some((SubjectKind::User, user.id));
    let factor = match second_factor(call, &user, code).await {
        Err(e) if totp_code::is_wrong(&e) => {
            attempt.failed();
            return Err(e.refusing(Action::AuthLogin, of_user));
        }
        // Without a code the attempt counts neither way: who knows the password could else clear the account's count
        // between guesses at the code.
        Err(e) if e.kind() == Kind::Unauthenticated => return Err(e.refusing(Action::AuthLogin, of_user)),
        proved => proved?,
    };
    let mut login = call.entry(Action::AuthLogin);
    login.actor = Actor::User { id: user.id, name: user.username.clone() };
    let agent = call.headers.get(hyper::header::USER_AGENT).and_then(|value| value.to_str().ok());
    let issued = host.sessions.issue(user.id, &call.peer, agent, login).await?;
    // A password or a second factor that was changed meanwhile must not leave a session behind: the change ended all
    // sessions there were, so either it sees this one or this sees the change.
    if !still_valid(host, &user, &password, factor).await? {
        host.sessions.end(issued.key).await?;
        attempt.failed();
        return Err(no_match(Some(user.id)));
    }
    attempt.succeeded();
    for session in brought(call) {
        host.sessions.end(session.key).await?;
    }
    let account = host.accounts.get(user.id).await?.ok_or_else(|| no_match(None))?;
    let cookie = cookie::set(&issued.token, cookie::secure(&host.config.load(), &call.peer));
    Ok(Answer::ok("Login successful", SessionView::of(host, &account, issued.expires))
        .header(hyper::header::SET_COOKIE, cookie))
}

/// The user of this name if the password is theirs, with the hash that is stored now; else the ID of the user whose it
/// is not, if there is one.
async fn verified(
    call: &Call,
    username: String,
    password: &SecretString,
) -> Result<Result<UserRow, Option<i64>>> {
    let host = &call.host;
    let user = host.store.read(move |db| users::by_name(db, &username)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.expose_secret().to_owned());
    let verdict = host.passwords.verify(hash, password.clone()).await?;
    let mut user = match user {
        Some(user) if verdict.ok => user,
        other => return Ok(Err(other.map(|user| user.id))),
    };
    if verdict.needs_rehash {
        match rehash(call, &user, password).await {
            Ok(hash) => user.password_hash = hash,
            Err(e) => tracing::warn!(user = user.id, "The password's old hash could not be replaced: {e}"),
        }
    }
    Ok(Ok(user))
}

/// Replaces the old hash of a password just verified, unless it was replaced meanwhile. Gives the hash to expect.
async fn rehash(call: &Call, user: &UserRow, password: &SecretString) -> Result<SecretString> {
    let new = SecretString::from(call.host.passwords.hash(password.clone()).await?);
    let (id, old, replacing) = (user.id, user.password_hash.clone(), new.clone());
    call.write(move |db| {
        let stored = users::get(db, id)?;
        if stored.is_some_and(|user| user.password_hash.expose_secret() == old.expose_secret()) {
            users::set_password_hash(db, id, replacing.expose_secret())?;
        }
        Ok(())
    })
    .await?;
    Ok(new)
}

/// Has the user prove the second factor in force, if there is one, and tells since when it has been. The code is then
/// used up.
async fn second_factor(call: &Call, user: &UserRow, code: Option<Code>) -> Result<Option<Millis>> {
    let host = &call.host;
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
    let take = move |db: &Conn| match second_factors::take(db, id, &code, now)? {
        true => Ok(()),
        false => Err(totp_code::wrong(Kind::Unauthenticated)),
    };
    let name = user.username.clone();
    let taken = async {
        if recovers {
            let noted = call.change(Action::TotpRecovery, move |db, entry| {
                // Password and code are both right, or nothing is noted.
                entry.actor = Actor::User { id, name: name.clone() };
                entry.on(SubjectKind::User, id, name);
                take(db)
            });
            noted.await
        } else {
            call.write(take).await
        }
    };
    totp_code::counted(call, id, taken).await?;
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

/// The sessions that the request's cookies name.
fn brought(call: &Call) -> Vec<Session> {
    cookie::tokens(&call.headers).filter_map(|token| call.host.sessions.find(token)).collect()
}

/// Ends a session whose user logs out.
async fn log_out(call: &Call, session: Session) -> Result<()> {
    call.host.sessions.forget(session.key);
    let account = call.host.accounts.get(session.user).await?;
    call.change(Action::AuthLogout, move |db, entry| {
        if let Some(account) = account {
            entry.actor = Actor::User { id: account.id, name: account.username.clone() };
        }
        sessions::delete(db, &session.key.0)
    })
    .await
    .map(drop)
}

pub(super) async fn session(call: Call, _: NoBody) -> Result<Answer<SessionView>> {
    let Caller::User { account, session } = &call.caller else {
        return Err(Error::unauthenticated("No session found"));
    };
    let session =
        call.host.sessions.get(*session).ok_or_else(|| Error::unauthenticated("Invalid session"))?;
    Ok(Answer::ok("Session retrieved successfully", SessionView::of(&call.host, account, session.expires)))
}

pub(super) async fn logout(call: Call, _: NoBody) -> Result<Answer<()>> {
    // The session is over whatever the database says; only a restart could bring it back.
    for session in brought(&call) {
        if let Err(e) = log_out(&call, session).await {
            tracing::warn!("A session that was logged out could not be deleted from the database: {e}");
        }
    }
    let cookie = cookie::clear(cookie::secure(&call.host.config.load(), &call.peer));
    Ok(Answer::done("Logged out successfully").header(hyper::header::SET_COOKIE, cookie))
}
