//! What a handler gets: the host, who calls, and the parts of the request it may need.

use std::ops::Deref;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::HeaderMap;
use super::peer::Peer;
use super::request_id::RequestId;
use crate::domain::By;
use crate::error::{Error, Result};
use crate::model::id::parse_id;
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
    /// What the request is called in logs and in its answer.
    pub request: RequestId,
}

impl Call {
    /// The path's placeholder `name`; empty if the route has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
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

    /// The first value of the query's key `name`, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref()?;
        form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
    }
}

impl Deref for Call {
    type Target = By;

    fn deref(&self) -> &By {
        &self.by
    }
}

/// Whether a query asks for admin mode, in exactly the words `adminMode=true`, at its first mention.
pub(super) fn is_admin_mode(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "adminMode")
        .is_some_and(|(_, v)| v == "true")
}

/// What a handler takes as its body.
pub trait FromBody: Sized + Send + 'static {
    /// The JSON Schema of the body, or none if there is none to send.
    fn schema() -> Option<serde_json::Value>;
    /// Reads the body.
    ///
    /// # Errors
    /// 400 with the wrong fields.
    fn from_body(body: &Bytes) -> Result<Self>;
}

/// A JSON object as the body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> FromBody for Json<T> {
    fn schema() -> Option<serde_json::Value> {
        Some(schemars::schema_for!(T).to_value())
    }

    fn from_body(body: &Bytes) -> Result<Self> {
        // Nothing at all stands for the empty object.
        match decode_object(if body.is_empty() { b"{}" } else { body }) {
            Ok(value) => Ok(Self(value)),
            Err(e) => Err(Error::invalid_fields("Invalid payload", vec![e])),
        }
    }
}

/// No body: whatever is sent is read and ignored.
pub struct NoBody;

impl FromBody for NoBody {
    fn schema() -> Option<serde_json::Value> {
        None
    }

    fn from_body(_: &Bytes) -> Result<Self> {
        Ok(Self)
    }
}
