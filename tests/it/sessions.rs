//! Where a user is logged in, as the user sees it, and ending that.

use std::time::Duration;

use serde_json::Value;

use super::support::{Client, Server};

const PATH: &str = "/api/account/sessions";

async fn listed(client: &Client) -> Vec<Value> {
    client.get(PATH).await.expect(200).data().as_array().unwrap().clone()
}

/// The ID of the session a client calls with.
async fn id_of(client: &Client) -> String {
    let sessions = listed(client).await;
    let current: Vec<_> = sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1, "{sessions:?}");
    current[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_list_tells_where_from_and_with_what() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    server.host().clock.advance(Duration::from_secs(60));
    let before = server.host().clock.now();
    let phone = server.anonymous();
    let body = serde_json::json!({"username": "ann", "password": ann.password});
    let request = phone.http.post(phone.url("/api/auth/login")).header("User-Agent", "a phone").json(&body);
    phone.send(request).await.expect(200);
    let sessions = listed(&phone).await;
    assert_eq!(sessions.len(), 2, "one's own alone: {sessions:?}");
    let (first, second) = (&sessions[0], &sessions[1]);
    assert_eq!((&first["current"], &first["userAgent"]), (&false.into(), &Value::Null));
    assert_eq!((&second["current"], &second["userAgent"]), (&true.into(), &"a phone".into()));
    assert_eq!(second["address"], "127.0.0.1");
    let created = second["created"].as_i64().unwrap();
    assert!((before..=server.host().clock.now()).contains(&created));
    assert!(first["created"].as_i64().unwrap() <= before - 60_000);
    // Using it shows at once, in the list of every session.
    ann.get("/api/auth/session").await.expect(200);
    let used = listed(&phone).await[0].clone();
    assert!(used["lastUsed"].as_i64() >= Some(before), "{used}");
    assert!(used["expiresAt"].as_i64() > first["expiresAt"].as_i64(), "{used}");
}

#[tokio::test]
async fn one_is_ended_at_once_and_for_good() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let phone = Client::login(server.address(), "ann", &ann.password).await;
    let id = id_of(&phone).await;
    // Nobody else can, whatever they are.
    for stranger in [&admin, &server.user(&admin, "bob", "admin").await] {
        for query in ["", "?adminMode=true"] {
            stranger.delete(&format!("{PATH}/{id}{query}")).await.expect(404);
        }
    }
    phone.get("/api/auth/session").await.expect(200);
    ann.delete(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!(phone.get("/api/auth/session").await.expect(401).message(), "Invalid session");
    ann.delete(&format!("{PATH}/{id}")).await.expect(404);
    for junk in ["x", "1", &id[..15], &id.to_uppercase()[..]] {
        ann.delete(&format!("{PATH}/{junk}")).await.expect(404);
    }
    assert_eq!(listed(&ann).await.len(), 1);
    // Also the one that asks, as logging out does.
    ann.delete(&format!("{PATH}/{}", id_of(&ann).await)).await.expect(200);
    ann.get("/api/auth/session").await.expect(401);
    let server = Server::start_in(server.stop().await, |_| {}).await;
    for ended in [&ann, &phone] {
        let ended = Client { address: server.address(), ..ended.clone() };
        ended.get("/api/auth/session").await.expect(401);
    }
}

#[tokio::test]
async fn all_others_are_ended() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let others = [
        Client::login(server.address(), "ann", &ann.password).await,
        Client::login(server.address(), "ann", &ann.password).await,
    ];
    ann.delete(PATH).await.expect(200);
    for other in &others {
        other.get("/api/auth/session").await.expect(401);
    }
    ann.get("/api/auth/session").await.expect(200);
    admin.get("/api/auth/session").await.expect(200);
    assert_eq!(listed(&ann).await.len(), 1);
}

#[tokio::test]
async fn what_is_shown_lets_nobody_in() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = id_of(&admin).await;
    let keys = server.host().sessions.keys_of(admin.user);
    let key: String = keys[0].0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(id.len(), 16);
    assert!(!key.contains(&id), "a part of what the session is kept under");
    for token in [id.clone(), id.repeat(3)[..43].to_owned(), key] {
        let nobody = server.anonymous();
        let request = nobody.http.get(nobody.url(PATH)).header("Cookie", format!("session={token}"));
        nobody.send(request).await.expect(401);
    }
}

#[tokio::test]
async fn the_list_ends_with_what_is_valid() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    Client::login(server.address(), "admin", &server.password).await;
    server.host().clock.advance(Duration::from_secs(29 * 24 * 60 * 60));
    admin.get("/api/auth/session").await.expect(200);
    server.host().clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    assert_eq!(listed(&admin).await.len(), 1, "an expired session is none");
}

/// Logs in with what the client calls itself.
async fn log_in_as(server: &Server, client: &Client, agent: &str) -> Client {
    let another = server.anonymous();
    let body = serde_json::json!({"username": client.username, "password": client.password});
    let request = another.http.post(another.url("/api/auth/login")).header("User-Agent", agent).json(&body);
    another.send(request).await.expect(200);
    another
}

#[tokio::test]
async fn a_script_that_logs_in_without_end_ends_its_own_sessions() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let browser = log_in_as(&server, &ann, "Mozilla/5.0").await;
    let phone = log_in_as(&server, &ann, "a phone").await;
    for client in [&ann, &browser, &phone] {
        client.get("/api/auth/session").await.expect(200);
    }
    server.host().clock.advance(Duration::from_secs(3600));
    let mut scripts = Vec::new();
    for _ in 0..110 {
        let script = log_in_as(&server, &ann, "curl/8").await;
        script.get("/api/devices").await.expect(200);
        script.get("/api/devices").await.expect(200);
        scripts.push(script);
        server.host().clock.advance(Duration::from_millis(10));
    }
    for client in [&ann, &browser, &phone] {
        client.get("/api/auth/session").await.expect(200);
    }
    assert_eq!(listed(&browser).await.len(), 100);
    scripts[0].get("/api/auth/session").await.expect(401);
    scripts[109].get("/api/auth/session").await.expect(200);
    let entries = admin.get("/api/admin/audit?action=session.crowd_out").await.expect(200);
    let entries = entries.data()["entries"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 13, "{entries:?}");
    assert_eq!((&entries[0]["actorName"], &entries[0]["target"]), (&"ann".into(), &"session".into()));
}

#[tokio::test]
async fn sessions_that_were_never_used_go_before_one_in_use() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    ann.get("/api/auth/session").await.expect(200);
    for _ in 0..110 {
        Client::login(server.address(), "ann", &ann.password).await;
    }
    ann.get("/api/auth/session").await.expect(200);
}
