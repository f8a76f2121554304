//! What holds for every answer of the REST API: its shape, its headers, what is read and what is refused.

use netignite::rest::{Access, Method};
use reqwest::header::{CONTENT_TYPE, ORIGIN};
use serde_json::{Value, json};

use super::support::{Client, Reply, Server};

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The fields an error names.
pub fn wrong_fields(reply: &Reply) -> Vec<String> {
    let errors = reply.body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {}", reply.text));
    errors
        .iter()
        .map(|error| {
            assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "no message: {error}");
            error["field"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// A JSON request with a body given as text.
async fn raw(
    client: &Client,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<reqwest::Body>,
) -> Reply {
    let request = client.http.request(method, client.url(path)).header(CONTENT_TYPE, content_type).body(body);
    client.send(request).await
}

fn agent() -> Value {
    json!({"name": "a", "type": "server", "description": "d", "secret": "long enough secret"})
}

#[tokio::test]
async fn a_success_has_its_keys_and_an_error_its_code_besides() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let reply = admin.get("/api/agents").await.expect(200);
    assert_eq!(keys(&reply.body), ["data", "message", "requestID", "status"]);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let reply = admin.get("/api/agents/4711").await.expect(404);
    assert_eq!(keys(&reply.body), ["code", "data", "message", "requestID", "status"]);
    assert_eq!(reply.code(), "not_found");
    let reply = admin.post("/api/agents", json!({})).await.expect(400);
    assert_eq!(keys(&reply.body), ["code", "data", "errors", "message", "requestID", "status"]);
    assert_eq!(keys(&reply.body["errors"][0]), ["field", "message"]);
}

#[tokio::test]
async fn every_route_but_the_public_ones_wants_a_session() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    let mut seen = 0;
    for route in
        netignite::api::table().iter().filter(|route| !matches!(route.access, Access::Public | Access::Agent))
    {
        seen += 1;
        let path = route.path.replace("{id}", "1").replace("{name}", "WAKEUP");
        let request = nobody.http.request(route.method.clone(), nobody.url(&path));
        let reply = nobody.send(request).await.expect(401);
        assert_eq!(reply.message(), "No session found", "{route:?}");
        for cookie in ["session=nonsense", "session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let request =
                nobody.http.request(route.method.clone(), nobody.url(&path)).header("Cookie", cookie);
            let reply = nobody.send(request).await.expect(401);
            assert_eq!(reply.message(), "Invalid session", "{route:?} with {cookie}");
        }
    }
    assert!(seen > 15);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_have_the_envelope_too() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    admin.get("/api/no/such/path").await.expect(404);
    server.anonymous().get("/api/no/such/path").await.expect(404);
    server.anonymous().get("/no/such/path").await.expect(404);
    let reply = admin.request(Method::PATCH, "/api/agents/1", Some(json!({}))).await.expect(405);
    let mut allowed: Vec<_> = reply.header("allow").unwrap().split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PUT"]);
    let reply = admin.request(Method::OPTIONS, "/api/agents", None).await.expect(405);
    assert!(reply.header("allow").unwrap().contains("POST"));
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn answers_are_not_cached_and_not_sniffed() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for reply in [
        admin.get("/api/agents").await.expect(200),
        admin.get("/api/agents/99").await.expect(404),
        admin.get("/api/no/such/path").await.expect(404),
        server.anonymous().get("/api/agents").await.expect(401),
    ] {
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{}", reply.text);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{}", reply.text);
    }
}

