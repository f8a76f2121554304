//! API tokens: how they are made, what is shown and kept of them, and what ends them.

use std::time::Duration;

use netignite::http::client::{Target, request};
use netignite::local_socket;
use reqwest::Method;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::scene::MAC;
use super::support::{Client, Reply, Server};

/// A client that calls with a token.
#[derive(Clone)]
struct Program {
    client: Client,
    token: String,
}

impl Program {
    fn new(server: &Server, token: &str) -> Self {
        Self { client: server.anonymous(), token: token.to_owned() }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let request = self.client.http.request(method, self.client.url(path)).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.client.send(request).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None).await
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, Some(body)).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, Some(body)).await
    }
}

/// A new token with these permissions, and its ID.
async fn token(server: &Server, user: &Client, permissions: &[&str]) -> (i64, Program) {
    let body = json!({"name": "a program", "permissions": permissions});
    let made = user.post("/api/account/tokens", body).await.expect(201);
    (made.data()["id"].as_i64().unwrap(), Program::new(server, made.data()["token"].as_str().unwrap()))
}

async fn operate(server: &Server, method: Method, path: &str, body: Value) -> (u16, Value) {
    let socket = Target::Unix(server.data().join(local_socket::NAME));
    let (status, body) = request(&socket, method, path, Some(&body)).await.unwrap();
    (status.as_u16(), body)
}

#[tokio::test]
async fn a_token_is_shown_once_and_listed_without_its_text() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", "a secret of an agent").await;
    let device = admin.create_device(agent, MAC).await;
    let before = server.host().clock.now();
    let expires = before + 3_600_000;
    let body = json!({"name": "nightly ☾", "permissions": ["devices:wake", "devices:read", "devices:wake"],
        "expiresAt": expires, "deviceIDs": [device, device], "id": 99, "userID": 7});
    let made = admin.post("/api/account/tokens", body).await.expect(201);
    let text = made.data()["token"].as_str().unwrap().to_owned();
    assert!(text.len() == 40 && text.starts_with("nig_"), "{text}");
    assert!(text[4..].bytes().all(|b| b.is_ascii_alphanumeric()), "{text}");

    let mut shown = made.data().clone();
    shown.as_object_mut().unwrap().remove("token");
    let created = shown["created"].as_i64().unwrap();
    assert!((before..=server.host().clock.now()).contains(&created));
    let expected = json!({"id": 1, "name": "nightly ☾", "permissions": ["devices:wake", "devices:read"],
        "deviceIDs": [device], "created": created, "expiresAt": expires, "lastUsed": null});
    assert_eq!(shown, expected);
    let list = admin.get("/api/account/tokens").await.expect(200);
    assert_eq!(list.data(), &json!([expected]));
    assert!(!list.text.contains(&text));

    Program::new(&server, &text).get("/api/devices").await.expect(200);
    let list = admin.get("/api/account/tokens").await.expect(200);
    assert!(list.data()[0]["lastUsed"].as_i64().unwrap() >= created);

    // A second one; both are listed by ID, and one without either restriction says so.
    admin.post("/api/account/tokens", json!({"name": "n", "permissions": ["agents:read"]})).await.expect(201);
    let list = admin.get("/api/account/tokens").await.expect(200);
    assert_eq!((&list.data()[0]["id"], &list.data()[1]["id"]), (&json!(1), &json!(2)));
    assert_eq!((&list.data()[1]["expiresAt"], &list.data()[1]["deviceIDs"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn fields_are_validated_and_bounded() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let now = server.host().clock.now();
    let reply = ann.post("/api/account/tokens", json!({})).await.expect(400);
    assert_eq!(wrong_fields(&reply), ["name", "permissions"]);
    let many: Vec<i64> = (1..=1001).collect();
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("n".repeat(65))),
        ("name", json!("a\nb")),
        ("permissions", json!([])),
        ("permissions", json!("devices:read")),
        ("permissions", json!(["devices:read", "devices:*"])),
        ("permissions", json!(["DEVICES:READ"])),
        ("permissions", json!([1])),
        ("expiresAt", json!(now - 1)),
        ("expiresAt", json!(0)),
        ("expiresAt", json!(-1)),
        ("expiresAt", json!(i64::MAX)),
        ("expiresAt", json!(now + 1000).as_f64().map(|at| json!(at + 0.5)).unwrap()),
        ("expiresAt", json!("2030-01-01")),
        ("deviceIDs", json!([])),
        ("deviceIDs", json!(["1"])),
        ("deviceIDs", json!(many)),
        ("deviceIDs", json!(1)),
    ] {
        let mut body = json!({"name": "n", "permissions": ["devices:read"]});
        body[field] = value;
        let reply = ann.post("/api/account/tokens", body.clone()).await.expect(400);
        assert_eq!(wrong_fields(&reply), [field], "{body}");
    }
    // A token for certain devices can have nothing but what is about them.
    for permission in ["devices:write", "agents:read", "agents:command"] {
        let body = json!({"name": "n", "permissions": ["devices:read", permission], "deviceIDs": [1]});
        let reply = ann.post("/api/account/tokens", body).await.expect(400);
        assert_eq!(wrong_fields(&reply), ["permissions"]);
    }
    // The devices must be one's own, also for an admin.
    let theirs = ann.create_device(ann.create_agent("server", "ann's good old secret").await, MAC).await;
    for (who, ids) in [(&admin, json!([theirs])), (&ann, json!([theirs, 4711]))] {
        let body = json!({"name": "n", "permissions": ["devices:read"], "deviceIDs": ids});
        let reply = who.post("/api/account/tokens?adminMode=true", body).await.expect(400);
        assert_eq!(reply.code(), "no_matching_device");
    }
    // Nothing that its user may not do.
    for permission in ["users:read", "users:grant", "audit:read", "server:admin"] {
        let body = json!({"name": "n", "permissions": ["devices:read", permission]});
        let reply = ann.post("/api/account/tokens", body).await.expect(403);
        assert!(reply.message().contains(permission), "{}", reply.text);
    }
    assert_eq!(ann.get("/api/account/tokens").await.expect(200).data(), &json!([]));
}

