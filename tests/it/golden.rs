//! Pins the answer of every route: status, headers and body, so that a change of the wire is seen.
//!
//! Each test plays one scene and compares its transcript with a file in `snapshots/`. What differs from run to run
//! (times, secrets, tokens, request IDs) is replaced by its name in angle brackets. After a change that is meant, run
//! the tests once with `INSTA_UPDATE=always` and look at the difference before it is committed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};

use super::support::firmware::Firmware;
use super::support::{Client, Reply, Server};

/// Fields whose text is another in each run.
const RANDOM: &[&str] =
    &["secret", "token", "code", "requestID", "otpauthUrl", "recoveryCodes", "currentPassword"];
/// Fields whose number is another in each run.
const NUMBERS: &[&str] = &["uptime", "databaseBytes"];
/// Headers that are another in each run, or follow from the body.
const NO_HEADERS: &[&str] = &["date", "x-request-id", "content-length"];

/// A scene and what was said in it.
struct Scene {
    server: Server,
    admin: Client,
    transcript: String,
    /// Method and path of every call.
    called: BTreeSet<(String, String)>,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::start().await;
        let admin = server.superadmin().await;
        Self { server, admin, transcript: String::new(), called: BTreeSet::new() }
    }

    fn note(&mut self, method: &Method, path: &str) {
        self.called.insert((method.to_string(), path.split('?').next().unwrap_or(path).to_owned()));
    }

    /// Calls a route and writes the answer down.
    async fn call(&mut self, client: &Client, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.note(&method, path);
        let reply = client.request(method.clone(), path, body.clone()).await;
        let text = &mut self.transcript;
        let who = if client.username.is_empty() { "nobody" } else { &client.username };
        let _ = writeln!(text, "{who}: {method} {}", digits_of_tokens(path));
        if let Some(body) = body {
            let _ = writeln!(text, "{}", redacted(body));
        }
        let _ = writeln!(text, "{}", reply.status);
        let mut headers: Vec<_> = reply
            .headers
            .iter()
            .filter(|(name, _)| !NO_HEADERS.contains(&name.as_str()))
            .map(|(name, value)| {
                format!("{name}: {}", header(name.as_str(), value.to_str().unwrap_or_default()))
            })
            .collect();
        headers.sort();
        let _ = writeln!(text, "{}", headers.join("\n"));
        let shown =
            if reply.body.is_null() { reply.text.clone() } else { pretty(redacted(reply.body.clone())) };
        let _ = writeln!(text, "{shown}\n");
        reply
    }

    /// The same as the first admin.
    async fn admin(&mut self, method: Method, path: &str, body: Value) -> Reply {
        let admin = self.admin.clone();
        self.call(&admin, method, path, Some(body)).await
    }

    async fn get(&mut self, path: &str) -> Reply {
        let admin = self.admin.clone();
        self.call(&admin, Method::GET, path, None).await
    }

    async fn delete(&mut self, path: &str) -> Reply {
        let admin = self.admin.clone();
        self.call(&admin, Method::DELETE, path, None).await
    }

    /// Compares what was said with the file of a name, and begins anew.
    fn pin(&mut self, name: &str) {
        let transcript = std::mem::take(&mut self.transcript);
        insta::with_settings!({snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, transcript);
        });
    }
}

fn pretty(value: Value) -> String {
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

/// A value without what differs from run to run.
fn redacted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            // How many entries of the audit log were written before depends on the clock.
            let is_entry = fields.contains_key("outcome");
            let of_field = |(name, value): (String, Value)| {
                let is_random = NUMBERS.contains(&name.as_str())
                    || RANDOM.contains(&name.as_str()) && (value.is_string() || value.is_array())
                    || is_entry && name == "id";
                // An error's code is a word of the contract.
                let word = value.as_str().is_some_and(|text| {
                    name == "code" && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                });
                let value = if is_random && !word { format!("<{name}>").into() } else { redacted(value) };
                (name, value)
            };
            fields.into_iter().map(of_field).collect()
        }
        Value::Array(values) => values.into_iter().filter(is_pinned).map(redacted).collect(),
        Value::Number(number) if number.as_i64().is_some_and(|n| n > 1_000_000_000_000) => "<time>".into(),
        Value::String(text) if is_hex_id(&text) => "<id>".into(),
        other => other,
    }
}

