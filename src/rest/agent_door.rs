//! The agents' door: a request on the Agent Control Service's path, judged, counted and logged.
//!
//! Failed handshakes are slowed like failed logins. Whoever knows the secret is let in all the same, however many
//! failed before from the same address or for the same agent: failures decide only what a further failure is answered.
//! Each one that is judged is one line of the log with its address, from which a firewall can learn.

use std::sync::Arc;

use hyper::http::request::Parts;
use tokio_util::task::TaskTracker;

use super::{Body, Response};
use crate::control::{Conflict, NotAdmitted, Ticket};
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::http::origin;
use crate::http::peer::Peer;
use crate::http::service::Door;
use crate::model::audit::{Action, Actor, AuditOutcome, Entry, SubjectKind};

/// Admits the agent, whose connection its ticket stands for, or says why not.
pub(super) fn admit(
    host: &Arc<Host>,
    tasks: &TaskTracker,
    parts: &Parts,
    peer: Peer,
    door: Door,
) -> Result<(Response, Ticket)> {
    if let Door::Operator = door {
        return Err(Error::invalid(
            "Agents connect to the server's network address, not to its local socket",
        ));
    }
    let origin_ok = origin::may_connect(&parts.headers, &peer, &host.config.load().allowed_origins);
    let admitted = host.control.admit(&parts.method, parts.version, &parts.headers, peer.address, origin_ok);
    let (response, ticket) = admitted.map_err(|refused| counted(host, peer, refused))?;
    host.handshakes.handshake_succeeded(ticket.agent(), peer.address);
    if let Some(conflict) = ticket.conflict() {
        report(host, ticket.agent(), peer, conflict);
    }
    if let Some((agent, until)) = ticket.retired_secret() {
        let host = host.clone();
        tasks.spawn(async move { host.old_secret_retired(agent, until).await });
    }
    Ok((response.map(|()| Body::default()), ticket))
}

/// What a refused handshake is answered, once it was counted.
fn counted(host: &Host, peer: Peer, NotAdmitted { error, claimed }: NotAdmitted) -> Error {
    if error.kind() != Kind::Unauthenticated {
        return error;
    }
    let slowed = host.handshakes.handshake_failed(claimed, peer.address);
    let error = match (slowed, error.refusal()) {
        (Ok(()), _) => error,
        (Err(slowed), Some(refusal)) => slowed.refusing(refusal.action, refusal.subject),
        (Err(slowed), None) => slowed,
    };
    // Beyond the limit nothing new is learnt, and the log must not be filled.
    if error.kind() == Kind::Unauthenticated {
        let address = peer.address.map(tracing::field::display);
        tracing::info!(address, agent = claimed, code = error.code(), "Failed handshake");
    }
    error
}

/// Reports that connections of one agent replace each other again and again.
fn report(host: &Host, agent: i64, peer: Peer, conflict: Conflict) {
    let Conflict { count, minutes } = conflict;
    let times =
        format!("replaced {count} times in {minutes} {}", if minutes == 1 { "minute" } else { "minutes" });
    tracing::warn!(
        agent,
        address = peer.address.map(tracing::field::display),
        "the agent's connection was {times}: two machines may use its ID and secret, or it restarts again and again"
    );
    let mut entry = Entry::new(host.clock.now(), Actor::Server, Action::AgentConflict, peer.address);
    entry.on(SubjectKind::Agent, agent, "");
    entry.outcome = AuditOutcome::Failed;
    entry.detail = Some(times);
    host.audit.note(entry);
}