#[tokio::test]
async fn a_user_has_a_hundred_tokens_at_most() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let body = json!({"name": "n", "permissions": ["devices:read"]});
    let making = (0..105).map(|_| admin.post("/api/account/tokens", body.clone()));
    let made = futures_util::future::join_all(making).await;
    assert_eq!(made.iter().filter(|reply| reply.status == 201).count(), 100);
    let refused = made.into_iter().find(|reply| reply.status != 201).unwrap().expect(409);
    assert_eq!(refused.code(), "too_many_tokens");
    admin.delete("/api/account/tokens/7").await.expect(200);
    admin.post("/api/account/tokens", body).await.expect(201);
}

#[tokio::test]
async fn whatever_ends_a_token_ends_it_for_the_next_request() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let bad = |reply: Reply| {
        let reply = reply.expect(401);
        assert_eq!(reply.code(), "invalid_token");
        reply.text_without_id()
    };
    let mut answers = Vec::new();
    let mut unknown = Vec::new();
    for text in
        ["", "nig_", "nig_0000000000000000000000000000000000000", "a session", "eyJhbGciOiJub25lIn0.e30."]
    {
        unknown.push(Program::new(&server, text));
    }
    for program in &unknown {
        answers.push(bad(program.get("/api/devices").await));
    }
    // Revoked, by the user and by an admin.
    let (id, program) = token(&server, &ann, &["devices:read"]).await;
    program.get("/api/devices").await.expect(200);
    ann.delete(&format!("/api/account/tokens/{id}")).await.expect(200);
    answers.push(bad(program.get("/api/devices").await));
    ann.delete(&format!("/api/account/tokens/{id}")).await.expect(404);
    let (id, program) = token(&server, &ann, &["devices:read"]).await;
    admin.delete(&format!("/api/admin/users/{}/tokens/{id}", ann.user)).await.expect(200);
    answers.push(bad(program.get("/api/devices").await));
    // Expired.
    let expires = server.host().clock.now() + 60_000;
    let body = json!({"name": "n", "permissions": ["devices:read"], "expiresAt": expires});
    let made = ann.post("/api/account/tokens", body).await.expect(201);
    let program = Program::new(&server, made.data()["token"].as_str().unwrap());
    program.get("/api/devices").await.expect(200);
    server.host().clock.advance(Duration::from_secs(61));
    answers.push(bad(program.get("/api/devices").await));
    // Of a deleted user.
    let (_, program) = token(&server, &ann, &["devices:read"]).await;
    program.get("/api/devices").await.expect(200);
    admin.delete(&format!("/api/admin/users/{}", ann.user)).await.expect(200);
    answers.push(bad(program.get("/api/devices").await));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_token_has_what_its_user_has_at_that_moment() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ada = server.user(&admin, "ada", "admin").await;
    let (_, program) = token(&server, &ada, &["users:read", "agents:read"]).await;
    let theirs = admin.create_agent("server", "a secret of an agent").await;
    let agent = format!("/api/agents/{theirs}?adminMode=true");
    for (role, users, foreign) in [("admin", 200, 200), ("user", 403, 404), ("admin", 200, 200)] {
        admin.put(&format!("/api/admin/users/{}", ada.user), json!({"role": role})).await.expect(200);
        program.get("/api/admin/users").await.expect(users);
        program.get(&agent).await.expect(foreign);
    }
    // It gains nothing with its user's role either.
    let ann = server.user(&admin, "ann", "user").await;
    let (_, program) = token(&server, &ann, &["agents:read"]).await;
    admin.put(&format!("/api/admin/users/{}", ann.user), json!({"role": "admin"})).await.expect(200);
    program.get("/api/admin/users").await.expect(403);
}

