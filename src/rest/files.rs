//! Files as pages are made of: embedded in the binary, and served with what browsers need to load them fast and keep
//! them safe.
//!
//! A file may lie beside itself in compressed form, as `app.js.br` and `app.js.gz`: those are never asked for by name
//! but sent to whoever takes them. Every form has its own `ETag`, and is asked for again each time (`no-cache`), so that
//! nobody sees a page of an older server. A name is looked up and never becomes a path of the file system.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY,
};
use sha2::{Digest, Sha256};

use super::{Raw, StatusCode};

/// What is asked of each file again, and taken from the browser's own store where it has not changed.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Files by name, such as `pages/devices.js`.
#[derive(Debug, Default)]
pub struct StaticFiles(BTreeMap<Cow<'static, str>, StaticFile>);

/// One file in every form it can be sent in.
#[derive(Debug)]
pub struct StaticFile {
    media_type: HeaderValue,
    plain: Form,
    brotli: Option<Form>,
    gzip: Option<Form>,
}

/// One form of a file.
#[derive(Debug)]
struct Form {
    bytes: Bytes,
    etag: HeaderValue,
}

impl StaticFiles {
    /// The files of these names and contents.
    pub fn new(files: impl IntoIterator<Item = (Cow<'static, str>, Cow<'static, [u8]>)>) -> Self {
        let mut forms: BTreeMap<_, _> = files.into_iter().map(|(name, bytes)| (name, owned(bytes))).collect();
        let mut plain = Vec::new();
        let names: Vec<_> = forms.keys().cloned().collect();
        for name in names {
            if name.ends_with(".br") || name.ends_with(".gz") {
                continue;
            }
            let mut compressed = |ending: &str| forms.remove(&*format!("{name}{ending}")).map(Form::of);
            let (brotli, gzip) = (compressed(".br"), compressed(".gz"));
            if let Some(bytes) = forms.remove(&name) {
                let media_type = media_type(&name);
                plain.push((name, StaticFile { media_type, plain: Form::of(bytes), brotli, gzip }));
            }
        }
        Self(plain.into_iter().collect())
    }

    /// The file of a name.
    pub fn get(&self, name: &str) -> Option<&StaticFile> {
        self.0.get(name)
    }
}

impl StaticFile {
    /// One file alone, in no other form.
    pub fn of(name: &str, bytes: impl Into<Bytes>) -> Self {
        Self { media_type: media_type(name), plain: Form::of(bytes.into()), brotli: None, gzip: None }
    }

    /// The file's content.
    pub fn bytes(&self) -> &Bytes {
        &self.plain.bytes
    }

    /// The answer to a request with these headers: the file in the smallest form its sender takes, or 304 where the
    /// sender has it already.
    pub fn answer(&self, request: &HeaderMap) -> Raw {
        let (form, encoding) = match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if takes(request, "br") => (brotli, Some("br")),
            (_, Some(gzip)) if takes(request, "gzip") => (gzip, Some("gzip")),
            _ => (&self.plain, None),
        };
        let mut answer = if knows(request, &form.etag) {
            Raw::new(StatusCode::NOT_MODIFIED, self.media_type.clone(), Bytes::new())
        } else {
            let whole = Raw::new(StatusCode::OK, self.media_type.clone(), form.bytes.clone());
            match encoding {
                Some(name) => whole.header(CONTENT_ENCODING, HeaderValue::from_static(name)),
                None => whole,
            }
        };
        if self.brotli.is_some() || self.gzip.is_some() {
            answer = answer.header(VARY, HeaderValue::from_static("accept-encoding"));
        }
        answer.header(ETAG, form.etag.clone()).header(CACHE_CONTROL, ASK_AGAIN)
    }
}

impl Form {
    fn of(bytes: Bytes) -> Self {
        let digest = Sha256::digest(&bytes);
        let text = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..16]));
        // Base64 in quotes is a header's value.
        let etag = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { bytes, etag }
    }
}

fn owned(bytes: Cow<'static, [u8]>) -> Bytes {
    match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

/// Whether the sender of a request takes answers in `encoding`.
fn takes(request: &HeaderMap, encoding: &str) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    for part in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
        if name.trim().eq_ignore_ascii_case(encoding) {
            let quality = parameters.trim().strip_prefix("q=").map(str::trim);
            return quality.and_then(|quality| quality.parse::<f32>().ok()) != Some(0.0);
        }
    }
    false
}

/// Whether the sender of a request has the form of this tag.
fn knows(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let Ok(etag) = etag.to_str() else { return false };
    let values = request.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|sent| {
        // A proxy that compresses makes a tag weak.
        sent == "*" || sent.strip_prefix("W/").unwrap_or(sent) == etag
    })
}

/// The media type of a file, by its ending.
fn media_type(name: &str) -> HeaderValue {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    HeaderValue::from_static(match ending {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap_or(ASK_AGAIN));
        headers
    }

    #[test]
    fn an_encoding_is_taken_where_it_is_named_and_not_refused() {
        for (sent, br) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0", true),
            ("BR", true),
            ("br;q=0", false),
            ("br; q=0.000", false),
            ("gzip", false),
            ("brotli", false),
            ("", false),
        ] {
            assert_eq!(takes(&request("accept-encoding", sent), "br"), br, "{sent}");
        }
        assert!(!takes(&HeaderMap::new(), "br"));
    }

    #[test]
    fn a_known_tag_is_found_in_a_list_weak_or_not() {
        let etag = HeaderValue::from_static("\"a\"");
        for (sent, known) in
            [("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            assert_eq!(knows(&request("if-none-match", sent), &etag), known, "{sent}");
        }
    }

    #[test]
    fn compressed_forms_have_no_names_of_their_own() {
        let file = |name: &'static str, text: &'static str| (Cow::from(name), Cow::from(text.as_bytes()));
        let files = StaticFiles::new([file("a.js", "plain"), file("a.js.br", "br"), file("b.css", "b")]);
        assert!(files.get("a.js.br").is_none());
        let sent = files.get("a.js").map(|file| file.answer(&request("accept-encoding", "br")));
        assert!(
            sent.is_some_and(|sent| sent
                .headers
                .contains(&(CONTENT_ENCODING, HeaderValue::from_static("br"))))
        );
    }
}
