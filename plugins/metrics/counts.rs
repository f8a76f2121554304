//! What is counted as it happens: on the plugin's own thread, out of the events that everybody gets, so that no request
//! and no command waits for it.

use std::borrow::Cow;

use netignite::prelude::*;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Where agents connect.
const AGENTS: &str = "/api/agent-control-service";
/// What becomes of agents' handshakes.
const HANDSHAKES: [&str; 6] = ["accepted", "refused", "throttled", "invalid", "unavailable", "hung_up"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: Cow<'static, str>,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: Cow<'static, str>,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    command: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    command: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    kind: &'static str,
    command: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
    command: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What is counted as it happens.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// The names of the commands there are: labels are none but these.
    names: Vec<&'static str>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histograms<RouteLabels>,
    commands: Family<CommandLabels, Counter>,
    command_seconds: Histograms<NameLabels>,
    operations: Family<OperationLabels, Counter>,
    operation_seconds: Histograms<KindLabels>,
    handshakes: Family<ResultLabels, Counter>,
    connects: Counter,
    disconnects: Family<ReasonLabels, Counter>,
}

impl Counts {
    pub(super) fn new(names: Vec<&'static str>) -> Self {
        // 0.5 ms to 8 s.
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 15));
        // 0.1 s to 29 h: an operation may wait for its agent for a day.
        let long: fn() -> Histogram = || Histogram::new(exponential_buckets(0.1, 4.0, 11));
        let handshakes = Family::<ResultLabels, Counter>::default();
        for result in HANDSHAKES {
            // There from the start, so that the first one is an increase.
            drop(handshakes.get_or_create(&ResultLabels { result }));
        }
        Self {
            names,
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            commands: Family::default(),
            command_seconds: Family::new_with_constructor(seconds),
            operations: Family::default(),
            operation_seconds: Family::new_with_constructor(long),
            handshakes,
            connects: Counter::default(),
            disconnects: Family::default(),
        }
    }

    /// Counts what happened.
    pub(super) fn count(&self, event: &Event) {
        // Further kinds of events may come; inside the host's own crate that is known not to be so yet.
        #[allow(unreachable_patterns)]
        match event {
            Event::AgentOnline { .. } => {
                self.connects.inc();
            }
            Event::AgentOffline { why, .. } => {
                self.disconnects.get_or_create(&ReasonLabels { reason: why }).inc();
            }
            Event::CommandDone { command, outcome, took, .. } => {
                let outcome = outcome_label(*outcome);
                self.commands.get_or_create(&CommandLabels { command, outcome }).inc();
                self.command_seconds.get_or_create(&NameLabels { command }).observe(took.as_secs_f64());
            }
            Event::OperationChanged { change } => {
                let Some(ended) = change.ended_at else { return };
                let (kind, result) = (change.kind.word(), change.state.word());
                let known = self.names.iter().copied().find(|name| *name == &*change.command);
                let command = known.unwrap_or("other");
                self.operations.get_or_create(&OperationLabels { kind, command, result }).inc();
                // The wall clock may have been set back meanwhile.
                let took = (ended - change.created_at).max(0) as f64 / 1000.0;
                self.operation_seconds.get_or_create(&KindLabels { kind, command }).observe(took);
            }
            Event::RequestDone { route, method, status, took, .. } => {
                if route == AGENTS {
                    let result = handshake_label(*status);
                    self.handshakes.get_or_create(&ResultLabels { result }).inc();
                }
                let (route, method) = (route.clone(), method_label(method));
                let of_route = RouteLabels { route: route.clone(), method };
                self.request_seconds.get_or_create(&of_route).observe(took.as_secs_f64());
                let status = status_label(*status);
                self.requests.get_or_create(&RequestLabels { route, method, status }).inc();
            }
            _ => {}
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let all = self.clone();
        registry.register("netignite_http_requests", "Requests answered", all.requests);
        registry.register_with_unit(
            "netignite_http_request_duration",
            "From a request's head to its answer",
            Unit::Seconds,
            all.request_seconds,
        );
        registry.register("netignite_commands", "Commands ended, by how", all.commands);
        registry.register_with_unit(
            "netignite_command_duration",
            "From a command's call to its end",
            Unit::Seconds,
            all.command_seconds,
        );
        registry.register("netignite_operations", "Operations ended, by how", all.operations);
        registry.register_with_unit(
            "netignite_operation_duration",
            "From when an operation was made to its end",
            Unit::Seconds,
            all.operation_seconds,
        );
        registry.register(
            "netignite_agent_handshakes",
            "Attempts of agents to connect, by what became of them",
            all.handshakes,
        );
        registry.register("netignite_agent_connects", "Agents that came online", all.connects);
        registry.register(
            "netignite_agent_disconnects",
            "Connections of agents ended, by why",
            all.disconnects,
        );
    }
}

fn outcome_label(outcome: CommandOutcome) -> &'static str {
    match outcome {
        CommandOutcome::Ok => "ok",
        CommandOutcome::Failed => "failed",
        CommandOutcome::BadReply => "bad_reply",
        CommandOutcome::Offline => "offline",
        CommandOutcome::Disconnected => "disconnected",
        CommandOutcome::TimedOut => "timed_out",
        CommandOutcome::Refused => "refused",
    }
}

/// What became of a handshake, by the status it was answered with.
fn handshake_label(status: u16) -> &'static str {
    match status {
        101 => "accepted",
        401 | 403 => "refused",
        429 => "throttled",
        // The client hung up before the answer.
        499 => "hung_up",
        400..=498 => "invalid",
        _ => "unavailable",
    }
}

/// A method as a label. A client may send any word, and each would be a series of its own.
fn method_label(method: &str) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    known.into_iter().find(|name| *name == method).unwrap_or("other")
}

fn status_label(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
