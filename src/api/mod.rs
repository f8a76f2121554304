//! The REST resources: one file a resource, and the one table of the host's own routes.
//!
//! A handler reads its typed body, asks [`Call::whose`] whose things the caller may mean, calls one function of the
//! domain and answers. Deliberately absent: SQL, frames, tests of roles, and HTTP statuses other than the two kinds of
//! success. Health and metrics are plugins.

mod account;
mod agent_error;
mod agents;
mod auth;
mod check;
pub(crate) mod commands;
mod count;
mod device_status;
mod devices;
mod field;
mod ids;
mod owner;
mod user_change;
mod users;
mod wakeup;

use std::future::Future;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tracing::Instrument;

use crate::auth::permission::Permission as P;
use crate::error::{Error, Result};
use crate::http::call::FromBody;
use crate::http::{Access, Answer, Call, Method, Route};
use device_status::Recent;

/// The host's own routes.
pub fn table() -> Vec<Route> {
    use Access::{Needs, Public, Session};

    let recent = Arc::new(Recent::default());
    let status_recent = recent.clone();
    vec![
        write(Method::POST, "/api/auth/login", Public, "Log in", auth::login),
        read("/api/auth/session", Session, "The caller's session", auth::session),
        write(Method::POST, "/api/auth/logout", Public, "Log out", auth::logout),
        read("/api/agents", Needs(P::AgentsRead), "List agents", agents::list),
        write(Method::POST, "/api/agents", Needs(P::AgentsWrite), "Create an agent", agents::create),
        read("/api/agents/status", Needs(P::AgentsRead), "Which agents are connected", agents::status),
        read(
            "/api/agents/{id}",
            Needs(P::AgentsRead),
            "An agent, for its owner with its secret",
            agents::get,
        ),
        write(Method::PUT, "/api/agents/{id}", Needs(P::AgentsWrite), "Replace an agent", agents::update),
        write(Method::DELETE, "/api/agents/{id}", Needs(P::AgentsWrite), "Delete an agent", agents::delete),
        write(
            Method::POST,
            "/api/agents/{id}/commands/{name}",
            Needs(P::AgentsCommand),
            "Send a command to an agent and wait for its reply",
            commands::send,
        ),
        read("/api/commands", Session, "List the commands agents can be sent", commands::list),
        read("/api/devices", Needs(P::DevicesRead), "List devices", devices::list),
        write(Method::POST, "/api/devices", Needs(P::DevicesWrite), "Create a device", devices::create),
        read("/api/devices/status", Needs(P::DevicesRead), "Which devices are up", move |call, body| {
            device_status::status(call, body, status_recent.clone())
        }),
        read("/api/devices/{id}", Needs(P::DevicesRead), "A device", devices::get),
        write(Method::PUT, "/api/devices/{id}", Needs(P::DevicesWrite), "Replace a device", devices::update),
        write(
            Method::DELETE,
            "/api/devices/{id}",
            Needs(P::DevicesWrite),
            "Delete a device",
            devices::delete,
        ),
        write(
            Method::POST,
            "/api/devices/{id}/wakeup",
            Needs(P::DevicesWake),
            "Wake a device through its agent",
            move |call, body| wakeup::wakeup(call, body, recent.clone()),
        ),
        write(Method::PUT, "/api/account/{id}", Session, "Replace the caller's account", account::update),
        read("/api/admin/users", Needs(P::UsersRead), "List users", users::list),
        write(Method::POST, "/api/admin/users", Needs(P::UsersWrite), "Create a user", users::create),
        read("/api/admin/users/{id}", Needs(P::UsersRead), "A user", users::get),
        write(Method::PUT, "/api/admin/users/{id}", Needs(P::UsersWrite), "Change a user", users::update),
        write(Method::DELETE, "/api/admin/users/{id}", Needs(P::UsersWrite), "Delete a user", users::delete),
    ]
}

/// A route that changes nothing. It ends when its client goes away.
fn read<B, T, F, Fut>(path: &'static str, access: Access, summary: &'static str, handler: F) -> Route
where
    B: FromBody,
    T: Serialize + JsonSchema,
    F: Fn(Call, B) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer<T>>> + Send + 'static,
{
    Route::new(Method::GET, path, access, summary, handler)
}

/// A route that changes something. Once begun it runs to its end even when its client goes away, so that what
/// follows a commit (telling the Agent Control Service, ending sessions) is never left out.
fn write<B, T, F, Fut>(
    method: Method,
    path: &'static str,
    access: Access,
    summary: &'static str,
    handler: F,
) -> Route
where
    B: FromBody,
    T: Serialize + JsonSchema + Send + 'static,
    F: Fn(Call, B) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer<T>>> + Send + 'static,
{
    Route::new(method, path, access, summary, move |call, body| {
        let handling = handler(call, body);
        async move {
            match tokio::spawn(handling.in_current_span()).await {
                Ok(result) => result,
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(ended) => Err(Error::internal(ended)),
                },
            }
        }
    })
}
