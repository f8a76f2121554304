//! What a handler gets: the host, who calls, and the parts of the request it may need.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::router::Router;
use super::row::Row;
use super::row_part::{Describe, describe};
use super::{Access, HeaderMap, Method, Route};
use crate::domain::By;
use crate::error::{Error, FieldError, Result};
use crate::http::peer::Peer;
use crate::http::{bearer, cookie, media};
use crate::model::id::parse_id;
use crate::model::request_id::RequestId;
use crate::registry::decode_object;

/// One request on its way to its handler, after session and permission were checked.
pub struct Call {
    /// Who calls, and with what in reach: what the domain wants to know.
    pub by: By,
    /// Where the request came from.
    pub peer: Peer,
    /// The headers.
    pub headers: HeaderMap,
    /// The path's placeholders, by name.
    pub params: Vec<(String, String)>,
    /// The query as it was sent, without the question mark.
    pub query: Option<String>,
    /// The path as it was sent.
    pub path: String,
    /// What the request is called in logs and in its answer.
    pub request: RequestId,
    /// The body as it came, of a route that answers something that is not the envelope; else empty.
    pub body: Bytes,
    /// The routes that are served beside the one that is called.
    pub(super) router: Arc<Router>,
}

/// The API's document, made once.
#[derive(Default)]
struct Document(OnceLock<Bytes>);

impl Call {
    /// Whether cookies for this client carry `Secure`.
    pub fn secure_cookies(&self) -> bool {
        cookie::secure(&self.host.config.load(), &self.peer)
    }

    /// The path's placeholder `name`; empty if the route has none of that name, which panics in debug builds, and so in
    /// tests.
    pub fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(n, _)| n == name);
        debug_assert!(found.is_some(), "the path of this route has no placeholder {{{name}}}");
        found.map_or("", |(_, v)| v)
    }

    /// The path's `id`: a plain positive decimal integer.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn id(&self) -> Result<i64> {
        self.id_of("id")
    }

    /// The path's placeholder `name` as [`id`](Self::id) reads it.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn id_of(&self, name: &str) -> Result<i64> {
        parse_id(self.param(name)).ok_or_else(|| {
            Error::new(
                crate::error::Kind::Invalid,
                "invalid_id",
                "Invalid ID: expected a positive whole number",
            )
        })
    }

    /// The document of all routes that are served here, and of all commands, as JSON. It takes a while the first time.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn document(&self) -> Result<Bytes> {
        let kept = self.host.remembered.get(Document::default);
        if let Some(document) = kept.0.get() {
            return Ok(document.clone());
        }
        let document = self.router.document(&self.host.registry);
        let json = Bytes::from(serde_json::to_vec(&document).map_err(Error::internal)?);
        Ok(kept.0.get_or_init(|| json).clone())
    }

    /// The pages of plugins that the caller may open, by path and title.
    pub fn navigation(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let caller = &self.caller;
        let open = move |row: &Row| match row.access {
            Access::Operator | Access::Agent => false,
            access => access.permissions().iter().all(|permission| caller.has(*permission)),
        };
        let pages = self.router.routes().iter().map(Route::row);
        let pages = pages.filter(|row| row.navigation.is_some() && row.method == Method::GET);
        pages.filter(move |row| open(row)).filter_map(|row| Some((&*row.path, row.navigation?)))
    }

    /// The fields of a form, as browsers send it. That it comes from a page of this server, and not of another site, was
    /// checked before.
    ///
    /// # Errors
    /// 415 for a body of another media type.
    pub fn form(&self) -> Result<Form> {
        media::check_form(&self.headers)?;
        Ok(Form(form_urlencoded::parse(&self.body).into_owned().collect()))
    }

    /// What was sent as `Authorization: Bearer`; empty if it is not clear, none if there is no such header.
    pub fn bearer(&self) -> Option<&str> {
        bearer::token(&self.headers)
    }

    /// The keys and values of the query, decoded, in their order.
    pub fn queries(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes())
    }

    /// The first value of the query's key `name`, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.queries().find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
    }

    /// Whether the query's key `name` says yes: `true` or `1`. Without it, and for `false`, `0` and nothing, no.
    ///
    /// # Errors
    /// 400 for any other value, for values that contradict each other, and for a key that nearly is this one.
    pub fn query_flag(&self, name: &'static str) -> Result<bool> {
        let mut said = None;
        for (key, value) in self.queries().filter(|(key, _)| is_nearly(key, name)) {
            if key != name {
                return Err(wrong_query(name, "expected this key as it is written here"));
            }
            let value = match value.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => true,
                "false" | "0" | "" => false,
                _ => return Err(wrong_query(name, "expected true or false")),
            };
            if said.is_some_and(|said| said != value) {
                return Err(wrong_query(name, "expected true or false, and not both"));
            }
            said = Some(value);
        }
        Ok(said.unwrap_or_default())
    }
}

/// Whether a query's key is a known one, or that one in other letters, with blanks around it or in the way that lists are
/// written.
pub(crate) fn is_nearly(key: &str, known: &str) -> bool {
    let key = key.trim();
    let name = key.strip_suffix(']').and_then(|key| key.split_once('[')).map_or(key, |(name, _)| name);
    name.eq_ignore_ascii_case(known)
}

/// The fields of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The first value of a field; empty if it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// A field as a positive whole number, such as an ID.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn id(&self, name: &'static str) -> Result<i64> {
        parse_id(self.get(name)).ok_or_else(|| {
            let is_there = self.0.iter().any(|(field, _)| field == name);
            let message = if is_there { "expected a positive whole number" } else { "this is missing" };
            Error::invalid_fields("Invalid form", vec![FieldError::new(name, message)])
        })
    }
}

impl Deref for Call {
    type Target = By;

    fn deref(&self) -> &By {
        &self.by
    }
}

/// Whether a query asks for admin mode, in exactly the words `adminMode=true`, at each mention.
pub(super) fn is_admin_mode(query: &str) -> bool {
    let mut said =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "adminMode").peekable();
    said.peek().is_some() && said.all(|(_, value)| value == "true")
}

/// A query whose key `name` has a wrong value.
pub(crate) fn wrong_query(name: &str, message: &str) -> Error {
    Error::invalid_fields("Invalid query", vec![FieldError::new(name, message)])
}

/// What a handler takes as its body.
pub trait FromBody: Sized + Send + 'static {
    /// Gives the JSON Schema of the body; none if whatever is sent is ignored.
    const SCHEMA: Option<Describe>;
    /// Reads the body.
    ///
    /// # Errors
    /// 400 with the wrong fields.
    fn from_body(body: &Bytes) -> Result<Self>;
}

/// A JSON object as the body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> FromBody for Json<T> {
    const SCHEMA: Option<Describe> = Some(describe::<T>);

    fn from_body(body: &Bytes) -> Result<Self> {
        match decode_object(body) {
            Ok(value) => Ok(Self(value)),
            Err(e) => Err(Error::invalid_fields("Invalid payload", vec![e])),
        }
    }
}

/// No body: whatever is sent is read and ignored.
pub struct NoBody;

impl FromBody for NoBody {
    const SCHEMA: Option<Describe> = None;

    fn from_body(_: &Bytes) -> Result<Self> {
        Ok(Self)
    }
}
