//! A row of the route table with its handler.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;

use super::call::FromBody;
use super::envelope::{enveloped, raw};
use super::row::Row;
use super::row_part::{Gives, describe};
use super::{Answer, Call, Data, Method, Raw, Response, StatusCode};
use crate::error::{Error, Result};
pub use crate::model::access::Access;
use crate::registry::{BoxFuture, Unblocking, watched};

type Handler = Arc<dyn Fn(Call, Bytes) -> BoxFuture<'static, Result<Response>> + Send + Sync>;

/// A row of the route table, begun with its method: `Route::get("/api/hello", "Greet the user").signed_in().handler(hello)`.
#[derive(Clone)]
pub struct Route {
    row: Row,
    /// None for agents' connections, which their door admits.
    handler: Option<Handler>,
    /// Says in the log that the handler blocked its thread, where that is looked at.
    unblocking: Option<Arc<Unblocking>>,
}

impl Route {
    /// The beginning of a route with GET; HEAD comes with it.
    pub fn get(path: impl Into<Cow<'static, str>>, summary: &'static str) -> Row {
        Row::new(Method::GET, path, summary)
    }

    /// The beginning of a route with POST.
    pub fn post(path: impl Into<Cow<'static, str>>, summary: &'static str) -> Row {
        Row::new(Method::POST, path, summary)
    }

    /// The beginning of a route with PUT.
    pub fn put(path: impl Into<Cow<'static, str>>, summary: &'static str) -> Row {
        Row::new(Method::PUT, path, summary)
    }

    /// The beginning of a route with DELETE.
    pub fn delete(path: impl Into<Cow<'static, str>>, summary: &'static str) -> Row {
        Row::new(Method::DELETE, path, summary)
    }

    /// What is known of it.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// The same, of whose handler the log says if it blocks its thread: that of a route `whose`, as of which plugin.
    #[must_use]
    pub fn watched(mut self, whose: impl Display) -> Self {
        let what = format!("{} {} {whose}", self.row.method, self.row.path);
        self.unblocking = Some(Arc::new(Unblocking::new(what)));
        self
    }

    /// Calls the handler.
    pub(super) fn call(&self, call: Call, body: Bytes) -> BoxFuture<'static, Result<Response>> {
        let Some(handler) = &self.handler else {
            return Box::pin(async { Err(Error::internal("a route without a handler was called")) });
        };
        let work = handler(call, body);
        match self.unblocking.clone() {
            Some(unblocking) => Box::pin(watched(work, move |kept| unblocking.blocked(kept))),
            None => work,
        }
    }
}

impl Row {
    /// The route, whose handler takes a body `B` and answers the envelope with data `T`.
    pub fn handler<B, T, F, Fut>(mut self, handler: F) -> Route
    where
        B: FromBody,
        T: Data + JsonSchema,
        F: Fn(Call, B) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer<T>>> + Send + 'static,
    {
        self.takes = B::SCHEMA;
        self.gives = Gives::Envelope(describe::<T>);
        if self.statuses.is_empty() {
            self.statuses.push(StatusCode::OK);
        }
        let handler = Arc::new(handler);
        let handler: Handler = Arc::new(move |call, body| {
            let handler = handler.clone();
            Box::pin(async move {
                let id = call.request.clone();
                let body = B::from_body(&body)?;
                enveloped(handler(call, body).await?, &id)
            })
        });
        Route { row: self, handler: Some(handler), unblocking: None }
    }

    /// The route, whose handler answers something that is not the envelope, of one of these media types. `*/*` stands
    /// for any.
    pub fn raw<F, Fut>(mut self, media_types: &'static [&'static str], handler: F) -> Route
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Raw>> + Send + 'static,
    {
        self.gives = Gives::Raw(media_types);
        if self.statuses.is_empty() {
            self.statuses.push(StatusCode::OK);
        }
        let handler = Arc::new(handler);
        let handler: Handler = Arc::new(move |mut call, body| {
            let handler = handler.clone();
            call.body = body;
            // Called inside, so that all of it can panic in one place only: where it is polled.
            Box::pin(async move { handler(call).await.and_then(raw) })
        });
        Route { row: self, handler: Some(handler), unblocking: None }
    }

    /// The route of a page or of a form that pages send, for people and outside `/api`: it may answer HTML, text, a file or
    /// a redirect, with any header.
    pub fn page<F, Fut>(self, handler: F) -> Route
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Raw>> + Send + 'static,
    {
        self.raw(&["*/*"], handler)
    }

    /// The route that admits agents' connections.
    pub fn agents_door(mut self) -> Route {
        self.access = Access::Agent;
        self.gives = Gives::Upgrade;
        self.statuses = vec![StatusCode::SWITCHING_PROTOCOLS];
        Route { row: self, handler: None, unblocking: None }
    }
}

impl Deref for Route {
    type Target = Row;

    fn deref(&self) -> &Row {
        &self.row
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.access)
    }
}