#[tokio::test]
async fn a_token_changes_no_password_and_makes_no_token() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let all = admin.get("/api/auth/session").await.expect(200).data()["permissions"].clone();
    let made =
        admin.post("/api/account/tokens", json!({"name": "all", "permissions": all})).await.expect(201);
    let program = Program::new(&server, made.data()["token"].as_str().unwrap());
    let password = json!({"username": "admin", "favorites": [], "password": "chosen by a program",
        "currentPassword": admin.password});
    for (path, body) in [
        ("/api/account/1".to_owned(), password.clone()),
        (format!("/api/account/{}?adminMode=true", ann.user), password.clone()),
        ("/api/admin/users/1".to_owned(), password.clone()),
        (format!("/api/admin/users/{}", ann.user), json!({"password": "chosen by a program"})),
    ] {
        let reply = program.put(&path, body).await.expect(403);
        assert_eq!(reply.code(), "session_required", "{path}");
    }
    let body = json!({"name": "another", "permissions": ["devices:read"]});
    assert_eq!(
        program.post("/api/account/tokens", body.clone()).await.expect(403).code(),
        "session_required"
    );
    program.post("/api/admin/users/1/tokens", body).await.expect(403);
    for who in [&admin, &ann] {
        Client::login(server.address(), &who.username, &who.password).await;
    }
    assert_eq!(admin.get("/api/account/tokens").await.expect(200).data().as_array().unwrap().len(), 1);
    // The rest of a user it may change.
    program.put(&format!("/api/admin/users/{}", ann.user), json!({"username": "anna"})).await.expect(200);
}

#[tokio::test]
async fn a_token_has_no_more_hold_on_its_own_user_than_on_others_like_them() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let admin = server.user(&superadmin, "carol", "admin").await;
    for client in [&superadmin, &admin] {
        let (id, program) = token(&server, client, &["users:write"]).await;
        let path = format!("/api/admin/users/{}", client.user);
        let renamed = json!({"username": "renamed by a program"});
        program.put(&path, renamed.clone()).await.expect(403);
        program.put(&path, json!({"favorites": [1]})).await.expect(403);
        program.call(Method::DELETE, &format!("{path}/tokens/{id}"), None).await.expect(403);
        // Whoever is logged in may.
        client.put(&path, renamed).await.expect(200);
        client.put(&path, json!({"username": client.username})).await.expect(200);
    }
    let (_, program) = token(&server, &superadmin, &["users:write", "users:grant"]).await;
    program.put("/api/admin/users/1", json!({"username": "chief"})).await.expect(200);
}

#[tokio::test]
async fn a_token_counts_alone_and_needs_no_origin() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (_, program) = token(&server, &admin, &["devices:read", "agents:write"]).await;
    let agent = json!({"name": "a", "type": "server", "secret": "a secret of an agent"});
    let post = |client: &Client| {
        let request = client.http.post(client.url("/api/agents")).json(&agent);
        request.header("Origin", "https://elsewhere.example").header("Sec-Fetch-Site", "cross-site")
    };
    // The cookie needs the origin, the token does not, and beside a token the cookie does not count.
    let reply = admin.send(post(&admin)).await.expect(403);
    assert_eq!(reply.code(), "cross_site");
    let nobody = server.anonymous();
    nobody.send(post(&nobody).bearer_auth(&program.token)).await.expect(201);
    admin.send(post(&admin).bearer_auth(&program.token)).await.expect(201);
    let (_, reader) = token(&server, &admin, &["devices:read"]).await;
    admin.send(post(&admin).bearer_auth(&reader.token)).await.expect(403);
    let wrong = admin.http.get(admin.url("/api/agents")).bearer_auth("nig_wrong");
    assert_eq!(admin.send(wrong).await.expect(401).code(), "invalid_token");
    let two = admin.http.get(admin.url("/api/agents"));
    let two = two.bearer_auth(&program.token).header("Authorization", "Basic YTpi");
    admin.send(two).await.expect(401);
    // A proxy's own scheme is no business of the server's.
    let proxied = admin.http.get(admin.url("/api/agents")).header("Authorization", "Basic YTpi");
    admin.send(proxied).await.expect(200);
    // Logging out looks at cookies only, so that their guard stays.
    let logout = admin.http.post(admin.url("/api/auth/logout")).bearer_auth(&program.token);
    let reply = admin.send(logout.header("Origin", "https://elsewhere.example")).await.expect(403);
    assert_eq!(reply.code(), "cross_site");
    admin.get("/api/auth/session").await.expect(200);
}

