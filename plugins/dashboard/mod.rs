//! The page on which people meet the server, at `/`.
//!
//! What is served is what lies in `web/`: plain ES modules, style sheets, icons and catalogues, embedded in the binary.
//! Every page of the application is the same document, so that a link can be opened and reloaded: `/devices/7` is the
//! document because there is a `pages/devices.js`. The document names the way back to where the application begins
//! (`<base>`), so that it works below a path of a proxy. What is neither a page nor a file is 404: the document for a
//! browser, which then says so, and the envelope for programs.

use std::borrow::Cow;

use netignite::prelude::*;

/// The document.
const DOCUMENT: &str = "index.html";
/// Where the application begins, as the document says it in `web/`.
const HERE: &str = "<base href=\"./\">";

/// What the document has the browser load for whoever is signed in, most likely: who brings no cookie is not, and will see
/// another page first.
const OF_USERS: &str = "<link rel=\"modulepreload\" href=\"pages/devices.js\">";
const OF_VISITORS: &str =
    "<link rel=\"modulepreload\" href=\"form.js\">\n<link rel=\"modulepreload\" href=\"pages/sign-in.js\">";

/// The files by name, some of them in compressed form besides: `build.rs` lists them.
static WEB: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// The section `plugins.dashboard`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Whether there is a page at all.
    enabled: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// See the module.
pub struct Dashboard {
    files: StaticFiles,
    /// The document by how many folders lie between it and where the application begins.
    documents: Vec<Document>,
}

/// The document for whoever brings a cookie, and for others.
struct Document {
    user: StaticFile,
    visitor: StaticFile,
}

impl Plugin for Dashboard {
    const NAME: &'static str = "dashboard";
    const SUMMARY: &'static str = "The page for people, at /";
    const KEYS: &'static [(&'static str, &'static str)] = &[("enabled", "Whether there is a page at all.")];
    type Config = Config;

    fn new(config: Config, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        if !config.enabled {
            return Ok(None);
        }
        let files = WEB.iter().map(|(name, bytes)| (Cow::Borrowed(*name), Cow::Borrowed(*bytes)));
        let files = StaticFiles::new(files);
        let document = files.get(DOCUMENT).map(|file| String::from_utf8_lossy(file.bytes()));
        let document = document.ok_or_else(|| PluginError::new("the page's files were not built in"))?;
        let documents = (0..=MOST_FOLDERS).map(|folders| Document::below(&document, folders)).collect();
        Ok(Some(Self { files, documents }))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        let route = |path, summary| {
            let page = self.clone();
            let found = [StatusCode::OK, StatusCode::NOT_MODIFIED, StatusCode::NOT_FOUND];
            let row = Route::get(path, summary).public().tag(PAGE).sends_files().statuses(&found);
            row.raw(&["*/*"], move |call| {
                let page = page.clone();
                async move { page.answer(&call) }
            })
        };
        vec![route("/", "The page for people"), route("/{*path}", "The page's files, and its further pages")]
    }
}

const PAGE: Tag = Tag::new("Page", "The page for people, and its files");

/// The folders of a page's path, at most.
const MOST_FOLDERS: usize = 4;

impl Document {
    /// That of a path with so many folders.
    fn below(text: &str, folders: usize) -> Self {
        let way = if folders == 0 { "./".to_owned() } else { "../".repeat(folders) };
        let user = text.replace(HERE, &format!("<base href=\"{way}\">"));
        let visitor = user.replace(OF_USERS, OF_VISITORS);
        let file = |text| StaticFile::of(DOCUMENT, text);
        Self { user: file(user), visitor: file(visitor) }
    }

    fn answer(&self, request: &HeaderMap) -> Raw {
        let document = if request.contains_key("cookie") { &self.user } else { &self.visitor };
        document.answer(request).header(HeaderName::from_static("vary"), HeaderValue::from_static("cookie"))
    }
}

impl Dashboard {
    fn answer(&self, call: &Call) -> Result<Raw> {
        let path = call.params.iter().find(|(name, _)| name == "path").map_or("", |(_, path)| path);
        if let Some(file) = self.files.get(path).filter(|_| path != DOCUMENT) {
            return Ok(file.answer(&call.headers));
        }
        let document = self.document(path);
        match document {
            Some(document) if self.is_page(path) => Ok(document.answer(&call.headers)),
            Some(document) if wants_document(&call.headers) => {
                Ok(Raw { status: StatusCode::NOT_FOUND, ..document.answer(&HeaderMap::new()) })
            }
            _ => Err(Error::not_found("There is nothing at this path")),
        }
    }

    /// The document for a path, which begins without a slash.
    fn document(&self, path: &str) -> Option<&Document> {
        self.documents.get(path.matches('/').count())
    }

    /// Whether a path is one of the application's pages.
    fn is_page(&self, path: &str) -> bool {
        let first = path.split('/').next().unwrap_or_default();
        first.is_empty() && path.is_empty() || self.files.get(&format!("pages/{first}.js")).is_some()
    }
}

/// Whether the sender asks for something to show to a person.
fn wants_document(request: &HeaderMap) -> bool {
    let accepted =
        request.get("accept").map_or(Cow::Borrowed(""), |value| String::from_utf8_lossy(value.as_bytes()));
    accepted.contains("text/html")
}

register_plugin!(Dashboard);
