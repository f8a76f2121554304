//! The page at `/`: what the server answers to a browser, and what it keeps from everyone. The page itself is tested in
//! `tests/browser/`.

use std::path::Path;

use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, COOKIE, IF_NONE_MATCH};
use serde_json::json;
use tempfile::tempdir;

use super::support::{Binary, Client, Server};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// An answer as its bytes were sent.
struct Sent {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

async fn send(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(reqwest::header::HeaderName, &str)],
) -> Sent {
    let mut request = client.http.request(method, client.url(path));
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Sent { status, headers, body: answer.bytes().await.unwrap().to_vec() }
}

async fn get(client: &Client, path: &str, headers: &[(reqwest::header::HeaderName, &str)]) -> Sent {
    send(client, Method::GET, path, headers).await
}

#[tokio::test]
async fn the_page_is_at_the_root_for_everyone_under_a_strict_policy() {
    let server = Server::start().await;
    let page = get(&server.anonymous(), "/", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text().starts_with("<!doctype html>"));
    let policy = page.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|part| part == rule), "{rule} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn each_page_can_be_loaded_again_and_knows_the_way_back() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    for (path, base) in [
        ("/", "./"),
        ("/devices", "./"),
        ("/devices/", "../"),
        ("/devices/7", "../"),
        ("/devices/7/", "../../"),
        ("/agents/7?tab=1", "../"),
        ("/account", "./"),
    ] {
        for accept in [HTML, "*/*"] {
            let page = get(&nobody, path, &[(ACCEPT, accept)]).await;
            assert_eq!(
                (page.status, page.header("content-type")),
                (200, "text/html; charset=utf-8"),
                "{path}"
            );
            assert!(page.text().contains(&format!("<base href=\"{base}\">")), "{path}: {}", page.text());
        }
    }
}

#[tokio::test]
async fn the_browser_learns_what_the_first_screen_is_made_of() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    for path in ["/", "/devices/7"] {
        let visitor = get(&nobody, path, &[]).await;
        let user = get(&nobody, path, &[(COOKIE, "session_token=some")]).await;
        for (page, first, other) in
            [(&visitor, "sign-in.js", "devices.js"), (&user, "devices.js", "sign-in.js")]
        {
            let loads = |name| page.text().contains(&format!("rel=\"modulepreload\" href=\"pages/{name}\""));
            assert_eq!((loads(first), loads(other)), (true, false), "{path}: {}", page.text());
            // No cache between them gives one the other's.
            assert_eq!(page.header("vary"), "cookie, accept-language");
        }
        assert_ne!(visitor.header("etag"), user.header("etag"));
    }
}

#[tokio::test]
async fn a_visitors_document_has_the_form_to_sign_in_in_their_language() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    for (accepted, language, word) in [
        ("", "en", ">User name<"),
        ("de-DE,de;q=0.9,en;q=0.8", "de", ">Benutzername<"),
        ("fr, en-GB;q=0.8, de;q=0.5", "en", ">User name<"),
        ("fr", "en", ">User name<"),
    ] {
        for (path, status) in [("/", 200), ("/devices/7", 200), ("/no/such/page", 404)] {
            let wanted = [(ACCEPT, HTML), (ACCEPT_LANGUAGE, accepted)];
            let page = get(&nobody, path, &wanted).await;
            assert_eq!(page.status, status);
            let text = page.text();
            for part in
                [word, &format!("<html lang=\"{language}\""), &format!("href=\"i18n/{language}.json\"")]
            {
                assert!(text.contains(part), "{path}, {accepted}: no {part} in {text}");
            }
            assert!(!text.contains(['{', '}']) && !text.contains("visitors"), "{text}");

            let user =
                get(&nobody, path, &[wanted[0].clone(), wanted[1].clone(), (COOKIE, "session_token=some")])
                    .await;
            assert_eq!(user.status, status);
            for none in ["<form", "<input", "early.js"] {
                assert!(!user.text().contains(none), "{}", user.text());
            }
        }
    }
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/dashboard/web/app.js");
    let modules = std::fs::read_to_string(modules).unwrap();
    let open = modules.lines().filter(|line| line.contains("open: true"));
    let open: Vec<_> = open.map(|line| line.split('\'').nth(1).unwrap()).collect();
    assert_eq!(open.len(), 2, "{open:?}");
    for page in open {
        let page = get(&nobody, &format!("/{page}"), &[]).await;
        assert!(page.status == 200 && !page.text().contains("<input"), "{}", page.text());
    }
}

#[tokio::test]
async fn the_document_comes_as_its_reader_chose() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    let plain = get(&nobody, "/devices/7", &[(ACCEPT_LANGUAGE, "en")]).await;
    assert!(plain.text().contains("content=\"light dark\"") && !plain.text().contains("data-theme"));
    for (cookies, language, theme, visitor) in [
        ("netignite_language=de; netignite_theme=dark", "de", "dark", true),
        ("netignite_theme=light;netignite_language=de", "de", "light", true),
        ("netignite_theme=system; netignite_language=xx", "en", "", true),
        ("netignite_theme=\"><b>; netignite_language=\"><b>", "en", "", true),
        ("session=some; netignite_theme=dark", "en", "dark", false),
        ("other=1", "en", "", false),
    ] {
        for (path, status) in [("/devices/7", 200), ("/no/such/page", 404)] {
            let sent = [(ACCEPT, HTML), (ACCEPT_LANGUAGE, "en"), (COOKIE, cookies)];
            let page = get(&nobody, path, &sent).await;
            let text = page.text();
            assert_eq!(page.status, status);
            assert!(text.contains(&format!("<html lang=\"{language}\"")), "{cookies}: {text}");
            assert!(text.contains(&format!("href=\"i18n/{language}.json\"")), "{cookies}: {text}");
            assert_eq!(text.contains("early.js"), visitor, "{cookies}: {text}");
            assert_eq!(text.contains("data-theme"), !theme.is_empty(), "{cookies}: {text}");
            if !theme.is_empty() {
                let wanted =
                    [format!("data-theme=\"{theme}\""), format!("\"color-scheme\" content=\"{theme}\"")];
                assert!(wanted.iter().all(|part| text.contains(part)), "{cookies}: {text}");
            }
            let again = [&sent[..], &[(IF_NONE_MATCH, page.header("etag"))]].concat();
            let again = get(&nobody, path, &again).await;
            assert_eq!(again.status, if status == 200 { 304 } else { 404 }, "{cookies}");
        }
    }
}

