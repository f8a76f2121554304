//! What a handler gives: the successful half of the envelope, or bytes of another kind.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Body, HeaderName, HeaderValue, StatusCode};
use crate::error::{Error, Result};

/// A success: `{"status":"OK","message":…,"data":…}`.
#[derive(Debug)]
pub struct Answer<T> {
    /// The HTTP status, 200 unless something was created.
    pub status: StatusCode,
    /// The text for people.
    pub message: Cow<'static, str>,
    /// The data, or `null`.
    pub data: Option<T>,
    /// Headers besides the usual ones, such as a cookie.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl<T> Answer<T> {
    /// 200 with data.
    pub fn ok(message: impl Into<Cow<'static, str>>, data: T) -> Self {
        Self { status: StatusCode::OK, message: message.into(), data: Some(data), headers: Vec::new() }
    }

    /// 201 with data, mostly the new ID.
    pub fn created(message: impl Into<Cow<'static, str>>, data: T) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(message, data) }
    }

    /// The same answer with what `map` makes of its data.
    ///
    /// # Errors
    /// What `map` answers.
    pub fn try_map<U>(self, map: impl FnOnce(T) -> Result<U>) -> Result<Answer<U>> {
        let Self { status, message, data, headers } = self;
        Ok(Answer { status, message, data: data.map(map).transpose()?, headers })
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Answer<()> {
    /// 200 without data.
    pub fn done(message: impl Into<Cow<'static, str>>) -> Self {
        Self { data: None, ..Self::ok(message, ()) }
    }
}

/// What can be the data of an answer: anything serde can write as JSON, and what writes its JSON itself.
pub trait Data {
    /// Appends the JSON.
    ///
    /// # Errors
    /// It cannot be written.
    fn append_to(&self, json: &mut Vec<u8>) -> Result<()>;

    /// The parts of JSON that follow what was appended, for data that is not made at once. An empty part is the last.
    fn rest(&mut self) -> Option<mpsc::Receiver<Result<Bytes>>> {
        None
    }
}

impl<T: Serialize> Data for T {
    fn append_to(&self, json: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(json, self).map_err(Error::internal)
    }
}

/// An answer outside the envelope, such as metrics in Prometheus' text format.
#[derive(Debug)]
pub struct Raw {
    /// The HTTP status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: HeaderValue,
    /// The body.
    pub body: Body,
    /// Headers besides the media type.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Raw {
    /// An answer of this media type.
    pub fn new(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Self {
        Self { status, content_type, body: body.into(), headers: Vec::new() }
    }

    /// Plain text.
    pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
        Self::new(status, content_type, text.into())
    }

    /// A page, which is sent with the server's security headers: scripts, styles and images come from files of the server
    /// alone, nothing inline runs. Whatever text stands in it must have gone through [`escaped`].
    pub fn html(html: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, HeaderValue::from_static("text/html; charset=utf-8"), html.into())
    }

    /// 303: have the browser go on to another path of this server, with GET. This is what follows a form.
    ///
    /// # Errors
    /// The target is no path of this server.
    pub fn see_other(path: &str) -> Result<Self> {
        let is_path = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
        let value = HeaderValue::from_str(path).ok().filter(|_| is_path);
        let value = value.ok_or_else(|| Error::internal("a redirect to what is no path of this server"))?;
        Ok(Self::text(StatusCode::SEE_OTHER, "").header(hyper::header::LOCATION, value))
    }

    /// An answer whose parts come through a channel, of which an empty one is the last: an error, or an end without it,
    /// cuts the answer off, so that its reader notices. Whoever may no longer read it is cut off too.
    pub fn stream(content_type: HeaderValue, parts: mpsc::Receiver<Result<Bytes>>) -> Self {
        Self::new(StatusCode::OK, content_type, Body::between(Bytes::new(), parts, Bytes::new()))
    }

    /// The same answer with one more header. The content type and what every document is served with are the server's; a
    /// further content security policy is sent beside its own, and can only be stricter.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A text as it may stand in HTML, in an attribute with quotes too.
///
/// ```
/// assert_eq!(netignite::prelude::escaped("<b class='x'>"), "&lt;b class=&#39;x&#39;&gt;");
/// ```
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
