//! What is known of a route, before its handler: one builder, and everything that reads the table reads this.
//!
//! The router takes method and path from here, `405 Allow` the methods; `service` whom the route is open to, whether
//! admin mode means anything and what the audit log names; the API's document all of it. In debug builds each answer is
//! compared with it (`row_check`).

use std::borrow::Cow;

use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, VARY};
use schemars::JsonSchema;

use super::row_part::{Describe, Gives, Header, Param, Tag, describe};
use super::{Access, HeaderName, Method, StatusCode};
use crate::error::failures::{self, Failure};
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission;

/// What is known of a route. Made by [`Route::get`](super::Route::get) and its siblings.
///
/// ```
/// use netignite::prelude::*;
///
/// /// What the query may say.
/// #[derive(JsonSchema)]
/// #[allow(dead_code)]
/// struct Wanted {
///     /// Whether it is loud.
///     loud: Option<bool>,
/// }
///
/// /// A bell's body.
/// #[derive(Deserialize, JsonSchema)]
/// struct Bell {
///     name: String,
/// }
///
/// async fn make(call: Call, Json(bell): Json<Bell>) -> Result<Answer<i64>> {
///     if bell.name.is_empty() {
///         return Err(Error::invalid_fields("Invalid payload", vec![FieldError::new("name", "expected a name")]));
///     }
///     if call.query_flag("loud")? && call.query("why").is_none() {
///         return Err(Error::conflict("too_loud", "Say why it is to be loud"));
///     }
///     let made = Answer::created("The bell was made", 7);
///     Ok(made.header(HeaderName::from_static("x-bell"), HeaderValue::from_static("new")))
/// }
///
/// async fn delete(call: Call, _: NoBody) -> Result<Answer<()>> {
///     let (hall, bell) = (call.param("hall"), call.id()?);
///     Err(Error::new(ErrorKind::NotFound, failures::NOT_FOUND.code, format!("There is no bell {bell} in {hall}")))
/// }
///
/// async fn sound(call: Call) -> Result<Raw> {
///     let mut heard = call.queries().filter(|(name, _)| name == "of");
///     let sound = heard.next().map_or_else(|| "ding".to_owned(), |(_, of)| of.into_owned());
///     Ok(Raw::new(StatusCode::OK, HeaderValue::from_static("audio/wav"), sound.into_bytes()))
/// }
///
/// const TOO_LOUD: Failure = Failure::new(ErrorKind::Conflict, "too_loud", "Nobody said why");
///
/// let routes: Vec<Route> = vec![
///     Route::post("/api/bells", "Make a bell")
///         .session_needs(&[Permission::DevicesWrite]) // and no token
///         .admin_mode()
///         .query::<Wanted>()
///         .example(r#"{"name": "front door"}"#)
///         .creates()
///         .sends(HeaderName::from_static("x-bell"), "Whether it is new")
///         .fails(&[TOO_LOUD])
///         .handler(make),
///     Route::delete("/api/halls/{hall}/bells/{id}", "Delete a bell")
///         .session()
///         .param::<String>("hall", "The name of a hall")
///         .subject(SubjectKind::Device)
///         .fails(&[failures::NOT_FOUND])
///         .handler(delete),
///     Route::get("/api/bells/sound", "What a bell sounds like")
///         .operator() // this machine's command line alone
///         .reads(HeaderName::from_static("accept"), "audio/wav")
///         .statuses(&[StatusCode::OK, StatusCode::PARTIAL_CONTENT])
///         .raw(&["audio/wav"], sound),
/// ];
/// assert_eq!(routes[1].row().placeholders().collect::<Vec<_>>(), ["hall", "id"]);
/// ```
#[derive(Debug, Clone)]
pub struct Row {
    /// The method.
    pub method: Method,
    /// The path in matchit's notation, such as `/api/agents/{id}`. A placeholder that [`params`](Self::params) does not
    /// name is an ID.
    pub path: Cow<'static, str>,
    /// One line for people.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Which group it belongs to.
    pub tag: Option<Tag>,
    /// Whether `adminMode=true` means anything to it.
    pub admin_mode: bool,
    /// What kind of thing the path's `id` names, as the audit log calls it.
    pub subject: Option<SubjectKind>,
    /// The path's placeholders that are no IDs.
    pub params: Vec<Param>,
    /// The keys of the query, as the properties of objects.
    pub queries: Vec<Describe>,
    /// The schema of the body, if one is taken.
    pub takes: Option<Describe>,
    /// Whether what is no such body is passed over, as if there were none.
    pub passes_over: bool,
    /// An example of the body, as JSON.
    pub example: Option<&'static str>,
    /// What it answers when all went well.
    pub gives: Gives,
    /// The statuses of that.
    pub statuses: Vec<StatusCode>,
    /// The headers of requests that mean something to it.
    pub reads: Vec<Header>,
    /// The headers of its answers, besides the usual.
    pub sends: Vec<Header>,
    /// The schema of the data of its errors, of those that have any.
    pub fails_with: Option<Describe>,
    /// Whether it is a page for people: a browser that is not signed in is sent to the login.
    pub or_login: bool,
    /// What the page's navigation calls it, if it is there.
    pub navigation: Option<&'static str>,
    /// How it can fail by itself. [`failures`](Self::failures) has all.
    own_failures: Vec<Failure>,
}