#[tokio::test]
async fn a_token_for_devices_reaches_these_and_nothing_else() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", "a secret of an agent").await;
    let (one, two) = (admin.create_device(agent, MAC).await, admin.create_device(agent, MAC).await);
    let account = json!({"username": "admin", "favorites": [one, two]});
    admin.put("/api/account/1", account).await.expect(200);
    let body = json!({"name": "n", "permissions": ["devices:read", "devices:wake"], "deviceIDs": [one]});
    let made = admin.post("/api/account/tokens", body).await.expect(201);
    let program = Program::new(&server, made.data()["token"].as_str().unwrap());
    for query in ["", "?adminMode=true", "?onlyFavorites=true"] {
        let list = program.get(&format!("/api/devices{query}")).await.expect(200);
        let ids: Vec<_> = list.data().as_array().unwrap().iter().map(|device| &device["id"]).collect();
        assert_eq!(ids, [&json!(one)], "{query}");
    }
    for path in ["/api/devices/status", "/api/devices/status?adminMode=true"] {
        let statuses = program.get(path).await.expect(200);
        assert_eq!(statuses.data(), &json!({one.to_string(): "unknown"}));
    }
    program.get(&format!("/api/devices/{one}")).await.expect(200);
    program.post(&format!("/api/devices/{one}/wakeup"), json!({})).await.expect(503);
    for query in ["", "?adminMode=true"] {
        program.get(&format!("/api/devices/{two}{query}")).await.expect(404);
        program.post(&format!("/api/devices/{two}/wakeup{query}"), json!({})).await.expect(404);
        program.get(&format!("/api/agents{query}")).await.expect(403);
        program.get(&format!("/api/agents/{agent}{query}")).await.expect(403);
        program.get(&format!("/api/agents/status{query}")).await.expect(403);
    }
    // Once the device is gone, nothing is left.
    admin.delete(&format!("/api/devices/{one}")).await.expect(200);
    assert_eq!(program.get("/api/devices").await.expect(200).data(), &json!([]));
}

#[tokio::test]
async fn tokens_survive_a_restart_and_so_does_their_end() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (id, revoked) = token(&server, &admin, &["devices:read"]).await;
    let (_, kept) = token(&server, &admin, &["devices:read"]).await;
    admin.delete(&format!("/api/account/tokens/{id}")).await.expect(200);
    kept.get("/api/devices").await.expect(200);
    let password = admin.password.clone();
    let server = Server::start_in(server.stop().await, |_| {}).await;
    Program::new(&server, &revoked.token).get("/api/devices").await.expect(401);
    let admin = Client::login(server.address(), "admin", &password).await;
    let list = admin.get("/api/account/tokens").await.expect(200);
    assert!(list.data()[0]["lastUsed"].is_i64(), "the use was written: {}", list.text);
    Program::new(&server, &kept.token).get("/api/devices").await.expect(200);
    Program::new(&server, &kept.token).get("/api/agents").await.expect(403);
}

#[tokio::test]
async fn guesses_lock_out_nobody() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (_, program) = token(&server, &admin, &["devices:read"]).await;
    let other = Server::start().await;
    let (_, foreign) = token(&other, &other.superadmin().await, &["devices:read"]).await;
    let guess = Program::new(&server, &foreign.token);
    for _ in 0..200 {
        guess.get("/api/devices").await.expect(401);
    }
    program.get("/api/devices").await.expect(200);
    Client::login(server.address(), "admin", &admin.password).await;
}

