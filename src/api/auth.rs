//! `/api/auth`: logging in, the session as its user sees it, logging out.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{SET_COOKIE, USER_AGENT};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::{GivenSecret, GivenText};
use super::check::Check;
use super::field::Field;
use super::navigation::{NavigationView, navigation};
use super::role::RoleName;
use super::tags::SIGNING_IN;
use super::totp::TotpCode;
use crate::auth::permission::{Permission, Role, has};
use crate::clock::Millis;
use crate::domain::login::{self, Client, LoggedIn};
use crate::domain::session::{self, Current};
use crate::error::failures as f;
use crate::error::{Error, Result};
use crate::http::cookie;
use crate::rest::call::FromBody;
use crate::rest::row_part::Describe;
use crate::rest::{Answer, Call, Data, Json, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/auth/login", "Log in")
            .public()
            .tag(SIGNING_IN)
            .example(r#"{"username": "admin", "password": "a long password"}"#)
            .sends(SET_COOKIE, "The session's cookie")
            .fails(&[f::NO_MATCHING_CREDENTIALS, f::TOTP_REQUIRED, f::WRONG_LOGIN_CODE, f::TOO_MANY_ATTEMPTS])
            .handler(login),
        Route::get("/api/auth/session", "The caller's session").setting_up().tag(SIGNING_IN).handler(session),
        Route::post("/api/auth/logout", "Log out")
            .public()
            .tag(SIGNING_IN)
            .sends(SET_COOKIE, "Takes the session's cookie away")
            .handler(logout),
    ]
}

/// What is given to log in.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Credentials {
    username: Field<GivenText>,
    password: Field<GivenSecret>,
    /// Of the user's second factor, if one is in force: six digits of the app, or a recovery code.
    #[serde(default)]
    code: Field<TotpCode>,
}

/// The body of a login. Pages act on the very message of a wrong one, so that it names no field.
pub(super) struct LoginBody(Credentials);

/// What is said of a login without a user's name and a password.
const NO_CREDENTIALS: &str = "Invalid payload";

impl FromBody for LoginBody {
    const SCHEMA: Option<Describe> = Json::<Credentials>::SCHEMA;

    fn from_body(body: &Bytes) -> Result<Self> {
        Json::from_body(body).map(|Json(credentials)| Self(credentials)).map_err(|e| e.saying(NO_CREDENTIALS))
    }
}

impl Credentials {
    fn read(self) -> Result<login::Credentials> {
        let read = Check::all(|check| {
            let username = check.required("username", self.username);
            let password = check.required("password", self.password);
            let code = match self.code {
                // As a form sends the field that its user left empty.
                Field::Value(blank) if blank.trim().is_empty() => Field::Null,
                given => given,
            };
            let code = check.optional("code", code);
            Some(login::Credentials { username: username?, password: password?, code: code? })
        });
        read.map_err(|error| error.saying(NO_CREDENTIALS))
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
    /// Whether the user must set up a second factor before anything else.
    totp_setup_required: bool,
    /// The favourite devices that are there and the user's own.
    favorites: Vec<i64>,
    /// When the session ends unless it is used, in milliseconds since the epoch.
    expiration_timestamp: Millis,
}

impl From<Current> for SessionView {
    fn from(session: Current) -> Self {
        let Current { account, totp_setup_required, expires } = session;
        Self {
            user_id: account.id,
            username: account.username.clone(),
            role: account.role.into(),
            superadmin: account.role == Role::Superadmin,
            totp_setup_required,
            favorites: account.favorites.clone(),
            expiration_timestamp: expires,
        }
    }
}

/// A session that has begun.
#[derive(Serialize, JsonSchema)]
pub(super) struct NewSessionView {
    #[serde(flatten)]
    session: SessionView,
    #[serde(flatten)]
    allowed: AllowedView,
}

/// What a role allows.
#[derive(Serialize, JsonSchema)]
struct AllowedView {
    /// What the role allows, for one's own things or for everyone's.
    permissions: Vec<Permission>,
}

impl AllowedView {
    fn of(role: Role) -> Self {
        Self { permissions: Permission::all().filter(|name| has(role, *name)).collect() }
    }
}

/// What a role opens.
#[derive(Serialize, JsonSchema)]
struct OpenView {
    #[serde(flatten)]
    allowed: AllowedView,
    /// The pages of plugins that the caller may open.
    navigation: Vec<NavigationView>,
}

/// The caller's session, and what its user may open.
#[derive(JsonSchema)]
pub(super) struct OwnSessionView {
    #[serde(flatten)]
    session: SessionView,
    /// The JSON of an [`OpenView`], without the brace it begins with.
    #[schemars(flatten, with = "OpenView")]
    open: Arc<str>,
}

impl Data for OwnSessionView {
    fn append_to(&self, json: &mut Vec<u8>) -> Result<()> {
        self.session.append_to(json)?;
        // One object of the two.
        json.pop();
        json.push(b',');
        json.extend_from_slice(self.open.as_bytes());
        Ok(())
    }
}

/// What each role opens, as [`OwnSessionView`] has it: it stays the same while the server runs, and is asked for each time
/// a page is opened.
#[derive(Default)]
struct Open(Mutex<Vec<(Role, Arc<str>)>>);

impl Open {
    fn to(call: &Call, role: Role) -> Result<Arc<str>> {
        let open = call.host.remembered.get(Self::default);
        let mut kept = open.0.lock();
        if let Some((_, json)) = kept.iter().find(|(of, _)| *of == role) {
            return Ok(json.clone());
        }
        let view = OpenView { allowed: AllowedView::of(role), navigation: navigation(call) };
        let json = serde_json::to_string(&view).map_err(Error::internal)?;
        let json = Arc::from(json.trim_start_matches('{'));
        kept.push((role, Arc::clone(&json)));
        Ok(json)
    }
}

async fn login(call: Call, LoginBody(body): LoginBody) -> Result<Answer<NewSessionView>> {
    let given = body.read()?;
    let tokens: Vec<_> = cookie::tokens(&call.headers).collect();
    let user_agent = call.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let client = Client { user_agent, tokens: &tokens };
    let LoggedIn { token, session } = login::login(&call, given, client).await?;
    let cookie = cookie::set(&token, call.secure_cookies());
    let allowed = AllowedView::of(session.account.role);
    let view = NewSessionView { session: session.into(), allowed };
    Ok(Answer::ok("Login successful", view).header(SET_COOKIE, cookie))
}

async fn session(call: Call, _: NoBody) -> Result<Answer<OwnSessionView>> {
    let session = session::current(&call)?;
    let open = Open::to(&call, session.account.role)?;
    Ok(Answer::ok("Session retrieved successfully", OwnSessionView { session: session.into(), open }))
}

async fn logout(call: Call, _: NoBody) -> Result<Answer<()>> {
    let tokens: Vec<_> = cookie::tokens(&call.headers).collect();
    login::logout(&call, &tokens).await;
    Ok(Answer::done("Logged out successfully").header(SET_COOKIE, cookie::clear(call.secure_cookies())))
}
