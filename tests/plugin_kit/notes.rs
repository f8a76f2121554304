//! A plugin that uses all that a plugin gets.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use netignite::prelude::*;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    pub words: String,
    pub at_start: String,
    /// A secret whose name does not say so.
    #[serde(serialize_with = "as_redacted")]
    pub hook: Option<SecretString>,
    /// Lets only one server of the test's process work with the events.
    pub hear: bool,
}

/// Who may publish notes.
const PUBLISH: Permission = Permission::of_plugin("notes:publish", Role::Admin, "Publish notes.");
/// Who may read them aloud.
const READ: Permission = Permission::of_plugin("notes:read-aloud", Role::User, "Have notes read aloud.");

pub struct Notes {
    pub words: Mutex<Config>,
    pub host: Arc<Host>,
    hear: bool,
}

pub static ILL: AtomicBool = AtomicBool::new(false);
pub static ROUNDS: AtomicU64 = AtomicU64::new(0);
pub static LIFE: Mutex<Vec<&str>> = Mutex::new(Vec::new());

impl Plugin for Notes {
    const NAME: &'static str = "notes";
    const SUMMARY: &'static str = "Keep notes";
    const LIVE: &'static [&'static str] = &["words"];
    const PERMISSIONS: &'static [Permission] = &[PUBLISH, READ];
    const ACTIONS: &'static [Action] = &[Action::of_plugin("notes.publish", "Notes were published.")];
    const MIGRATIONS: &'static [&'static str] = &[
        "CREATE TABLE plugin_notes_lines (id INTEGER PRIMARY KEY, line TEXT NOT NULL) STRICT",
        "CREATE INDEX plugin_notes_by_line ON plugin_notes_lines (line);
         INSERT INTO plugin_notes_lines (line) VALUES ('the first');",
    ];
    type Config = Config;

    fn new(config: Config, host: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        let hear = config.hear;
        Ok(Some(Self { words: Mutex::new(config), host: host.clone(), hear }))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        let with = |path: &'static str, name: &'static str, value: &'static str| {
            let header = (HeaderName::from_static(name), HeaderValue::from_static(value));
            Route::get(path, "A page with a header").public().page(move |_| {
                let (name, value) = header.clone();
                async move { Ok(Raw::html("<!doctype html>").header(name, value)) }
            })
        };
        let page =
            Route::get("/notes", "The page of notes").signed_in().or_login().page(method!(self.page(call)));
        let add = Route::post("/notes", "Add a note").signed_in().or_login().page(method!(self.add(call)));
        let echo = Route::post("/notes/echo", "Echo bytes").signed_in().page(async |call: Call| {
            Ok(Raw::new(StatusCode::OK, HeaderValue::from_static("application/octet-stream"), call.body))
        });
        let wake = Route::post("/notes/wake", "Wake a device").signed_in().page(async |call: Call| {
            let device = call.form()?.id("device")?;
            call.host.wake(&call.by, device).await?;
            Raw::see_other("/notes")
        });
        let own =
            Route::post("/notes/wake-by-itself", "Wake by itself").signed_in().page(async |call: Call| {
                let by = call.host.by::<Self>();
                for device in call.host.devices(&by).await? {
                    call.host.wake(&by, device.id).await?;
                }
                let agents = call.host.agents(&by).await?;
                Ok(Raw::text(StatusCode::OK, agents.len().to_string()))
            });
        let foreign =
            Route::get("/notes/foreign", "Reach for more").signed_in().page(method!(self.foreign(call)));
        let stream = Route::get("/notes/stream", "A stream").signed_in().page(async |_: Call| {
            let (parts, body) = tokio::sync::mpsc::channel(1);
            tokio::spawn(async move {
                for part in ["one ", "two ", "three", ""] {
                    if parts.send(Ok(part.into())).await.is_err() {
                        return;
                    }
                }
            });
            Ok(Raw::stream(HeaderValue::from_static("text/plain"), body))
        });
        let publish =
            Route::post("/notes/publish", "Publish the notes").needs(&[PUBLISH]).page(async |call: Call| {
                call.host.note::<Self>(&call.by, "publish", None);
                Raw::see_other("/notes")
            });
        let aloud =
            Route::post("/notes/aloud", "Have the notes read").signed_in().page(async |call: Call| {
                call.caller.require(READ)?;
                Raw::see_other("/notes")
            });
        let row = Route::get("/api/notes/last", "The last note").signed_in();
        let last =
            row.handler(async |_: Call, _: NoBody| Err::<Answer<()>, _>(Error::not_found("There is none")));
        let row = Route::post("/api/notes/full", "One note more").signed_in();
        let full = row.handler(async |_: Call, _: NoBody| {
            Err::<Answer<()>, _>(Error::new(ErrorKind::Conflict, "notes_full", "There is no room"))
        });
        let nth = Route::get("/notes/lines/{number}", "A note")
            .public()
            .page(async |call: Call| Ok(Raw::text(StatusCode::OK, call.param("nubmer").to_owned())));
        vec![
            nth,
            last,
            full,
            publish,
            aloud,
            page,
            add,
            echo,
            wake,
            own,
            foreign,
            stream,
            with("/notes/framed", "x-frame-options", "SAMEORIGIN"),
            with("/notes/typed", "content-type", "text/plain"),
            with("/notes/strict", "content-security-policy", "script-src 'none'"),
        ]
    }

    async fn start(self: &Arc<Self>, host: &Arc<Host>, _: Shutdown) -> Result<(), PluginError> {
        host.every::<Self, _, _>(Duration::from_millis(20), || async {
            ROUNDS.fetch_add(1, SeqCst);
        });
        if self.hear {
            host.background::<Self, _, _>(|stop| async move {
                stop.cancelled().await;
                sleep(Duration::from_millis(100)).await;
                LIFE.lock().unwrap().push("work ended");
            });
        }
        Ok(())
    }

    async fn health(self: &Arc<Self>) -> Result<(), PluginError> {
        if ILL.load(SeqCst) { Err(PluginError::new("a fault of the tests")) } else { Ok(()) }
    }

    async fn reload(self: &Arc<Self>, config: Config) {
        self.host.warn::<Self>("there are other words now");
        *self.words.lock().unwrap() = config;
    }

    async fn stop(self: &Arc<Self>) {
        if self.hear {
            LIFE.lock().unwrap().push("stopped");
        }
    }

    fn on_event(&self, event: &Event) {
        if let (true, Event::AgentOnline { agent }) = (self.hear, event) {
            let sql = "INSERT INTO plugin_notes_lines (line) VALUES (?1)";
            let noted = self.host.tables::<Self>().execute_blocking(sql, [format!("agent {agent}").into()]);
            noted.expect("the note is kept");
        }
    }
}