#[tokio::test]
async fn bodies_are_json_objects_of_a_bounded_size() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for malformed in ["", "{", "nonsense", "{\"name\":}", "{\"name\":\"a\"} {}", "{\"name\":\"\u{0}\"}"] {
        let reply = raw(&admin, Method::POST, "/api/agents", "application/json", malformed).await.expect(400);
        assert_eq!(reply.code(), "invalid_payload", "{malformed}");
        assert!(reply.message().starts_with("Invalid payload: "), "{malformed}: {}", reply.text);
    }
    for no_object in ["[]", "null", "1", "\"x\"", "[\"a\",\"server\",\"d\",\"long enough\"]"] {
        let reply = raw(&admin, Method::POST, "/api/agents", "application/json", no_object).await.expect(400);
        assert_eq!(reply.message(), "Invalid payload: expected a JSON object", "{no_object}");
    }
    raw(&admin, Method::POST, "/api/agents", "application/json", b"{\"name\":\"\xFF\"}".to_vec())
        .await
        .expect(400);
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    raw(&admin, Method::POST, "/api/agents", "application/json", nested).await.expect(400);

    let sized = |bytes: usize| {
        let mut body = agent().to_string();
        body.push_str(&" ".repeat(bytes - body.len()));
        body
    };
    raw(&admin, Method::POST, "/api/agents", "application/json", sized(64 * 1024)).await.expect(201);
    raw(&admin, Method::POST, "/api/agents", "application/json", sized(64 * 1024 + 1)).await.expect(413);

    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        raw(&admin, Method::POST, "/api/agents", content_type, agent().to_string()).await.expect(415);
    }
    let utf8 = "application/json; charset=utf-8";
    raw(&admin, Method::POST, "/api/agents", utf8, agent().to_string()).await.expect(201);
}

#[tokio::test]
async fn all_wrong_fields_are_named_at_once() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let reply = admin.post("/api/agents", json!({})).await.expect(400);
    assert_eq!(wrong_fields(&reply), ["name", "type", "secret"]);
    let body = json!({"name": 7, "type": "toaster", "description": [], "secret": "short"});
    let reply = admin.post("/api/agents", body).await.expect(400);
    assert!(reply.message().starts_with("Invalid payload: name: expected text"), "{}", reply.text);
    assert_eq!(wrong_fields(&reply), ["name", "type", "description", "secret"]);
    let body = json!({"name": "", "type": 1, "description": 2, "macAddress": "x", "port": "9", "agentID": "1",
        "address": "a b"});
    let reply = admin.post("/api/devices", body).await.expect(400);
    let all = ["name", "type", "description", "macAddress", "port", "agentID", "address"];
    assert_eq!(wrong_fields(&reply), all);
    let reply = admin.put("/api/account/1", json!({"username": "", "favorites": [1.5], "password": 1})).await;
    assert_eq!(wrong_fields(&reply.expect(400)), ["username", "favorites", "password"]);
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_whole_objects_may_be_sent_back() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", "a secret of an agent").await;
    let mut agent = admin.get(&format!("/api/agents/{id}")).await.expect(200).data().clone();
    agent["status"] = json!("online");
    agent["id"] = json!("nonsense");
    agent["ownerID"] = json!(4711);
    admin.put(&format!("/api/agents/{id}"), agent).await.expect(200);
    let stored = admin.get(&format!("/api/agents/{id}")).await.expect(200);
    assert_eq!(stored.data()["id"], id);
    assert_eq!(stored.data()["ownerID"], admin.user);

    let device = admin.create_device(id, "AA:BB:CC:DD:EE:FF").await;
    let mut body = admin.get(&format!("/api/devices/{device}")).await.expect(200).data().clone();
    body["status"] = json!("unknown");
    body["powering"] = json!(false);
    body["isFavorite"] = json!(true);
    admin.put(&format!("/api/devices/{device}"), body).await.expect(200);

    let session = admin.get("/api/auth/session").await.expect(200).data().clone();
    admin.put("/api/account/1", session).await.expect(200);
}

#[tokio::test]
async fn a_delete_may_have_a_body_and_a_post_without_fields_none() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", "a secret of an agent").await;
    let request = admin.http.post(admin.url(&format!("/api/agents/{id}/commands/HEARTBEAT")));
    assert_eq!(admin.send(request).await.expect(503).code(), "agent_offline");
    let request = admin.http.post(admin.url("/api/auth/logout"));
    admin.send(request).await.expect(200);
    let admin = server.superadmin().await;
    admin.request(Method::DELETE, &format!("/api/agents/{id}"), Some(json!({"id": id}))).await.expect(200);
}

