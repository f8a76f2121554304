//! What a person reads in an answer: `message`, which existing pages put into their document as HTML. It never carries
//! another person's text or a link's, nothing in it is markup, and it says what to do.

use std::time::Duration;

use netignite::http::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::support::raw::exchange;
use super::support::{Client, Firmware, Reply, Scene, Server, scene, soon, sqlite};

/// A text that does harm wherever it is put into a page or a terminal as it is. It has 56 characters.
const HOSTILE: &str = "<img src=x onerror=\"alert('canary')\">&lt;`x`canary\u{1f600}end";

/// What a message must never hold: markup, quotes, what steers a terminal, turns the reading direction or is invisible.
fn is_harmful(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '"' | '\'' | '`')
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[track_caller]
fn assert_harmless(what: &str, reply: &Reply, own_words: bool) {
    let errors = reply.body["errors"].as_array().into_iter().flatten();
    let texts = errors.flat_map(|error| [&error["field"], &error["message"]]);
    for text in texts.chain([&reply.body["message"]]).filter_map(Value::as_str) {
        assert!(!text.contains(is_harmful), "{what}: {}", reply.text);
        assert!(text.chars().count() <= 1000, "{what}: {}", reply.text);
        // Not even harmless parts of what others wrote.
        assert!(!own_words || !text.contains("canary"), "{what}: {}", reply.text);
    }
}