impl Row {
    /// The beginning of a route with any method.
    pub fn new(method: Method, path: impl Into<Cow<'static, str>>, summary: &'static str) -> Self {
        Self {
            method,
            path: path.into(),
            summary,
            // Closed until something is said.
            access: Access::Operator,
            tag: None,
            admin_mode: false,
            subject: None,
            params: Vec::new(),
            queries: Vec::new(),
            takes: None,
            passes_over: false,
            example: None,
            gives: Gives::Envelope(describe::<()>),
            statuses: Vec::new(),
            reads: Vec::new(),
            sends: Vec::new(),
            fails_with: None,
            or_login: false,
            navigation: None,
            own_failures: Vec::new(),
        }
    }

    /// Open to anyone.
    #[must_use]
    pub fn public(self) -> Self {
        Self { access: Access::Public, ..self }
    }

    /// Open to whoever has a session or a token.
    #[must_use]
    pub fn signed_in(self) -> Self {
        Self { access: Access::SignedIn, ..self }
    }

    /// Open to whoever has a session, and to no token.
    #[must_use]
    pub fn session(self) -> Self {
        Self { access: Access::Session, ..self }
    }

    /// Open to whoever has a session, even if a second factor must be set up first.
    #[must_use]
    pub fn setting_up(self) -> Self {
        Self { access: Access::SettingUp, ..self }
    }

    /// Open to whoever has all of these permissions.
    #[must_use]
    pub fn needs(self, permissions: &'static [Permission]) -> Self {
        Self { access: Access::Needs(permissions), ..self }
    }

    /// Open to whoever has all of these permissions, and to no token.
    #[must_use]
    pub fn session_needs(self, permissions: &'static [Permission]) -> Self {
        Self { access: Access::SessionNeeds(permissions), ..self }
    }

    /// Open to the local operator alone.
    #[must_use]
    pub fn operator(self) -> Self {
        Self { access: Access::Operator, ..self }
    }

    /// A page for people, or what a form of one is sent to: a browser that is not signed in is sent to the login, and from there
    /// back to the page; and reads an error as a page, where a program gets the envelope.
    #[must_use]
    pub fn or_login(self) -> Self {
        Self { or_login: true, ..self }
    }

    /// In this group.
    #[must_use]
    pub fn tag(self, tag: Tag) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// `adminMode=true` means everyone's things, for whoever may.
    #[must_use]
    pub fn admin_mode(self) -> Self {
        Self { admin_mode: true, ..self }
    }

    /// The path's `id` is of such a thing, which the audit log names when the caller is refused.
    #[must_use]
    pub fn subject(self, kind: SubjectKind) -> Self {
        Self { subject: Some(kind), ..self }
    }

    /// The path's placeholder `name` is a `T`, and no ID.
    #[must_use]
    pub fn param<T: JsonSchema>(mut self, name: &'static str, about: &'static str) -> Self {
        self.params.push(Param { name, about, schema: describe::<T> });
        self
    }

