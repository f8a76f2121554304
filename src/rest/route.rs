//! A row of the route table: method, path, who may, handler, and what it takes and gives.
//!
//! The router, the permission tests, `405 Allow` and the API's documentation all read these rows.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde_json::Value;

use super::call::FromBody;
use super::envelope::{enveloped, raw};
use super::{Answer, Call, Data, Method, Raw, Response};
use crate::error::Result;
pub use crate::model::access::Access;
use crate::registry::BoxFuture;

type Handler = Arc<dyn Fn(Call, Bytes) -> BoxFuture<'static, Result<Response>> + Send + Sync>;

/// A row of the route table.
#[derive(Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path in matchit's notation, such as `/api/agents/{id}`.
    pub path: Cow<'static, str>,
    /// Who may call it.
    pub access: Access,
    /// One line for people.
    pub summary: &'static str,
    /// The JSON Schema of the body, if one is taken.
    pub takes: fn() -> Option<Value>,
    /// The JSON Schema of the answer's `data`; none for an answer outside the envelope.
    pub gives: fn() -> Option<Value>,
    /// Whether a body is looked at.
    pub(super) takes_body: bool,
    handler: Handler,
}

impl Route {
    /// A route whose handler takes a body `B` and answers the envelope with data `T`.
    pub fn new<B, T, F, Fut>(
        method: Method,
        path: impl Into<Cow<'static, str>>,
        access: Access,
        summary: &'static str,
        handler: F,
    ) -> Self
    where
        B: FromBody,
        T: Data + JsonSchema,
        F: Fn(Call, B) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer<T>>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self {
            method,
            path: path.into(),
            access,
            summary,
            takes: B::schema,
            takes_body: B::IS_READ,
            gives: || Some(schemars::schema_for!(T).to_value()),
            handler: Arc::new(move |call, body| {
                let handler = handler.clone();
                Box::pin(async move {
                    let id = call.request.clone();
                    let body = B::from_body(&body)?;
                    enveloped(handler(call, body).await?, &id)
                })
            }),
        }
    }

    /// A route whose answer is not the envelope.
    pub fn raw<F, Fut>(
        method: Method,
        path: impl Into<Cow<'static, str>>,
        access: Access,
        summary: &'static str,
        handler: F,
    ) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Raw>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self {
            method,
            path: path.into(),
            access,
            summary,
            takes: || None,
            takes_body: false,
            gives: || None,
            handler: Arc::new(move |call, _| {
                let handler = handler.clone();
                // Called inside, so that all of it can panic in one place only: where it is polled.
                Box::pin(async move { handler(call).await.map(raw) })
            }),
        }
    }

    /// Calls the handler.
    pub(super) fn call(&self, call: Call, body: Bytes) -> BoxFuture<'static, Result<Response>> {
        (self.handler)(call, body)
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.access)
    }
}