/// A server on which everything that can be named is named with a text that does harm.
async fn hostile_scene() -> (Scene, Vec<(&'static str, Client)>) {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let bob = server.user(&admin, "bob", "user").await;
    let carol = server.user(&admin, "carol", "admin").await;
    for (client, name) in [(&admin, "a"), (&bob, "b"), (&carol, "c")] {
        let name = format!("{HOSTILE}{name}");
        let (path, body) = (format!("/api/admin/users/{}", client.user), json!({"username": name}));
        admin.put(&path, body).await.expect(200);
        let body = json!({"name": HOSTILE, "permissions": ["devices:read", "devices:wake"]});
        client.post("/api/account/tokens", body).await.expect(201);
        let login = json!({"username": name, "password": client.password});
        let phone = Client::anonymous(server.address());
        let login = phone.http.post(phone.url("/api/auth/login")).json(&login);
        phone.send(login.header("User-Agent", HOSTILE.replace('\u{1f600}', ""))).await.expect(200);
    }
    admin.post("/api/agents/enrolment-codes", json!({"type": "server", "name": HOSTILE})).await.expect(201);
    for client in [&admin, &bob] {
        let agent = client.create_agent("server", scene::SECRET).await;
        client.create_device(agent, scene::MAC).await;
    }
    let share = json!({"username": format!("{HOSTILE}b"), "permissions": ["view"]});
    admin.post(&format!("/api/devices/{device}/shares"), share).await.expect(201);

    // What today's rules refuse may lie in the database of the original server.
    let directory = server.stop().await;
    let hostile = HOSTILE.replace('\'', "''");
    sqlite::execute(
        &directory.path().join("db.sqlite"),
        &format!(
            "UPDATE agents SET name = '{hostile}', description = '{hostile}'; \
             UPDATE devices SET name = '{hostile}', description = '{hostile}', macAddress = '{hostile}', \
             address = '{hostile}'; UPDATE users SET favorites = '[\"{hostile}\"]' WHERE id > 1"
        ),
    )
    .await;
    let server = Server::start_in(directory, |_| {}).await;
    let mut callers = Vec::new();
    callers.push(("nobody", server.anonymous()));
    for (who, name, password) in [
        ("bob", format!("{HOSTILE}b"), &bob.password),
        ("carol", format!("{HOSTILE}c"), &carol.password),
        ("admin", format!("{HOSTILE}a"), &admin.password),
    ] {
        callers.push((who, Client::login(server.address(), &name, password).await));
    }
    let admin = callers[3].1.clone();
    (Scene { server, admin, agent, device }, callers)
}

/// Bodies that are wrong in every field, or right as far as anything can be.
fn bodies() -> Vec<String> {
    let every = |value: Value| {
        let names = [
            "name",
            "type",
            "description",
            "secret",
            "macAddress",
            "port",
            "agentID",
            "address",
            "username",
            "password",
            "role",
            "favorites",
            "currentPassword",
            "code",
            "token",
            "permissions",
            "expiresAt",
            "deviceIDs",
            "level",
            "graceHours",
            "handOver",
            "endTokens",
            "superadmin",
            "uses",
            "expiresInMinutes",
            "newKey",
        ];
        Value::Object(names.iter().map(|name| ((*name).to_owned(), value.clone())).collect()).to_string()
    };
    let good = json!({"name": HOSTILE, "type": "server", "description": HOSTILE, "secret": HOSTILE,
        "macAddress": "AA:BB:CC:DD:EE:01", "port": 9, "agentID": 1, "username": format!("{HOSTILE}b"),
        "permissions": ["view"], "role": "user", "favorites": [], "code": HOSTILE, "token": HOSTILE,
        "password": HOSTILE, "currentPassword": HOSTILE});
    vec![
        "{}".to_owned(),
        every(json!(HOSTILE)),
        every(json!({HOSTILE: [HOSTILE]})),
        every(json!([HOSTILE, -1, 1e300])),
        good.to_string(),
        format!("{{\"name\":\"{}", "<b>canary"),
        format!("{{\"{0}\":1,\"{0}\":2}}", "<b>canary&`"),
        "<!doctype html><p>canary".to_owned(),
    ]
}

#[tokio::test]
async fn no_message_carries_another_persons_text_or_a_links() {
    let (scene, callers) = hostile_scene().await;
    let junk = "%3Cimg%20src=x%20onerror=%22canary%22%3E%26'%60%E2%80%AE";
    let query = format!(
        "?ids={junk}&since={junk}&until={junk}&onlyFavorites={junk}&adminMode={junk}&{junk}={junk}&action={junk}\
         &before={junk}&limit={junk}&types={junk}&ownerID={junk}&target={junk}&address={junk}"
    );
    // What changes comes after what asks, and what takes away at the end.
    let mut routes = netignite::api::table();
    routes.sort_by_key(|route| match route.method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        _ => 3,
    });
    let mut refused = 0;
    for (who, client) in &callers {
        for route in &routes {
            // The others and the caller must stay.
            if route.path.contains("logout")
                || route.path.contains("sessions")
                || *who == "admin" && route.method == Method::DELETE
            {
                continue;
            }
            for id in ["1", "2", "3", "4711", "0", junk] {
                let path =
                    route.path.replace("{id}", id).replace("{name}", if id == "1" { "WAKEUP" } else { junk });
                let path = path.replace("{shareID}", id).replace("{tokenID}", id);
                let of_others = path == *route.path && id != "1";
                let bodies =
                    if route.method == Method::GET || of_others { vec![String::new()] } else { bodies() };
                // Guesses are slowed down, and say nothing else after some.
                let guesses = path.contains("/auth/") || path.contains("/enrol") || path.contains("/totp");
                for body in bodies.into_iter().take(if guesses { 3 } else { 99 }) {
                    for query in ["", query.as_str()] {
                        // Without a wrong word it is a stream, which has no message and no end.
                        if route.path == "/api/events" && query.is_empty() && *who != "nobody" {
                            continue;
                        }
                        let url = client.url(&format!("{path}{query}"));
                        let request = client.http.request(route.method.clone(), url);
                        let request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
                        let reply = client.send(request).await;
                        assert_ne!(reply.status, 500, "{route:?} {body}: {}", reply.text);
                        assert_harmless(&format!("{who} {route:?} {id} {body}"), &reply, true);
                        refused += usize::from(reply.status >= 400);
                    }
                }
            }
        }
        if *who != "nobody" {
            client.get("/api/auth/session").await.expect(200);
        }
    }
    assert!(refused > 1500, "only {refused} errors were seen");
    let nothing = scene.admin.get(&format!("/api/{junk}/{junk}{query}")).await.expect(404);
    assert_harmless("no route", &nothing, true);
    // A method is a word of the client's, too.
    let strange = "<&`> /api/agents HTTP/1.1\r\nHost: home\r\n\r\n".replace(['<', '>'], "!");
    let answer = exchange(scene.server.address(), &strange).await;
    let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(!message.contains(is_harmful), "{message}");
}

