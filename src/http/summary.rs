//! What is told of a request once it is answered: to the log, to plugins and, if it was refused, to the audit log.

use std::time::Instant;

use super::Method;
use super::peer::Peer;
use crate::audit::{SubjectKind, refusal};
use crate::auth::Caller;
use crate::error::{Error, Kind};
use crate::host::Host;
use crate::plugin::Event;

/// What is known of a request by the time it is answered.
pub(super) struct Seen<'a> {
    pub(super) route: &'a str,
    pub(super) caller: Caller,
    pub(super) subject: Option<(SubjectKind, i64)>,
}

/// What is told of a request once it is answered. Path and query are left out of the log: they are the client's, and
/// may hold anything.
pub(super) struct Summary {
    pub(super) id: u64,
    pub(super) method: Method,
    pub(super) peer: Peer,
    pub(super) started: Instant,
}

impl Summary {
    /// Logs an error.
    pub(super) fn failed(&self, route: &str, error: &Error) {
        if error.kind() == Kind::Internal {
            tracing::error!(request = self.id, method = %self.method, route, "Request failed: {error}");
        } else if let Some(detail) = error.log_detail() {
            tracing::debug!(request = self.id, route, code = error.code(), "{detail}");
        }
    }

    /// Has the audit log tell of a refusal.
    pub(super) fn refused(&self, host: &Host, seen: &Seen<'_>, error: &Error) {
        let request = refusal::Request {
            caller: &seen.caller,
            peer: &self.peer,
            method: known(&self.method),
            route: seen.route,
            subject: seen.subject,
        };
        if let Some(refused) = request.refused(error, host.clock.now()) {
            host.audit.refuse(refused);
        }
    }

    /// Tells plugins and the log of the answer.
    pub(super) fn done(&self, host: &Host, route: &str, status: u16) {
        let took = self.started.elapsed();
        host.tell(&Event::RequestDone { route, method: known(&self.method), status, took });
        tracing::debug!(
            request = self.id,
            method = known(&self.method),
            route,
            status,
            address = self.peer.address.map(tracing::field::display),
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "Request answered"
        );
    }
}

/// The method as plugins and the log are told: one a client made up could be anything, and so many.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::PATCH
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}