impl Notes {
    async fn page(&self, _: Call) -> Result<Raw> {
        let sql = "SELECT line FROM plugin_notes_lines ORDER BY id";
        let lines = self.host.tables::<Self>().query(sql, []).await?;
        let items = lines.iter().map(|row| format!("<li>{}</li>", escaped(row.text(0)))).collect::<String>();
        Ok(Raw::html(format!("<!doctype html><title>Notes</title><ul>{items}</ul>"))
            .header(HeaderName::from_static("x-notes"), HeaderValue::from_static("yes")))
    }

    async fn add(&self, call: Call) -> Result<Raw> {
        let form = call.form()?;
        if !form.get("number").is_empty() {
            form.id("number")?;
        }
        let line = form.get("line").to_owned();
        let sql = "INSERT INTO plugin_notes_lines (line) VALUES (?1)";
        self.host.tables::<Self>().execute(sql, [line.into()]).await?;
        self.host.note::<Self>(&call.by, "add", None);
        Raw::see_other("/notes")
    }

    async fn foreign(&self, _: Call) -> Result<Raw> {
        let rows = self.host.tables::<Self>().query("SELECT username FROM users", []).await?;
        Ok(Raw::text(StatusCode::OK, rows[0].text(0).to_owned()))
    }
}

register_plugin!(Notes);