#[tokio::test]
async fn what_an_agent_says_is_made_harmless() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let said = format!("{HOSTILE}\u{202e}\u{2066}\r\n\t\u{1b}[2J\u{2028}\u{200b}\u{feff}\u{85}\u{e0041}tail");
    let reply = json!({"status": "ERROR", "message": said}).to_string();
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply(&command, &reply).await;
    let refused = wake.answer().await.expect(502);
    assert_harmless("a wake", &refused, false);
    assert!(refused.message().starts_with("Wakeup command failed: "), "{}", refused.text);
    assert!(
        refused.message().contains("img src=x") && refused.message().ends_with("tail"),
        "{}",
        refused.text
    );

    let wake = scene.wake_mac(scene::MAC);
    let command = firmware.command().await;
    firmware.reply(&command, &reply).await;
    assert_harmless("a command", &wake.answer().await.expect(502), false);

    let long = json!({"status": "ERROR", "message": "<\u{202e}\n".repeat(8_000)}).to_string();
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply(&command, &long).await;
    assert_harmless("a long one", &wake.answer().await.expect(502), false);

    // The same in the place where a rotation tells why the agent was not handed its secret.
    let (admin, path) = (scene.admin.clone(), format!("/api/agents/{}/secret", scene.agent));
    let rotating = tokio::spawn(async move { admin.post(&path, json!({"handOver": true})).await });
    let command = firmware.command().await;
    firmware.reply(&command, &reply).await;
    let rotated = soon("the rotation", rotating).await.unwrap().expect(200);
    assert_harmless("a rotation", &rotated, true);
    let problem = rotated.data()["problem"].as_str().unwrap();
    assert!(problem.contains("img src=x") && !problem.contains(is_harmful), "{problem}");
}

#[tokio::test]
async fn the_message_names_the_first_wrong_field_and_what_was_expected() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let device =
        |mac: Value| json!({"name": "", "type": "desktop", "macAddress": mac, "agentID": scene.agent});
    let reply = admin.post("/api/devices", device(json!("x"))).await.expect(400);
    assert!(
        reply.message().starts_with("Invalid payload: name: expected text of 1 to 100"),
        "{}",
        reply.text
    );
    assert_eq!(reply.body["errors"].as_array().unwrap().len(), 2, "{}", reply.text);
    let mut body = device(json!("x"));
    body["name"] = json!("n");
    let reply = admin.post("/api/devices", body).await.expect(400);
    assert!(reply.message().starts_with("Invalid payload: macAddress: expected "), "{}", reply.text);
    let reply = admin
        .command(scene.agent, "WAKEUP", json!({"macAddress": scene::MAC, "port": "9"}))
        .await
        .expect(400);
    assert!(reply.message().starts_with("Invalid payload: port: expected a whole number"), "{}", reply.text);
    let reply = admin.command(scene.agent, "WAKEUP", json!({"port": 9})).await.expect(400);
    assert!(reply.message().starts_with("Invalid payload: macAddress: "), "{}", reply.text);
    let reply = admin.get("/api/admin/audit?since=yesterday").await.expect(400);
    assert!(reply.message().starts_with("Invalid query: since: expected a time"), "{}", reply.text);
    for (malformed, words) in [("{\"name\":", "JSON"), ("[]", "JSON object"), ("\"x\"", "JSON object")] {
        let request = admin.http.post(admin.url("/api/devices")).header(CONTENT_TYPE, "application/json");
        let reply = admin.send(request.body(malformed)).await.expect(400);
        assert!(reply.message().starts_with("Invalid payload: "), "{}", reply.text);
        assert!(reply.message().contains(words), "{}", reply.text);
    }
    // A page that logs in acts on exactly this.
    let reply = scene.server.anonymous().post("/api/auth/login", json!({"username": 1})).await.expect(400);
    assert_eq!(reply.message(), "Invalid payload");
}

#[tokio::test]
async fn who_tried_too_often_reads_for_how_many_minutes_to_wait_and_then_may() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    let wrong = json!({"username": "admin", "password": "a wrong password"});
    for _ in 0..10 {
        nobody.post("/api/auth/login", wrong.clone()).await.expect(401);
    }
    let right = json!({"username": "admin", "password": server.password});
    let refused = nobody.post("/api/auth/login", right.clone()).await.expect(429);
    assert_eq!(refused.message(), "Too many attempts. Try again in 5 minutes.");
    server.host().clock.advance(Duration::from_secs(150));
    let refused = nobody.post("/api/auth/login", right.clone()).await.expect(429);
    let minutes: u64 =
        refused.message().bytes().filter(u8::is_ascii_digit).map(|d| u64::from(d - b'0')).sum();
    assert_eq!(refused.message(), format!("Too many attempts. Try again in {minutes} minutes."));
    assert!((2..=3).contains(&minutes), "{}", refused.text);
    server.host().clock.advance(Duration::from_secs(minutes * 60));
    nobody.post("/api/auth/login", right.clone()).await.expect(200);
    // The last minute is one.
    for _ in 0..10 {
        nobody.post("/api/auth/login", wrong.clone()).await.expect(401);
    }
    server.host().clock.advance(Duration::from_secs(270));
    let refused = nobody.post("/api/auth/login", right.clone()).await.expect(429);
    assert_eq!(refused.message(), "Too many attempts. Try again in 1 minute.");
    server.host().clock.advance(Duration::from_secs(60));
    nobody.post("/api/auth/login", right).await.expect(200);
}

