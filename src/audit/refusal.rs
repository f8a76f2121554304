//! What the audit log tells of a request that was refused.
//!
//! Most is said by the class of the error and the route. An error that knows more, such as a login which knows whose
//! password was wrong, carries a [`Refusal`](crate::model::audit::Refusal). A thing that is not the caller's is answered as one that does not exist; the
//! log tells the two apart when the entry is written.

use std::net::IpAddr;

use crate::auth::Caller;
use crate::clock::Millis;
use crate::error::{Error, Kind};
use crate::model::audit::{Action, AuditOutcome, Entry, Noted, Subject, SubjectKind};

/// A request that was answered with an error.
pub struct Request<'a> {
    /// Who sent it, as far as that is known.
    pub caller: &'a Caller,
    /// From where.
    pub address: Option<IpAddr>,
    /// The method, if it is one of the usual.
    pub method: &'a str,
    /// The route's path with its placeholders.
    pub route: &'a str,
    /// What it is about.
    pub subject: Option<(SubjectKind, i64)>,
}

impl Request<'_> {
    /// What is to be noted of the request's end with `error`; none if nothing was refused.
    pub fn refused(&self, error: &Error, now: Millis) -> Option<Noted> {
        let known = error.refusal();
        let by_class = matches!(error.kind(), Kind::Unauthenticated | Kind::Forbidden | Kind::TooMany);
        let hidden = error.kind() == Kind::NotFound
            && error.code() == "not_found"
            && self.subject.is_some()
            && self.caller.account().is_some();
        if known.is_none() && !by_class && !hidden {
            return None;
        }
        let action = known.map_or(Action::RequestRefuse, |refusal| refusal.action);
        // Whoever proves nothing was refused the route, whatever ID they put into it.
        let named = self.subject.filter(|_| !matches!(self.caller, Caller::Nobody));
        let subject = known.and_then(|refusal| refusal.subject).or(named);
        let detail = match known {
            Some(_) => error.code().to_owned(),
            None => format!("{}: {} {}", error.code(), self.method, self.route),
        };
        let entry = Entry {
            outcome: AuditOutcome::Refused,
            subject: subject.map(|(kind, id)| Subject { kind, id: Some(id), name: String::new() }),
            detail: Some(detail),
            ..Entry::new(now, self.caller.actor(), action, self.address)
        };
        Some(Noted { entry, only_if_there: hidden })
    }
}
