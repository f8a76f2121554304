//! Health: whether the server lives, and whether it can serve.
//!
//! `/livez` answers as long as requests are answered at all: a supervisor restarts what fails it. `/readyz` also asks
//! the database, and says no while the server stops: a load balancer sends no requests to what fails it. Both are
//! public; of what is wrong with the database they tell no more than whoever writes learns, and nothing else. `/api/health` tells more and, as everything under `/api`, needs a session or a token.

use std::sync::{Mutex, PoisonError};

use netignite::prelude::*;

/// How often it is logged that the same is still wrong: everybody may ask, as often as they like.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

const HEALTH: Tag = Tag::new("Health", "Whether the server lives, and can serve");
const NOT_READY: Failure = Failure::new(
    ErrorKind::Unavailable,
    "not_ready",
    "The server is stopping, or the database cannot be used",
);

const ILL: Failure =
    Failure::new(ErrorKind::Unavailable, "plugin_not_ready", "A plugin is not well; the log says why");

/// Nothing can be configured.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// See the module.
pub struct Health {
    started: Instant,
    /// What was logged last, and when.
    logged: Mutex<Option<(String, Instant)>>,
}

/// What a user may know of the server's state.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The server's version.
    pub version: &'static str,
    /// Seconds since the server started.
    pub uptime: u64,
}

impl Plugin for Health {
    const NAME: &'static str = "health";
    const SUMMARY: &'static str = "Say whether the server lives and is ready: /livez, /readyz, /api/health";
    type Config = Config;

    fn new(_: Config, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        Ok(Some(Self { started: Instant::now(), logged: Mutex::default() }))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        vec![
            Route::get("/livez", "Whether the server lives")
                .public()
                .tag(HEALTH)
                .raw(&["text/plain"], async |_| Ok(Raw::text(StatusCode::OK, "ok\n"))),
            Route::get("/readyz", "Whether the server can serve")
                .public()
                .tag(HEALTH)
                .statuses(&[StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE])
                .raw(&["text/plain"], method!(self.readiness(call))),
            Route::get("/api/health", "The server's state, for users")
                .signed_in()
                .tag(HEALTH)
                .fails(&[NOT_READY, ILL])
                .handler(method!(self.report(call, body))),
        ]
    }
}

impl Health {
    async fn readiness(&self, call: Call) -> Result<Raw> {
        Ok(match self.ready(&call.host).await {
            Ok(()) => Raw::text(StatusCode::OK, "ok\n"),
            // Anyone may ask here: what only the operator should know is the log's.
            Err(e) => Raw::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready{}\n", reason(&e))),
        })
    }

    async fn report(&self, call: Call, _: NoBody) -> Result<Answer<Report>> {
        self.ready(&call.host).await?;
        let report = Report { version: VERSION, uptime: self.started.elapsed().as_secs() };
        Ok(Answer::ok("The server is healthy", report))
    }

    /// Whether the server can serve: it is not stopping, and the database answers.
    async fn ready(&self, host: &Arc<Host>) -> Result<()> {
        let not_ready = |message| Error::new(NOT_READY.kind, NOT_READY.code, message);
        if host.shutdown.is_cancelled() {
            return Err(not_ready("The server is stopping"));
        }
        match timeout(PATIENCE, host.store.check()).await {
            Ok(Ok(())) => match host.ill_plugins().await.into_iter().next() {
                None => {
                    self.log(None);
                    Ok(())
                }
                Some((name, why)) => {
                    self.log(Some(format!("the plugin {name}: {why}")));
                    Err(Error::new(ILL.kind, ILL.code, format!("The plugin {name} is not well")))
                }
            },
            // What fails is logged where it is noticed.
            Ok(Err(e)) if e.kind() == ErrorKind::Unavailable => Err(e),
            Ok(Err(e)) => {
                self.log(Some(format!("the database cannot be used: {e}")));
                Err(not_ready("The database cannot be used"))
            }
            Err(_) => {
                self.log(Some(format!("the database did not answer within {PATIENCE:?}")));
                Err(not_ready("The database does not answer"))
            }
        }
    }

    /// Logs what is wrong, if it was not so before or for long.
    fn log(&self, wrong: Option<String>) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(wrong) = wrong else {
            *logged = None;
            return;
        };
        if logged.as_ref().is_none_or(|(last, at)| *last != wrong || at.elapsed() >= LOG_EVERY) {
            tracing::error!("not ready: {wrong}");
            *logged = Some((wrong, Instant::now()));
        }
    }
}

/// Why the server is not ready, if that is more than that it is not.
fn reason(error: &Error) -> String {
    match error.code() {
        "not_ready" | "shutting_down" | "internal" => String::new(),
        _ => format!(": {}", error.message()),
    }
}

register_plugin!(Health);
