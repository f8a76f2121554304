//! What is noted of a request once it is answered: to the log, to plugins and, if it was refused, to the audit log.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use super::under_way::Slot;
use super::{Method, Response, envelope};
use crate::audit::{SubjectKind, refusal};
use crate::auth::Caller;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::http::peer::Peer;
use crate::model::event::Event;
use crate::model::request_id::RequestId;

/// The status of a request whose client hung up before there was an answer, as proxies have it in their logs.
const HUNG_UP: u16 = 499;

/// What is known of a request by the time it is answered.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) caller: Caller,
    pub(super) subject: Option<(SubjectKind, i64)>,
    /// Its place among the answers under way, if they are counted.
    pub(super) slot: Option<Arc<Slot>>,
}

/// What is noted of a request once it is answered, or dropped because its client hung up. Path and query are left out of
/// the log: they are the client's, and may hold anything.
pub(super) struct Summary {
    host: Arc<Host>,
    pub(super) id: RequestId,
    pub(super) method: Method,
    pub(super) peer: Peer,
    started: Instant,
    route: OnceLock<Cow<'static, str>>,
    /// Whether everything was passed on, or is somebody else's to pass on.
    passed_on: AtomicBool,
}

impl Summary {
    pub(super) fn new(host: Arc<Host>, id: RequestId, method: Method, peer: Peer, started: Instant) -> Self {
        Self { host, id, method, peer, started, route: OnceLock::new(), passed_on: AtomicBool::new(false) }
    }

    /// Notes the route, by its path with placeholders.
    pub(super) fn at(&self, route: Cow<'static, str>) {
        let _ = self.route.set(route);
    }

    fn route(&self) -> &str {
        self.route.get().map_or("other", |route| route)
    }

    /// The same for whoever goes on with a request whose client hung up.
    pub(super) fn taken_over(&self) -> Self {
        self.passed_on.store(true, Relaxed);
        Self {
            host: self.host.clone(),
            id: self.id.clone(),
            method: self.method.clone(),
            peer: self.peer,
            started: self.started,
            route: self.route.clone(),
            passed_on: AtomicBool::new(false),
        }
    }

    /// The answer of a request that has ended with `result`; plugins and both logs get it.
    pub(super) fn ended(&self, seen: &Seen, result: Result<Response>) -> Response {
        let response = result.unwrap_or_else(|error| {
            self.failed(&error);
            self.refused(seen, &error);
            envelope::failed(&error, &self.id)
        });
        self.done(response.status().as_u16(), seen.caller.user_id());
        response
    }

    /// Logs an error.
    fn failed(&self, error: &Error) {
        let route = self.route();
        if error.kind() == Kind::Internal {
            tracing::error!(request = %self.id, method = %self.method, route, "Request failed: {error}");
        } else if let Some(detail) = error.log_detail() {
            tracing::debug!(request = %self.id, route, code = error.code(), "{detail}");
        }
    }

    /// Has the audit log keep a refusal.
    fn refused(&self, seen: &Seen, error: &Error) {
        let request = refusal::Request {
            caller: &seen.caller,
            address: self.peer.address,
            method: known(&self.method),
            route: self.route(),
            subject: seen.subject,
        };
        if let Some(refused) = request.refused(error, self.host.clock.now()) {
            self.host.audit.refuse(refused);
        }
    }

    /// Passes the answer on to plugins and the log.
    fn done(&self, status: u16, user: Option<i64>) {
        self.passed_on.store(true, Relaxed);
        let (took, route) = (self.started.elapsed(), self.route());
        tracing::debug!(
            request = %self.id,
            method = known(&self.method),
            route,
            status,
            address = self.peer.address.map(tracing::field::display),
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "{}",
            if status == HUNG_UP { "The client hung up before the answer" } else { "Request answered" }
        );
        let route = self.route.get().cloned().unwrap_or(Cow::Borrowed("other"));
        self.host.events.emit(Event::RequestDone { route, method: known(&self.method), status, user, took });
    }
}

impl Drop for Summary {
    fn drop(&mut self) {
        if !*self.passed_on.get_mut() {
            self.done(HUNG_UP, None);
        }
    }
}

/// The method as listeners and the log get it: one a client made up could be anything, and so many.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