#[tokio::test]
async fn ids_are_plain_positive_integers() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    admin.create_agent("server", "a secret of an agent").await;
    for id in ["0", "-1", "+1", "01", "1.0", "1e0", "0x1", "1a", "a", "%20", "1%20", "99999999999999999999"] {
        for path in ["agents", "devices", "admin/users"] {
            let path = format!("/api/{path}/{id}");
            assert_eq!(admin.get(&path).await.expect(400).code(), "invalid_id", "{path}");
            admin.put(&path, agent()).await.expect(400);
            admin.delete(&path).await.expect(400);
        }
        admin.post(&format!("/api/devices/{id}/wakeup"), json!({})).await.expect(400);
        admin.command(1, "HEARTBEAT", json!({})).await.expect(503);
        admin.post(&format!("/api/agents/{id}/commands/HEARTBEAT"), json!({})).await.expect(400);
    }
    admin.get(&format!("/api/agents/{}", i64::MAX)).await.expect(404);
}

#[tokio::test]
async fn one_trailing_slash_is_tolerated() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", "a secret of an agent").await;
    admin.get("/api/agents/").await.expect(200);
    admin.get(&format!("/api/agents/{id}/?adminMode=true")).await.expect(200);
    admin.get("/api/agents//").await.expect(404);
}

#[tokio::test]
async fn head_answers_as_get_does_without_the_body() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    admin.create_agent("server", "a secret of an agent").await;
    for path in ["/api/agents", "/api/auth/session", "/api/commands", "/api/agents/77"] {
        let get = admin.get(path).await;
        let head = admin.request(Method::HEAD, path, None).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.text, "");
        assert_eq!(head.header("content-length"), Some(get.text.len().to_string().as_str()), "{path}");
    }
    let nobody = server.anonymous();
    assert_eq!(nobody.request(Method::HEAD, "/api/agents", None).await.status, 401);
    assert_eq!(admin.request(Method::HEAD, "/api/auth/logout", None).await.status, 405);
}

#[tokio::test]
async fn cross_site_writes_are_refused() {
    let server =
        Server::start_with(|config| config.allowed_origins = vec!["https://home.example".to_owned()]).await;
    let admin = server.superadmin().await;
    let post = |header: &'static str, value: String| {
        let request = admin.http.post(admin.url("/api/agents")).json(&agent()).header(header, value);
        admin.send(request)
    };
    for site in ["cross-site", "same-site", "nonsense"] {
        let reply = post("Sec-Fetch-Site", site.to_owned()).await.expect(403);
        assert!(reply.message().contains("allowedOrigins"), "{}", reply.message());
    }
    // What the browser says counts, even of a listed origin.
    let request = admin.http.post(admin.url("/api/agents")).json(&agent());
    let request = request.header("Origin", "https://home.example").header("Sec-Fetch-Site", "cross-site");
    admin.send(request).await.expect(403);
    for site in ["same-origin", "none"] {
        post("Sec-Fetch-Site", site.to_owned()).await.expect(201);
    }
    for origin in ["https://evil.example", "null", "https://home.example.evil.example", "http://127.0.0.1:1"]
    {
        let reply = post(ORIGIN.as_str(), origin.to_owned()).await.expect(403);
        assert!(reply.message().contains("allowedOrigins"), "{}", reply.message());
    }
    for origin in [format!("http://{}", server.address()), "https://home.example".to_owned()] {
        post(ORIGIN.as_str(), origin).await.expect(201);
    }
    // Logging someone in from another site is a write as well.
    let nobody = server.anonymous();
    let body = json!({"username": "admin", "password": server.password});
    let request = nobody.http.post(nobody.url("/api/auth/login")).json(&body);
    nobody.send(request.header("Sec-Fetch-Site", "cross-site")).await.expect(403);
    // Reading is not.
    let request = admin.http.get(admin.url("/api/agents")).header("Sec-Fetch-Site", "cross-site");
    admin.send(request).await.expect(200);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_origin_is_compared_with_the_host_it_forwards() {
    let server =
        Server::start_with(|config| config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let admin = server.superadmin().await;
    let post = |origin: &'static str| {
        let request = admin.http.post(admin.url("/api/agents")).json(&agent());
        admin.send(request.header("X-Forwarded-Host", "home.example").header("Origin", origin))
    };
    post("https://home.example").await.expect(201);
    post("https://evil.example").await.expect(403);

    let untrusting = Server::start().await;
    let admin = untrusting.superadmin().await;
    let request = admin.http.post(admin.url("/api/agents")).json(&agent());
    let request = request.header("X-Forwarded-Host", "home.example").header("Origin", "https://home.example");
    admin.send(request).await.expect(403);
}
