//! Metrics: the server's figures in the text formats of Prometheus, at `/metrics`.
//!
//! Off unless configured. Figures tell how much goes on here, so enabling them takes an address of their own, which a
//! firewall can guard, or a token. Labels come from the code alone (routes, commands, outcomes), never from a client:
//! no IDs, no names, so that their number is bounded. What can be read when asked is not counted here.

mod counts;
mod format;
mod now;

use std::net::SocketAddr;

use netignite::prelude::*;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::Deserializer;
use serde::de::Error as _;
use subtle::ConstantTimeEq;

use self::counts::Counts;

/// The media type of what `prometheus-client` writes.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
/// The media type of Prometheus' older format.
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const VARY: HeaderName = HeaderName::from_static("vary");
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
    #[serde(serialize_with = "as_redacted")]
    token: Option<SecretString>,
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
        let text = token.as_ref().map(SecretString::expose_secret);
        if text.is_some_and(|text| text.trim() != text || text.contains(char::is_control)) {
            return Err("plugins.metrics.token must not begin or end with blanks, nor hold control characters: it could not \
                        be sent"
                .into());
        }
        if text.is_some_and(|text| text.len() < SHORTEST_TOKEN) {
            return Err(format!("plugins.metrics.token must have at least {SHORTEST_TOKEN} characters"));
        }
        Ok(Self { enabled, bind, token })
    }
}

impl From<Config> for Section {
    fn from(Config { enabled, bind, token }: Config) -> Self {
        Self { enabled, bind, token }
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
        let names = host.registry.iter().map(|entry| entry.name).collect();
        Ok(enabled.then(|| Self { bind, counts: Counts::new(names), started }))
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
        self.counts.count(event);
    }
}

const METRICS: Tag = Tag::new("Metrics", "Figures for monitoring");

impl Metrics {
    fn route(self: &Arc<Self>) -> Route {
        let metrics = self.clone();
        // Public to the host; the token is checked here.
        let row = Route::get("/metrics", "Figures for Prometheus").public().tag(METRICS);
        let row = row.fails(&[failures::UNAUTHENTICATED]).sends(VARY, "`Accept`: the format follows it");
        row.raw(&["application/openmetrics-text", "text/plain"], move |call| {
            let metrics = metrics.clone();
            async move {
                Self::check_token(&call)?;
                // What happened before the question is in the answer.
                call.host.events.caught_up(Self::NAME).await;
                let accepted = call.headers.get("accept").and_then(|value| value.to_str().ok());
                let is_plain = accepted.is_some_and(format::wants_plain);
                let figures = call.host.figures().await;
                // Reads files of the kernel, and writes much text.
                let text = spawn_blocking(move || {
                    metrics
                        .text(&call.host, figures)
                        .map(|text| if is_plain { format::plain(&text) } else { text })
                });
                let body = text.await?.map_err(Error::internal)?;
                let media_type = if is_plain { PLAIN } else { OPENMETRICS };
                Ok(Raw::new(StatusCode::OK, media_type, body)
                    .header(VARY, HeaderValue::from_static("Accept")))
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

    /// The whole answer, in OpenMetrics.
    fn text(&self, host: &Host, figures: Figures) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        self.counts.register(&mut registry);
        now::register(&mut registry, host, figures);
        now::register_process(&mut registry, self.started);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// The token, which may have been changed since the start.
fn token_in_force(host: &Host) -> Result<Option<SecretString>> {
    let config = host.config.load();
    let Some(section) = config.plugins.get(Metrics::NAME) else { return Ok(None) };
    Config::deserialize(section).map(|config| config.token).map_err(Error::internal)
}

register_plugin!(Metrics);
