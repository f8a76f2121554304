//! The API's document at `/api/openapi.json`: every route that this server has, and every command. Public: it says
//! nothing of anyone's, and programs read it before they log in.
//!
//! For people there is a page at `/api/docs` that shows the document and makes calls from it. It is made of the files of
//! the dashboard and brings them along, so that it is there without the dashboard too. The page's document names the way
//! back to where the server begins (`<base>`), so that it works below a path of a proxy.

use std::borrow::Cow;

use netignite::prelude::*;

/// The plugin's section of the configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Whether the document, and the page that shows it, are served.
    pub enabled: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// See the module.
pub struct OpenApi {
    files: StaticFiles,
}

const DOCUMENT: Tag = Tag::new("Document", "This document");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PATH: &str = "/api/docs";
/// The page there.
const REFERENCE: &str = "reference/index.html";

/// The page's files by name, some of them in compressed form besides: `build.rs` lists them.
static WEB: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/reference.rs"));

impl Plugin for OpenApi {
    const NAME: &'static str = "openapi";
    const SUMMARY: &'static str = "The API as an OpenAPI document, and as a page at /api/docs";
    const KEYS: &'static [(&'static str, &'static str)] =
        &[("enabled", "Whether the document, and the page that shows it, are served.")];
    type Config = Config;

    fn new(config: Config, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        if !config.enabled {
            return Ok(None);
        }
        let files = WEB.iter().map(|(name, bytes)| (Cow::Borrowed(*name), Cow::Borrowed(*bytes)));
        Ok(Some(Self { files: StaticFiles::new(files) }))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        let row = Route::get("/api/openapi.json", "The API as an OpenAPI document").public().tag(DOCUMENT);
        let document = row.raw(&["application/json"], |call| async move {
            // Some hundred kilobytes are made once.
            let document = spawn_blocking(move || call.document()).await?;
            Ok(Raw::new(StatusCode::OK, JSON, document?))
        });
        let file = |path, summary| {
            let row = Route::get(path, summary).public().tag(DOCUMENT).sends_files();
            let row = if path == PATH { row.navigation("API reference") } else { row };
            row.raw(&["*/*"], method!(self.file(call)))
        };
        vec![
            document,
            file(PATH, "The API's reference, a page for people"),
            file("/api/docs/{*path}", "The files of the API's reference"),
        ]
    }
}

impl OpenApi {
    async fn file(&self, call: Call) -> Result<Raw> {
        let path = call.params.iter().find(|(name, _)| name == "path").map(|(_, path)| path);
        let file = match path {
            None => self.files.get(REFERENCE),
            Some(path) => self.files.get(path).filter(|_| !path.ends_with(".html")),
        };
        file.map(|file| file.answer(&call.headers))
            .ok_or_else(|| Error::not_found("There is nothing at this path"))
    }
}

register_plugin!(OpenApi);