#[tokio::test]
async fn what_is_no_page_is_404_for_browsers_and_programs_each_in_their_way() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    let page = get(&nobody, "/no/such/page", &[(ACCEPT, HTML)]).await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    for path in [
        "/no/such/page",
        "/a/b/c/d/e/f/g",
        "/devices.js",
        "/pages/nothing-such.js",
        "/app.js.br",
        "/index.html",
    ] {
        nobody.get(path).await.expect(404);
    }
    // Nothing under /api is ever a page, and nothing but reading is possible outside.
    for path in ["/api", "/api/", "/api/devices/7/nothing", "/api/..%2fapp.js"] {
        let request = nobody.http.get(nobody.url(path)).header(ACCEPT, HTML);
        nobody.send(request).await.expect(404);
    }
    nobody.request(Method::POST, "/devices", Some(json!({}))).await.expect(404);
    nobody.request(Method::OPTIONS, "/no/such/page", None).await.expect(404);
}

#[tokio::test]
async fn no_path_leads_out_of_the_pages_files() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    for path in [
        "/..%2f..%2fCargo.toml",
        "/%2e%2e/%2e%2e/Cargo.toml",
        "/pages/..%2fapp.js",
        "/pages/%2e%2e%2fapp.js",
        "//app.js",
        "/./app.js%00",
        "/%2fetc%2fpasswd",
        "/vendor//lit.js",
    ] {
        nobody.get(path).await.expect(404);
    }
}

#[tokio::test]
async fn files_come_compressed_to_who_takes_that_and_not_again_to_who_has_them() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    let plain = get(&nobody, "/app.js", &[]).await;
    assert_eq!((plain.status, plain.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!((plain.header("content-encoding"), plain.header("cache-control")), ("", "no-cache"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/dashboard/web/app.js");
    assert_eq!(plain.body, std::fs::read(source).unwrap(), "what lies in the repository is what is served");

    let mut tags = vec![plain.header("etag").to_owned()];
    for (accepted, encoding) in
        [("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("br;q=0, gzip;q=0.5", "gzip")]
    {
        let packed = get(&nobody, "/app.js", &[(ACCEPT_ENCODING, accepted)]).await;
        assert_eq!(packed.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(packed.header("vary"), "accept-encoding");
        assert!(packed.body.len() * 2 < plain.body.len(), "{}", packed.body.len());
        let tag = packed.header("etag").to_owned();
        let known = [(ACCEPT_ENCODING, accepted), (IF_NONE_MATCH, &*format!("\"x\", W/{tag}"))];
        let again = get(&nobody, "/app.js", &known).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(again.header("etag"), tag);
        tags.push(tag);
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "each form has its own tag: {tags:?}");
    let other = get(&nobody, "/app.js", &[(IF_NONE_MATCH, &*tags[1])]).await;
    assert_eq!(other.status, 200, "the tag of another form is not this one's");

    let head = send(&nobody, Method::HEAD, "/app.js", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), plain.body.len().to_string());
    assert_eq!(head.header("etag"), tags[0]);
}

#[tokio::test]
async fn every_module_that_a_file_names_is_there_with_its_media_type() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/dashboard/web");
    let mut folders = vec![web.clone()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&web).unwrap().to_str().unwrap().to_owned();
            let expected = match path.extension().unwrap().to_str().unwrap() {
                "js" => "text/javascript; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                "json" => "application/json",
                "svg" => "image/svg+xml",
                // The document, which has a path of its own, and types, which no browser asks for.
                _ => continue,
            };
            // The reference of the API is a page by itself, which brings along what it stands on.
            let paths = match name.split('/').next().unwrap() {
                "reference" => vec![format!("/api/docs/{name}")],
                "pages" => vec![format!("/{name}")],
                _ => vec![format!("/{name}"), format!("/api/docs/{name}")],
            };
            for path in paths {
                let file = get(&nobody, &path, &[]).await;
                assert_eq!((file.status, file.header("content-type")), (200, expected), "{path}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[tokio::test]
async fn switched_off_there_is_no_page() {
    let server = Server::start_with(|config| {
        config.plugins.insert("dashboard".into(), json!({"enabled": false}));
    })
    .await;
    let nobody = server.anonymous();
    for path in ["/", "/devices", "/app.js", "/no/such/page"] {
        let request = nobody.http.get(nobody.url(path)).header(ACCEPT, HTML);
        nobody.send(request).await.expect(404);
    }
}

#[tokio::test]
async fn a_servers_log_names_the_pages_url() {
    let directory = tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    server.line(&["open", &format!("http://{address}/"), "browser"]).await;
    server.kill().await;
}
