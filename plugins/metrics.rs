//! Metrics: the server's figures in the text format of Prometheus (OpenMetrics), at `/metrics`.
//!
//! Off unless configured. Figures tell how much goes on here, so enabling them takes an address of their own, which a
//! firewall can guard, or a token. Labels come from the code alone (routes, commands, outcomes), never from a client:
//! no IDs, no names, so that their number is bounded. What can be read when asked is not counted here.

use std::net::SocketAddr;

use netignite::prelude::*;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use serde::Deserializer;
use serde::de::Error as _;
use subtle::ConstantTimeEq;

/// The media type of what `prometheus-client` writes.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
/// The shortest token that cannot be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The section `plugins.metrics`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Section {
    /// Whether there are metrics at all.
    enabled: bool,
    /// An address of their own, such as `127.0.0.1:9464`.
    #[serde(deserialize_with = "address")]
    bind: Option<SocketAddr>,
    /// The bearer token that must be sent.
    token: Option<String>,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let expected = "expected an address and a port such as \"127.0.0.1:9464\"";
    text.map(|text| text.parse().map_err(|_| D::Error::custom(expected))).transpose()
}

/// The section, found to be safe.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Section", into = "Section")]
pub struct Config {
    enabled: bool,
    bind: Option<SocketAddr>,
    token: Option<SecretString>,
}

impl TryFrom<Section> for Config {
    type Error = String;

    fn try_from(Section { enabled, bind, token }: Section) -> Result<Self, String> {
        if enabled && bind.is_none() && token.is_none() {
            return Err(
                "metrics must not be open to everyone: set plugins.metrics.bind to an address of their own, \
                        such as 127.0.0.1:9464, or plugins.metrics.token to a secret"
                    .into(),
            );
        }
        if token.as_ref().is_some_and(|token| token.trim() != token || token.contains(char::is_control)) {
            return Err("plugins.metrics.token must not begin or end with blanks, nor hold control characters: it could not \
                        be sent"
                .into());
        }
        if token.as_ref().is_some_and(|token| token.len() < SHORTEST_TOKEN) {
            return Err(format!("plugins.metrics.token must have at least {SHORTEST_TOKEN} characters"));
        }
        Ok(Self { enabled, bind, token: token.map(Into::into) })
    }
}

impl From<Config> for Section {
    fn from(Config { enabled, bind, token }: Config) -> Self {
        Self { enabled, bind, token: token.map(|_| "[redacted]".into()) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
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
struct ReasonLabels {
    reason: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What is counted as it happens.
#[derive(Debug, Clone)]
struct Counts {
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histograms<RouteLabels>,
    commands: Family<CommandLabels, Counter>,
    command_seconds: Histograms<NameLabels>,
    connects: Counter,
    disconnects: Family<ReasonLabels, Counter>,
}

impl Default for Counts {
    fn default() -> Self {
        // 0.5 ms to 8 s.
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 15));
        Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            commands: Family::default(),
            command_seconds: Family::new_with_constructor(seconds),
            connects: Counter::default(),
            disconnects: Family::default(),
        }
    }
}

/// See the module.
pub struct Metrics {
    bind: Option<SocketAddr>,
    counts: Counts,
    started: f64,
}

impl Plugin for Metrics {
    const NAME: &'static str = "metrics";
    const SUMMARY: &'static str = "Figures for Prometheus at /metrics";
    type Config = Config;

    const KEYS: &'static [(&'static str, &'static str)] = &[
        ("bind", "An address of their own, such as `127.0.0.1:9464`."),
        ("enabled", "Whether there are metrics at all; it takes `bind` or `token`."),
        ("token", "The bearer token that must be sent, of at least 16 characters."),
    ];
    const LIVE: &'static [&'static str] = &["token"];

    fn listens(config: &Config) -> Vec<(&'static str, SocketAddr)> {
        config.bind.filter(|_| config.enabled).map(|address| ("bind", address)).into_iter().collect()
    }

    fn new(config: Config, host: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        let Config { enabled, bind, .. } = config;
        let started = host.clock.now() as f64 / 1000.0;
        Ok(enabled.then(|| Self { bind, counts: Counts::default(), started }))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        if self.bind.is_some() { Vec::new() } else { vec![self.route()] }
    }

    async fn start(self: &Arc<Self>, host: &Arc<Host>, shutdown: Shutdown) -> Result<(), PluginError> {
        if let Some(bind) = self.bind {
            let address = serve_routes(host, bind, vec![self.route()], shutdown)
                .map_err(|e| PluginError::new(format!("plugins.metrics.bind: {e}")))?;
            tracing::info!("metrics at http://{address}/metrics");
        }
        Ok(())
    }

    fn on_event(&self, event: &Event) {
        let counts = &self.counts;
        // Further kinds of events may come; inside the host's own crate that is known not to be so yet.
        #[allow(unreachable_patterns)]
        match event {
            Event::AgentOnline { .. } => {
                counts.connects.inc();
            }
            Event::AgentOffline { why, .. } => {
                counts.disconnects.get_or_create(&ReasonLabels { reason: why }).inc();
            }
            Event::CommandDone { command, outcome, took, .. } => {
                let outcome = outcome_label(*outcome);
                counts.commands.get_or_create(&CommandLabels { command, outcome }).inc();
                counts.command_seconds.get_or_create(&NameLabels { command }).observe(took.as_secs_f64());
            }
            Event::RequestDone { route, method, status, took, .. } => {
                let (route, method) = (route.clone().into_owned(), method_label(method));
                let of_route = RouteLabels { route: route.clone(), method };
                counts.request_seconds.get_or_create(&of_route).observe(took.as_secs_f64());
                let status = status_label(*status);
                counts.requests.get_or_create(&RequestLabels { route, method, status }).inc();
            }
            _ => {}
        }
    }
}