/// Whether something is pinned down: of the commands those that every agent has, so that a new one changes nothing here.
fn is_pinned(value: &Value) -> bool {
    let every = ["GET_STATUS", "HEARTBEAT", "WAKEUP"];
    value["idempotent"].is_null() || value["name"].as_str().is_some_and(|name| every.contains(&name))
}

/// The public ID of a session.
fn is_hex_id(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn digits_of_tokens(path: &str) -> String {
    path.split('/').map(|part| if is_hex_id(part) { "<id>" } else { part }).collect::<Vec<_>>().join("/")
}

fn header(name: &str, value: &str) -> String {
    match (name, value.split_once('='), value.split_once(';')) {
        ("set-cookie", Some((cookie, _)), Some((_, attributes))) => format!("{cookie}=<cookie>;{attributes}"),
        ("netignite-event-id", ..) => "<event>".to_owned(),
        _ => value.to_owned(),
    }
}

/// Whether a path is one of a route's.
fn fits(route: &str, path: &str) -> bool {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len()
        && route.iter().zip(&path).all(|(part, given)| part.starts_with('{') || part == given)
}

/// The route of a path: the one with the fewest placeholders that fits.
fn is_called(
    route: &str,
    method: &str,
    called: &BTreeSet<(String, String)>,
    all: &[(String, String)],
) -> bool {
    called.iter().filter(|(by, path)| by == method && fits(route, path)).any(|(_, path)| {
        let placeholders = |route: &str| route.matches('{').count();
        let best = all.iter().filter(|(by, other)| by == method && fits(other, path));
        best.map(|(_, other)| placeholders(other)).min() == Some(placeholders(route))
    })
}

#[tokio::test]
async fn every_route_answers_as_it_did() {
    use Method as M;

    let mut scene = Scene::new().await;
    let nobody = scene.server.anonymous();
    let password = scene.server.password.clone();

    // Signing in and out.
    scene.call(&nobody, M::POST, "/api/auth/login", Some(json!({"username": "admin"}))).await.expect(400);
    let wrong = json!({"username": "admin", "password": "not the password"});
    scene.call(&nobody, M::POST, "/api/auth/login", Some(wrong)).await.expect(401);
    scene.call(&nobody, M::GET, "/api/auth/session", None).await.expect(401);
    let body = json!({"username": "ann", "password": "ann's long password", "role": "user"});
    scene.admin(M::POST, "/api/admin/users", body).await.expect(201);
    let mut ann = scene.server.anonymous();
    "ann".clone_into(&mut ann.username);
    let body = json!({"username": "ann", "password": "ann's long password"});
    scene.call(&ann, M::POST, "/api/auth/login", Some(body)).await.expect(200);
    scene.call(&ann, M::GET, "/api/auth/session", None).await.expect(200);
    scene.call(&ann, M::POST, "/api/auth/logout", Some(json!({}))).await.expect(200);
    let body = json!({"token": "none", "password": "a password of hers"});
    scene.call(&nobody, M::POST, "/api/auth/reset-password", Some(body)).await.expect(400);
    scene.get("/api/nowhere").await.expect(404);
    scene.admin(M::PATCH, "/api/agents", json!({})).await.expect(405);
    scene.pin("auth");

    // Agents.
    scene.admin(M::POST, "/api/agents", json!({"name": "", "type": "toaster"})).await.expect(400);
    let secret = "a secret of twenty-three";
    let body = json!({"name": "Attic", "type": "server", "description": "Under the roof", "secret": secret});
    scene.admin(M::POST, "/api/agents", body.clone()).await.expect(201);
    scene.get("/api/agents").await.expect(200);
    scene.get("/api/agents?ids=1,99").await.expect(200);
    scene.get("/api/agents?ids=").await.expect(400);
    scene.get("/api/agents/1").await.expect(200);
    scene.get("/api/agents/99").await.expect(404);
    scene.get("/api/agents/x").await.expect(400);
    scene.admin(M::PUT, "/api/agents/1", body).await.expect(200);
    scene.get("/api/agents/status?ids=1,2").await.expect(200);
    scene.admin(M::POST, "/api/agents/1/commands/HEARTBEAT", json!({})).await.expect(503);
    scene.admin(M::POST, "/api/agents/1/commands/DANCE", json!({})).await.expect(404);
    scene.get("/api/commands").await.expect(200);
    scene.get("/api/permissions").await.expect(200);
    scene.get("/api/navigation").await.expect(200);
    // Operations have IDs and times of their own, which `operations` looks at.
    scene.get("/api/operations?state=expired").await.expect(200);
    scene.admin(M::POST, "/api/operations", json!({"kind": "dance"})).await.expect(400);
    let nobody_has = "/api/operations/01890a5d-ac96-774b-bcce-b302099a8057";
    scene.get(nobody_has).await.expect(404);
    scene.admin(M::POST, &format!("{nobody_has}/cancel"), json!({})).await.expect(404);
    let body = json!({"name": "Cellar", "type": "microcontroller"});
    let code = scene.admin(M::POST, "/api/agents/enrolment-codes", body).await.expect(201);
    let code = code.data()["code"].as_str().expect("a code").to_owned();
    scene.get("/api/agents/enrolment-codes").await.expect(200);
    let body = json!({"code": code, "name": "Cellar"});
    scene.call(&nobody, M::POST, "/api/agents/enrol", Some(body.clone())).await.expect(201);
    scene.call(&nobody, M::POST, "/api/agents/enrol", Some(body)).await.expect(403);
    let body = json!({"name": "Shed", "type": "server"});
    let id = scene.admin(M::POST, "/api/agents/enrolment-codes", body).await.expect(201).data()["id"].clone();
    scene.delete(&format!("/api/agents/enrolment-codes/{id}")).await.expect(200);
    scene.admin(M::POST, "/api/agents/2/secret", json!({})).await.expect(200);
    scene.delete("/api/agents/2").await.expect(200);
    scene.pin("agents");

    // Devices.
    scene.admin(M::POST, "/api/devices", json!({"macAddress": "x", "port": 0})).await.expect(400);
    let body = json!({"name": "Tower", "type": "desktop", "description": null, "macAddress": "aa-bb-cc-dd-ee-0f",
        "agentID": 1, "address": "192.0.2.7"});
    scene.admin(M::POST, "/api/devices", body.clone()).await.expect(201);
    scene.get("/api/devices").await.expect(200);
    scene.get("/api/devices?onlyFavorites=true").await.expect(200);
    scene.get("/api/devices?ids=99,1").await.expect(200);
    scene.get("/api/devices/1").await.expect(200);
    scene.get("/api/devices/99").await.expect(404);
    scene.admin(M::PUT, "/api/devices/1", body).await.expect(200);
    scene.get("/api/devices/status?ids=1").await.expect(200);
    scene.get("/api/devices/1/timeline").await.expect(200);
    for what in ["shutdown", "reboot", "sleep"] {
        scene.admin(M::POST, &format!("/api/devices/1/{what}"), json!({})).await.expect(409);
    }
    scene.admin(M::POST, "/api/devices/1/wakeup", json!({})).await.expect(503);
    let firmware = Firmware::connect(scene.server.address(), 1, secret).await;
    let serving = tokio::spawn(firmware.serve());
    scene.admin(M::POST, "/api/devices/1/wakeup", json!({})).await.expect(200);
    let answered =
        scene.admin(M::POST, "/api/agents/1/commands/GET_STATUS", json!({"address": "192.0.2.7"})).await;
    assert!([200, 502].contains(&answered.status), "{}", answered.text);
    scene.delete("/api/agents/1").await.expect(409);
    let share = json!({"username": "ann", "permissions": ["view", "wake"]});
    let ann = Client::login(scene.server.address(), "ann", "ann's long password").await;
    for of in ["devices", "agents"] {
        let path = format!("/api/{of}/1/shares");
        scene.admin(M::POST, &path, json!({"username": "nobody"})).await;
        let shared = scene.admin(M::POST, &path, share.clone()).await;
        scene.get(&path).await.expect(200);
        let id = shared.data()["id"].clone();
        scene.call(&ann, M::GET, "/api/shares", None).await.expect(200);
        if of == "agents" {
            scene.call(&ann, M::DELETE, &format!("/api/shares/{id}"), None).await.expect(200);
            scene.call(&ann, M::DELETE, &format!("/api/shares/{id}"), None).await.expect(404);
        }
        scene.delete(&format!("{path}/{id}")).await;
    }
    scene.delete("/api/devices/1").await.expect(200);
    serving.abort();
    scene.pin("devices");

    // The own account.
    let body = json!({"username": "admin", "favorites": [], "password": "another long password"});
    scene.admin(M::PUT, "/api/account/1", body).await.expect(400);
    let body = json!({"username": "admin", "favorites": [1]});
    scene.admin(M::PUT, "/api/account/1", body).await.expect(200);
    scene.get("/api/account/sessions").await.expect(200);
    Client::login(scene.server.address(), "admin", &password).await;
    let sessions = scene.get("/api/account/sessions").await;
    let other = sessions.data().as_array().and_then(|all| all.iter().find(|one| one["current"] != true));
    let other = other.and_then(|one| one["id"].as_str()).expect("another session").to_owned();
    scene.delete(&format!("/api/account/sessions/{other}")).await.expect(200);
    scene.delete("/api/account/sessions").await.expect(200);
    let body = json!({"name": "script", "permissions": ["devices:read"]});
    let token = scene.admin(M::POST, "/api/account/tokens", body).await.expect(201).data()["id"].clone();
    scene.get("/api/account/tokens").await.expect(200);
    scene.get("/api/admin/users/1/tokens").await.expect(200);
    scene.delete(&format!("/api/account/tokens/{token}")).await.expect(200);
    scene.get("/api/account/totp").await.expect(200);
    scene.admin(M::POST, "/api/account/totp", json!({"currentPassword": password})).await.expect(201);
    scene.admin(M::POST, "/api/account/totp/confirm", json!({"code": "000000"})).await.expect(400);
    scene
        .admin(M::DELETE, "/api/account/totp", json!({"currentPassword": password, "code": "000000"}))
        .await
        .expect(409);
    scene.pin("account");

    // Administration.
    scene.get("/api/admin/users").await.expect(200);
    scene.get("/api/admin/users/2").await.expect(200);
    scene.admin(M::PUT, "/api/admin/users/2", json!({"role": "admin"})).await.expect(200);
    scene.admin(M::POST, "/api/admin/users/2/password-reset", json!({})).await.expect(201);
    scene
        .admin(M::POST, "/api/admin/users/2/tokens", json!({"name": "t", "permissions": ["devices:read"]}))
        .await
        .expect(403);
    scene.delete("/api/admin/users/2/tokens/99").await.expect(404);
    scene.delete("/api/admin/users/2/totp").await.expect(409);
    scene.delete("/api/admin/users/2").await.expect(200);
    scene.delete("/api/admin/users/1").await.expect(409);
    scene.get("/api/admin/server").await.expect(200);
    scene.get("/api/admin/log-level").await.expect(200);
    scene.admin(M::PUT, "/api/admin/log-level", json!({"level": "info"})).await.expect(200);
    scene.admin(M::POST, "/api/admin/secrets/rotate-key", json!({})).await.expect(200);
    scene.admin(M::POST, "/api/admin/secrets/rotate-master-key", json!({})).await.expect(403);
    scene.get("/api/admin/audit?limit=2&action=user.create").await.expect(200);
    scene.get("/api/admin/audit?limit=junk").await.expect(400);
    let export = Method::GET;
    scene.note(&export, "/api/admin/audit/export");
    let exported = scene.admin.get("/api/admin/audit/export").await;
    assert_eq!(exported.header("content-type"), Some("application/x-ndjson"));
    assert!(
        exported.text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{}",
        exported.text
    );
    scene.pin("administration");

    scene.call(&nobody, M::GET, "/api/agent-control-service", None).await.expect(426);
    scene.call(&nobody, M::POST, "/api/agent-control-service", None).await.expect(405);
    scene.pin("agent_connection");

    // A stream has no end to wait for; what it says is in `events`.
    scene.get("/api/events?types=junk").await.expect(400);
    scene.pin("events");

    let all: Vec<_> = netignite::api::table()
        .iter()
        .map(|route| (route.method.to_string(), route.path.to_string()))
        .collect();
    let forgotten: Vec<_> =
        all.iter().filter(|(method, path)| !is_called(path, method, &scene.called, &all)).collect();
    assert!(forgotten.is_empty(), "routes whose answers nothing pins: {forgotten:?}");
    scene.server.stop().await;
}