    /// The query has the fields of `T` as its keys.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.queries.push(T::json_schema);
        self
    }

    /// A body that is no JSON object is passed over, as if there were none: clients of a time without one send anything.
    #[must_use]
    pub fn passes_over(self) -> Self {
        Self { passes_over: true, ..self }
    }

    /// It is a page for people, and the navigation of the page at `/` has it under this title, for whom it is open to.
    #[must_use]
    pub fn navigation(self, title: &'static str) -> Self {
        Self { navigation: Some(title), ..self }
    }

    /// An example of the body, as JSON.
    #[must_use]
    pub fn example(self, json: &'static str) -> Self {
        Self { example: Some(json), ..self }
    }

    /// The statuses of its answers when all went well; without this 200.
    #[must_use]
    pub fn statuses(self, statuses: &[StatusCode]) -> Self {
        Self { statuses: statuses.to_vec(), ..self }
    }

    /// It answers 201 when all went well.
    #[must_use]
    pub fn creates(self) -> Self {
        self.statuses(&[StatusCode::CREATED])
    }

    /// This header of a request means something to it.
    #[must_use]
    pub fn reads(mut self, name: HeaderName, about: &'static str) -> Self {
        self.reads.push(Header { name, about });
        self
    }

    /// Its answers may have this header.
    #[must_use]
    pub fn sends(mut self, name: HeaderName, about: &'static str) -> Self {
        self.sends.push(Header { name, about });
        self
    }

    /// Its answers are files: they may have the headers that [`StaticFiles`](super::StaticFiles) give them.
    #[must_use]
    pub fn sends_files(self) -> Self {
        self.statuses(&[StatusCode::OK, StatusCode::NOT_MODIFIED])
            .sends(CONTENT_ENCODING, "How the file is compressed")
            .sends(VARY, "accept-encoding")
            .sends(CACHE_CONTROL, "Ask again")
            .fails(&[failures::NOT_FOUND])
    }

    /// It can fail in these ways, besides those of any route of its kind.
    #[must_use]
    pub fn fails(mut self, failures: &[Failure]) -> Self {
        self.own_failures.extend_from_slice(failures);
        self
    }

    /// Some of its errors have data, of this type.
    #[must_use]
    pub fn fails_with<T: JsonSchema>(self) -> Self {
        Self { fails_with: Some(describe::<T>), ..self }
    }

    /// The names of the path's placeholders, in their order.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
    }

    /// Whether a placeholder stands for an ID.
    pub fn is_id(&self, placeholder: &str) -> bool {
        self.params.iter().all(|param| param.name != placeholder)
    }

    /// Every way to fail: of any route, of any of its kind, and its own.
    pub fn failures(&self) -> Vec<Failure> {
        use failures as f;
        let mut all = vec![f::INTERNAL, f::INVALID_HOST, f::HOST_NOT_ALLOWED, f::TOO_MANY_CONNECTIONS];
        if self.access == Access::Agent {
            all.extend_from_slice(&self.own_failures);
            return all;
        }
        // Whatever is sent as a body is read.
        all.extend([f::INVALID_PAYLOAD, f::REQUEST_TIMEOUT, f::PAYLOAD_TOO_LARGE, f::BUSY]);
        all.extend([f::SHUTTING_DOWN, f::STORAGE_FULL, f::STORAGE_FAILED, f::DATABASE_BUSY]);
        all.extend([f::DATABASE_DAMAGED, f::DATA_LOST]);
        if self.takes.is_some() {
            all.push(f::UNSUPPORTED_MEDIA_TYPE);
        }
        if self.placeholders().any(|name| self.is_id(name)) {
            all.push(f::INVALID_ID);
        }
        let writes = !self.method.is_safe();
        if writes {
            all.extend([f::CROSS_SITE, f::REFERENCE_CONFLICT, f::TOO_MANY_CHANGES]);
        }
        if self.access != Access::Public {
            all.extend([f::UNAUTHENTICATED, f::INVALID_TOKEN, f::RIGHTS_CHANGED, f::TOO_MANY_ANSWERS]);
            if self.access != Access::SettingUp {
                all.push(f::TOTP_SETUP_REQUIRED);
            }
        }
        match self.access {
            Access::Needs(_) | Access::Operator => all.push(f::FORBIDDEN),
            Access::Session | Access::SettingUp => all.push(f::SESSION_REQUIRED),
            Access::SessionNeeds(_) => all.extend([f::FORBIDDEN, f::SESSION_REQUIRED]),
            Access::Public | Access::SignedIn | Access::Agent => {}
        }
        for own in &self.own_failures {
            if !all.iter().any(|known| (known.kind, known.code) == (own.kind, own.code)) {
                all.push(*own);
            }
        }
        all
    }
}
