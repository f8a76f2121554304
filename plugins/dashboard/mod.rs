//! The page on which people meet the server, at `/`.
//!
//! What is served is what lies in `web/`: plain ES modules, style sheets, icons and catalogues, embedded in the binary.
//! Every page of the application is the same document, so that a link can be opened and reloaded: `/devices/7` is the
//! document because there is a `pages/devices.js`. The document names the way back to where the application begins
//! (`<base>`), so that it works below a path of a proxy. For whoever brings no cookie it has the form to sign in, which
//! `early.js` sends while the modules are on their way. It comes in the language and the theme that were chosen on the page,
//! which two cookies say, or else in the language of the browser. What is neither a page nor a file is 404: the document
//! for a browser, which then says so, and the envelope for programs.

use std::borrow::Cow;

use netignite::prelude::*;

/// The document.
const DOCUMENT: &str = "index.html";
/// Where the application begins, as the document says it in `web/`.
const HERE: &str = "<base href=\"./\">";

/// The language of the document in `web/`.
const LANGUAGE: &str = "en";

/// The cookies with what was chosen on the page. They tell nothing of whether somebody is signed in.
const LANGUAGE_COOKIE: &str = "netignite_language";
const THEME_COOKIE: &str = "netignite_theme";
/// The themes that are not the browser's own.
const THEMES: [&str; 2] = ["light", "dark"];
/// What stands in the document for the browser's own theme.
const OWN_THEME: &str = "data-app";
const OWN_SCHEME: &str = "content=\"light dark\"";

/// What the document has the browser load for whoever is signed in, most likely: who brings no cookie is not, and will see
/// another page first.
const OF_USERS: &str = "<link rel=\"modulepreload\" href=\"pages/devices.js\">";
const OF_VISITORS: &str =
    "<link rel=\"modulepreload\" href=\"form.js\">\n<link rel=\"modulepreload\" href=\"pages/sign-in.js\">";

/// Between these the document has what is for visitors alone: the form to sign in, with the keys of its words, and the
/// script that sends it.
const OF_FORM: (&str, &str) = ("<!-- visitors -->\n", "<!-- /visitors -->\n");
/// The pages that visitors may open, as `app.js` has them: no form comes before these.
const OPEN: [&str; 2] = ["reset", "welcome"];

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
    /// The document in each language, by how many folders lie between it and where the application begins.
    documents: Vec<(&'static str, Vec<Document>)>,
}

/// The document for whoever brings a cookie, and for others: with the form to sign in, and without where a page is open.
struct Document {
    user: StaticFile,
    visitor: StaticFile,
    open: StaticFile,
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
        let mut documents = Vec::new();
        for (name, catalogue) in WEB {
            let language = name.strip_prefix("i18n/").and_then(|name| name.strip_suffix(".json"));
            let Some(language) = language else { continue };
            let words = String::from_utf8_lossy(catalogue).parse();
            let words: JsonValue = words.map_err(|_| PluginError::new(format!("{name} is no JSON")))?;
            let below = |folders| Document::below(&document, folders, language, &words);
            documents.push((language, (0..=MOST_FOLDERS).map(below).collect()));
        }
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
    /// That of a path with so many folders, in a language with its words.
    fn below(text: &str, folders: usize, language: &str, words: &JsonValue) -> Self {
        let way = if folders == 0 { "./".to_owned() } else { "../".repeat(folders) };
        let text = text
            .replace(HERE, &format!("<base href=\"{way}\">"))
            .replace(&format!("lang=\"{LANGUAGE}\""), &format!("lang=\"{language}\""))
            .replace(&format!("i18n/{LANGUAGE}.json"), &format!("i18n/{language}.json"));
        let mut parts = text.split(OF_FORM.0);
        let mut user = parts.next().unwrap_or_default().to_owned();
        let mut visitor = user.clone();
        for part in parts {
            let (form, rest) = part.split_once(OF_FORM.1).unwrap_or_default();
            visitor.push_str(&said(form, words));
            visitor.push_str(rest);
            user.push_str(rest);
        }
        let open = user.replace(OF_USERS, OF_VISITORS);
        let visitor = visitor.replace(OF_USERS, OF_VISITORS);
        let file = |text| StaticFile::of(DOCUMENT, text);
        Self { user: file(user), visitor: file(visitor), open: file(open) }
    }