#[tokio::test]
async fn what_a_message_says_to_do_helps() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    // The own password.
    let account = format!("/api/account/{}", admin.user);
    let mut body = json!({"username": "admin", "favorites": [], "password": "another long password"});
    let refused = admin.put(&account, body.clone()).await.expect(400);
    assert!(
        refused.message().contains("current password") && !refused.message().contains("currentPassword"),
        "{}",
        refused.text
    );
    body["currentPassword"] = json!(server.password);
    admin.put(&account, body).await.expect(200);
    // An agent that is used.
    let refused = admin.delete(&format!("/api/agents/{agent}")).await.expect(409);
    assert!(refused.message().contains("give them another agent"), "{}", refused.text);
    let other = admin.create_agent("server", scene::SECRET).await;
    let mut moved = admin.get(&format!("/api/devices/{device}")).await.expect(200).data().clone();
    moved["agentID"] = json!(other);
    admin.put(&format!("/api/devices/{device}"), moved).await.expect(200);
    admin.delete(&format!("/api/agents/{agent}")).await.expect(200);
    // A user who owns something.
    let bob = server.user(&admin, "bob", "user").await;
    let his = bob.create_agent("server", scene::SECRET).await;
    let path = format!("/api/admin/users/{}", bob.user);
    let refused = admin.delete(&path).await.expect(409);
    assert!(
        refused.message().contains("in admin mode") && !refused.message().contains("bob"),
        "{}",
        refused.text
    );
    admin.delete(&format!("/api/agents/{his}?adminMode=true")).await.expect(200);
    admin.delete(&path).await.expect(200);
    // A body that is no JSON by its type, and a method that is not there.
    let request = admin.http.post(admin.url("/api/agents")).body("{}");
    let refused = admin.send(request).await.expect(415);
    assert!(refused.message().contains("application/json"), "{}", refused.text);
    admin.post("/api/agents", json!({})).await.expect(400);
    let refused = admin.request(Method::PATCH, "/api/commands", None).await.expect(405);
    assert!(refused.message().contains("GET"), "{}", refused.text);
    admin.get("/api/commands").await.expect(200);
    // A permission that nobody has, and an account that is asked to be more.
    let refused =
        admin.post("/api/account/tokens", json!({"name": "t", "permissions": ["x"]})).await.expect(400);
    assert!(refused.message().contains("devices:wake"), "{}", refused.text);
    admin
        .post("/api/account/tokens", json!({"name": "t", "permissions": ["devices:wake"]}))
        .await
        .expect(201);
    // A body that is too large.
    let mut body =
        json!({"name": "n", "type": "server", "secret": scene::SECRET, "more": "x".repeat(70_000)});
    let refused = admin.post("/api/agents", body.clone()).await.expect(413);
    assert!(refused.message().contains("65536 bytes"), "{}", refused.text);
    body["more"] = json!("x".repeat(60_000));
    admin.post("/api/agents", body).await.expect(201);
}

#[tokio::test]
async fn a_device_without_a_mac_address_can_be_woken_once_it_has_one() {
    let Scene { server, admin, device, agent } = Scene::new("server").await;
    let directory = server.stop().await;
    sqlite::execute(
        &directory.path().join("db.sqlite"),
        "UPDATE devices SET macAddress = '<img src=x onerror=alert(1)>'",
    )
    .await;
    let server = Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &admin.password).await;
    let (path, wakeup) = (format!("/api/devices/{device}"), format!("/api/devices/{device}/wakeup"));
    let refused = admin.post(&wakeup, json!({})).await.expect(409);
    assert_eq!(refused.code(), "no_mac_address");
    assert!(!refused.message().contains("img"), "{}", refused.text);
    let mut whole = admin.get(&path).await.expect(200).data().clone();
    whole["macAddress"] = json!(scene::MAC);
    admin.put(&path, whole).await.expect(200);
    let mut firmware = Firmware::connect(server.address(), agent, scene::SECRET).await;
    let waking = tokio::spawn(async move { admin.post(&wakeup, json!({})).await });
    let command = firmware.command().await;
    firmware.reply_ok(&command).await;
    soon("the wake", waking).await.unwrap().expect(200);
}