const METRICS: Tag = Tag::new("Metrics", "Figures for monitoring");

impl Metrics {
    fn route(self: &Arc<Self>) -> Route {
        let metrics = self.clone();
        // Public to the host; the token is checked here.
        let row = Route::get("/metrics", "Figures for Prometheus").public().tag(METRICS);
        let row = row.fails(&[failures::UNAUTHENTICATED]);
        row.raw(&["application/openmetrics-text"], move |call| {
            let metrics = metrics.clone();
            async move {
                Self::check_token(&call)?;
                // What happened before the question is in the answer.
                call.host.events.caught_up(Self::NAME).await;
                // Reads files of the kernel, and writes much text.
                let body = spawn_blocking(move || metrics.text(&call.host)).await.map_err(Error::internal)?;
                let body = body.map_err(Error::internal)?;
                Ok(Raw::new(StatusCode::OK, OPENMETRICS, body))
            }
        })
    }

    /// Whether the call carries the token, compared in constant time.
    fn check_token(call: &Call) -> Result<()> {
        let Some(token) = token_in_force(&call.host)? else {
            return Ok(());
        };
        let sent = call.bearer().unwrap_or_default();
        if bool::from(sent.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
            Ok(())
        } else {
            Err(Error::unauthenticated(
                "Metrics need the configured token: send Authorization: Bearer and the token",
            ))
        }
    }

    /// The whole answer.
    fn text(&self, host: &Host) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        self.register_counts(&mut registry);
        register_state(&mut registry, host);
        register_process(&mut registry, self.started);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register_counts(&self, registry: &mut Registry) {
        let Counts { requests, request_seconds, commands, command_seconds, connects, disconnects } =
            self.counts.clone();
        registry.register("netignite_http_requests", "Requests answered", requests);
        registry.register_with_unit(
            "netignite_http_request_duration",
            "From a request's head to its answer",
            Unit::Seconds,
            request_seconds,
        );
        registry.register("netignite_commands", "Commands ended, by how", commands);
        registry.register_with_unit(
            "netignite_command_duration",
            "From a command's call to its end",
            Unit::Seconds,
            command_seconds,
        );
        registry.register("netignite_agent_connects", "Connections of agents accepted", connects);
        registry.register("netignite_agent_disconnects", "Connections of agents ended, by why", disconnects);
    }
}

/// The token, which may have been changed since the start.
fn token_in_force(host: &Host) -> Result<Option<SecretString>> {
    let config = host.config.load();
    let Some(section) = config.plugins.get(Metrics::NAME) else { return Ok(None) };
    Config::deserialize(section).map(|config| config.token).map_err(Error::internal)
}

/// What the host knows without counting here.
fn register_state(registry: &mut Registry, host: &Host) {
    let build = Info::new(vec![("version", VERSION)]);
    registry.register("netignite_build", "The running version", build);
    let connected = i64::try_from(host.control.online_count()).unwrap_or(i64::MAX);
    registry.register("netignite_agents_connected", "Agents connected now", ConstGauge::new(connected));
    let heard = host.control.counters();
    for (name, help, value) in [
        ("netignite_agent_handshakes_refused", "Agents refused for their ID or secret", heard.refused),
        ("netignite_agent_replies_late", "Replies nobody waited for any more", heard.late),
        ("netignite_agent_replies_unknown", "Replies to no command", heard.unknown),
        ("netignite_agent_frames_malformed", "Frames that were no message", heard.malformed),
        ("netignite_agent_violations", "Connections ended for breaking the protocol", heard.violations),
        ("netignite_events_missed", "Events that plugins were too slow for", host.events.missed()),
        ("netignite_database_batches", "Write transactions tried", host.store.stats().batches),
        ("netignite_database_writes", "Writes they held", host.store.stats().jobs),
    ] {
        registry.register(name, help, ConstCounter::new(value));
    }
}

/// The usual figures of a process, as far as the kernel tells them.
fn register_process(registry: &mut Registry, started: f64) {
    let start = ConstGauge::new(started);
    registry.register_with_unit("process_start_time", "When it started, Unix time", Unit::Seconds, start);
    if let Some(bytes) = resident_bytes() {
        let memory = ConstGauge::new(bytes);
        registry.register_with_unit("process_resident_memory", "Resident memory", Unit::Bytes, memory);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
        registry.register("process_open_fds", "Open files and sockets", ConstGauge::new(open));
    }
}

/// The memory the process holds.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
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

register_plugin!(Metrics);