    /// The one for whoever asks for a path.
    fn of(&self, path: &str, request: &HeaderMap) -> &StaticFile {
        match cookies(request).any(|(name, _)| ![LANGUAGE_COOKIE, THEME_COOKIE].contains(&name)) {
            true => &self.user,
            false if OPEN.contains(&path) => &self.open,
            false => &self.visitor,
        }
    }
}

/// A text with words in place of their keys.
fn said(text: &str, words: &JsonValue) -> String {
    let parts = text.split(['{', '}']).enumerate();
    parts
        .map(|(i, part)| if i % 2 == 0 { part.into() } else { escaped(words[part].as_str().unwrap_or(part)) })
        .collect()
}

impl Dashboard {
    fn answer(&self, call: &Call) -> Result<Raw> {
        let path = call.params.iter().find(|(name, _)| name == "path").map_or("", |(_, path)| path);
        if let Some(file) = self.files.get(path).filter(|_| path != DOCUMENT) {
            return Ok(file.answer(&call.headers));
        }
        let varies = HeaderValue::from_static("cookie, accept-language");
        let send = |file: &StaticFile, request| {
            let own = in_theme(file, &call.headers);
            own.as_ref().unwrap_or(file).answer(request).header(HeaderName::from_static("vary"), varies)
        };
        match self.document(path, &call.headers) {
            Some(document) if self.is_page(path) => Ok(send(document, &call.headers)),
            Some(document) if wants_document(&call.headers) => {
                Ok(Raw { status: StatusCode::NOT_FOUND, ..send(document, &HeaderMap::new()) })
            }
            _ => Err(Error::not_found("There is nothing at this path")),
        }
    }

    /// The document for a path, which begins without a slash, in the language that its reader chose, or else in the
    /// first one of their browser that there is.
    fn document(&self, path: &str, request: &HeaderMap) -> Option<&StaticFile> {
        let read = header(request, "accept-language");
        let known =
            |wanted: &str| self.documents.iter().find(|(language, _)| wanted.trim().starts_with(language));
        let chosen = cookies(request).find(|(name, _)| *name == LANGUAGE_COOKIE).map(|(_, value)| value);
        let (_, documents) =
            chosen.into_iter().chain(read.split(',')).find_map(known).or_else(|| known(LANGUAGE))?;
        documents.get(path.matches('/').count()).map(|document| document.of(path, request))
    }

    /// Whether a path is one of the application's pages.
    fn is_page(&self, path: &str) -> bool {
        let first = path.split('/').next().unwrap_or_default();
        first.is_empty() && path.is_empty() || self.files.get(&format!("pages/{first}.js")).is_some()
    }
}

/// The document in the theme that was chosen on the page, if one was.
fn in_theme(document: &StaticFile, request: &HeaderMap) -> Option<StaticFile> {
    let (_, theme) =
        cookies(request).find(|(name, value)| *name == THEME_COOKIE && THEMES.contains(value))?;
    let text = String::from_utf8_lossy(document.bytes())
        .replacen(OWN_THEME, &format!("{OWN_THEME} data-theme=\"{theme}\""), 1)
        .replacen(OWN_SCHEME, &format!("content=\"{theme}\""), 1);
    Some(StaticFile::of(DOCUMENT, text))
}

/// The cookies of a request. Another application's on the same host may hold anything.
fn cookies(request: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let pairs =
        request.get_all("cookie").into_iter().flat_map(|value| value.as_bytes().split(|&b| b == b';'));
    pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
}

/// Whether the sender asks for something to show to a person.
fn wants_document(request: &HeaderMap) -> bool {
    header(request, "accept").contains("text/html")
}

/// A header of a request, or nothing.
fn header<'a>(request: &'a HeaderMap, name: &str) -> Cow<'a, str> {
    request.get(name).map_or(Cow::Borrowed(""), |value| String::from_utf8_lossy(value.as_bytes()))
}

register_plugin!(Dashboard);
