//! The API's document at `/api/openapi.json`: every route that this server has, and every command. Public: it says
//! nothing of anyone's, and programs read it before they log in.

use netignite::prelude::*;

/// The plugin's section of the configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Whether the document is served.
    pub enabled: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// See the module.
pub struct OpenApi;

const DOCUMENT: Tag = Tag::new("Document", "This document");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Plugin for OpenApi {
    const NAME: &'static str = "openapi";
    const SUMMARY: &'static str = "The API as an OpenAPI document, at /api/openapi.json";
    const LISTENS: bool = false;
    const KEYS: &'static [(&'static str, &'static str)] = &[("enabled", "Whether the document is served.")];
    type Config = Config;

    fn new(config: Config, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        Ok(config.enabled.then_some(Self))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        let row = Route::get("/api/openapi.json", "The API as an OpenAPI document").public().tag(DOCUMENT);
        vec![row.raw(&["application/json"], |call| async move {
            // Some hundred kilobytes are made once.
            let document = spawn_blocking(move || call.document()).await.map_err(Error::internal)?;
            Ok(Raw::new(StatusCode::OK, JSON, document?))
        })]
    }
}

register_plugin!(OpenApi);