#[tokio::test]
async fn the_operator_makes_tokens_for_users_and_nobody_else_does() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let path = format!("/api/admin/users/{}/tokens", ann.user);
    let body = json!({"name": "by the operator", "permissions": ["agents:read"]});
    admin.post(&path, body.clone()).await.expect(403);
    let (status, made) = operate(&server, Method::POST, &path, body.clone()).await;
    assert_eq!(status, 201, "{made}");
    let program = Program::new(&server, made["data"]["token"].as_str().unwrap());
    let agent = ann.create_agent("server", "ann's own secret").await;
    let list = program.get("/api/agents").await.expect(200);
    assert_eq!(list.data()[0]["id"], agent);
    // Not more than the user may.
    let beyond = json!({"name": "n", "permissions": ["users:read"]});
    assert_eq!(operate(&server, Method::POST, &path, beyond).await.0, 403);
    assert_eq!(operate(&server, Method::POST, "/api/admin/users/4711/tokens", body.clone()).await.0, 404);
    assert_eq!(operate(&server, Method::POST, "/api/account/tokens", body).await.0, 400);
    let (status, list) = operate(&server, Method::GET, &path, Value::Null).await;
    assert_eq!((status, &list["data"][0]["name"]), (200, &json!("by the operator")));
    assert!(list["data"][0].get("token").is_none());
    let one = format!("{path}/{}", made["data"]["id"]);
    // The user in the path counts, too.
    assert_eq!(operate(&server, Method::DELETE, &one.replace("users/2", "users/1"), json!({})).await.0, 404);
    assert_eq!(operate(&server, Method::DELETE, &one, json!({})).await.0, 200);
    program.get("/api/agents").await.expect(401);
}

#[tokio::test]
async fn nothing_on_disk_or_in_the_audit_log_holds_a_token() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (id, program) = token(&server, &admin, &["agents:write"]).await;
    let agent = json!({"name": "made by a program", "type": "server", "secret": "a secret of an agent"});
    program.post("/api/agents", agent).await.expect(201);
    admin.delete(&format!("/api/account/tokens/{id}")).await.expect(200);
    let read = |db: &netignite::store::Conn| {
        db.query(
            "SELECT CAST(actor || '/' || coalesce(actorName, '') || '/' || userID || '/' || action || '/' || \
                  target || '/' || targetName AS BLOB) FROM audit \
                  WHERE action <> 'auth.login' ORDER BY id",
            (),
            |row| row.text(0),
        )
    };
    let entries = server.host().store.read(read).await.unwrap();
    assert_eq!(
        entries,
        [
            "user/admin/1/token.create/token/a program",
            "token/a program/1/agent.create/agent/made by a program",
            "user/admin/1/token.revoke/token/a program",
        ]
    );
    let directory = server.stop().await;
    let mut files = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let text = program.token.as_bytes();
            // Nor without its prefix.
            for part in [text, &text[4..34]] {
                assert!(!bytes.windows(part.len()).any(|window| window == part), "{}", path.display());
            }
            files += 1;
        }
    }
    assert!(files >= 1);
}

#[tokio::test]
async fn of_two_superadmins_who_demote_each_other_one_stays() {
    let server = Server::start().await;
    let first = server.superadmin().await;
    let second = server.user(&first, "second", "admin").await;
    // An admin makes no superadmin, not even of themselves.
    let up = json!({"superadmin": true});
    for user in [first.user, second.user] {
        second.put(&format!("/api/admin/users/{user}"), up.clone()).await.expect(403);
    }
    for _ in 0..5 {
        first.put(&format!("/api/admin/users/{}", second.user), up.clone()).await.expect(200);
        let session = second.get("/api/auth/session").await.expect(200);
        assert_eq!(session.data()["superadmin"], true);
        let down = json!({"superadmin": false});
        let (path, other) =
            (format!("/api/admin/users/{}", second.user), format!("/api/admin/users/{}", first.user));
        let (a, b) = tokio::join!(first.put(&path, down.clone()), second.put(&other, down.clone()));
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert!(statuses[0] == 200 && [403, 409].contains(&statuses[1]), "{a:?} {b:?}");
        // Whoever is left makes the other one again, to start anew.
        let (left, gone) = if a.status == 200 { (&first, &second) } else { (&second, &first) };
        assert_eq!(left.get("/api/auth/session").await.expect(200).data()["superadmin"], true);
        assert_eq!(gone.get("/api/auth/session").await.expect(200).data()["superadmin"], false);
        left.put(&format!("/api/admin/users/{}", gone.user), up.clone()).await.expect(200);
    }
}
