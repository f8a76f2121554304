//! Logging in and out, and what a session is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netignite::store::users;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::{Client, Reply, Server};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn login(client: &Client, username: &str, password: &str) -> Reply {
    client.post("/api/auth/login", json!({"username": username, "password": password})).await
}

/// The token of the cookie an answer sets, and the cookie's attributes.
fn cookie(reply: &Reply) -> (String, Vec<String>) {
    let cookie = reply.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {}", reply.text));
    let mut parts = cookie.split("; ").map(str::to_owned);
    let token = parts.next().unwrap().strip_prefix("session=").unwrap().to_owned();
    (token, parts.collect())
}

/// The session a token names, asked without any cookie store.
async fn session_of(server: &Server, token: &str) -> Reply {
    let nobody = server.anonymous();
    let request = nobody.http.get(nobody.url("/api/auth/session"));
    nobody.send(request.header("Cookie", format!("session={token}"))).await
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test]
async fn a_login_gives_the_session_object_and_the_cookie() {
    let server = Server::start().await;
    let before = now();
    let reply = login(&server.anonymous(), "admin", &server.password).await.expect(200);
    assert_eq!(reply.message(), "Login successful");
    let mut data = reply.data().clone();
    let expires = data["expirationTimestamp"].take().as_i64().unwrap();
    let permissions = data["permissions"].take();
    assert!(permissions.as_array().unwrap().contains(&json!("users:grant")), "{permissions}");
    let expected = json!({"userID": 1, "username": "admin", "role": "admin", "superadmin": true,
        "permissions": null, "totpSetupRequired": false, "favorites": [], "expirationTimestamp": null});
    assert_eq!(data, expected);
    let lifetime = i64::try_from((30 * DAY).as_millis()).unwrap();
    assert!((before + lifetime..=now() + lifetime).contains(&expires));

    let (token, attributes) = cookie(&reply);
    assert!(token.len() >= 43, "256 bits take 43 characters of base64: {token}");
    assert_eq!(attributes, ["Path=/", "Max-Age=2592000", "SameSite=Strict", "HttpOnly"]);
    let session = session_of(&server, &token).await.expect(200);
    assert_eq!(session.data()["userID"], 1);
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_answer() {
    let server = Server::start().await;
    let wrong = login(&server.anonymous(), "admin", "wrong").await.expect(401);
    let unknown = login(&server.anonymous(), "nobody", "wrong").await.expect(401);
    assert_eq!(wrong.message(), "No matching credentials found");
    assert_eq!(wrong.text_without_id(), unknown.text_without_id());
    assert_eq!(wrong.header("set-cookie"), None);
    // Names are compared exactly.
    login(&server.anonymous(), "Admin", &server.password).await.expect(401);
    login(&server.anonymous(), "admin ", &server.password).await.expect(401);
    login(&server.anonymous(), "admin", &format!("{} ", server.password)).await.expect(401);
}

#[tokio::test]
async fn what_is_no_pair_of_credentials_is_400() {
    let server = Server::start().await;
    let client = server.anonymous();
    for body in [json!({}), json!({"username": 1, "password": null}), json!({"username": [], "password": {}})]
    {
        let reply = client.post("/api/auth/login", body).await.expect(400);
        assert_eq!(reply.message(), "Invalid payload");
        assert_eq!(wrong_fields(&reply), ["username", "password"]);
    }
    let request = client.http.post(client.url("/api/auth/login")).header("Content-Type", "application/json");
    let reply = client.send(request.body("{\"username\": ")).await.expect(400);
    assert_eq!(reply.message(), "Invalid payload");
}

#[tokio::test]
async fn without_a_session_there_is_none_and_with_a_wrong_one_it_is_invalid() {
    let server = Server::start().await;
    let reply = server.anonymous().get("/api/auth/session").await.expect(401);
    assert_eq!(reply.message(), "No session found");
    assert_eq!(session_of(&server, "nonsense").await.expect(401).message(), "Invalid session");
}

#[tokio::test]
async fn another_applications_cookies_do_not_hide_the_session() {
    let server = Server::start().await;
    let (token, _) = cookie(&login(&server.anonymous(), "admin", &server.password).await.expect(200));
    let nobody = server.anonymous();
    let cookies = HeaderValue::from_bytes(format!("name=René; session={token}; x").as_bytes()).unwrap();
    let request = nobody.http.get(nobody.url("/api/auth/session")).header("Cookie", cookies);
    nobody.send(request).await.expect(200);
}

#[tokio::test]
async fn logging_out_ends_the_session_and_always_succeeds() {
    let server = Server::start().await;
    let client = server.anonymous();
    let (token, _) = cookie(&login(&client, "admin", &server.password).await.expect(200));
    let reply = client.post("/api/auth/logout", json!({})).await.expect(200);
    assert_eq!(reply.message(), "Logged out successfully");
    assert_eq!(reply.data(), &Value::Null);
    let (cleared, attributes) = cookie(&reply);
    assert_eq!(cleared, "");
    assert!(attributes.contains(&"Max-Age=0".to_owned()));
    assert_eq!(client.get("/api/auth/session").await.expect(401).message(), "No session found");
    assert_eq!(session_of(&server, &token).await.expect(401).message(), "Invalid session");

    let nobody = server.anonymous();
    cookie(&nobody.post("/api/auth/logout", json!({})).await.expect(200));
    let request = nobody.http.post(nobody.url("/api/auth/logout")).header("Cookie", "session=nonsense");
    nobody.send(request).await.expect(200);
}

#[tokio::test]
async fn logging_in_while_logged_in_replaces_the_session() {
    let server = Server::start().await;
    let client = server.anonymous();
    let (first, _) = cookie(&login(&client, "admin", &server.password).await.expect(200));
    // Credentials are checked although there is a session, and failing leaves it alone.
    login(&client, "admin", "wrong").await.expect(401);
    session_of(&server, &first).await.expect(200);
    let (second, _) = cookie(&login(&client, "admin", &server.password).await.expect(200));
    assert_ne!(first, second);
    session_of(&server, &second).await.expect(200);
    session_of(&server, &first).await.expect(401);
    // Somebody else's session stays.
    let (other, _) = cookie(&login(&server.anonymous(), "admin", &server.password).await.expect(200));
    session_of(&server, &second).await.expect(200);
    session_of(&server, &other).await.expect(200);
}

#[tokio::test]
async fn a_session_id_brought_along_is_never_adopted() {
    let server = Server::start().await;
    let nobody = server.anonymous();
    let body = json!({"username": "admin", "password": server.password});
    let request = nobody.http.post(nobody.url("/api/auth/login")).json(&body);
    let reply = nobody.send(request.header("Cookie", "session=chosen-by-somebody-else")).await.expect(200);
    assert_ne!(cookie(&reply).0, "chosen-by-somebody-else");
    session_of(&server, "chosen-by-somebody-else").await.expect(401);
}

#[tokio::test]
async fn cookies_are_secure_in_production_behind_tls_and_where_configured() {
    use netignite::config::SecureCookies;
    async fn secure(server: &Server, proto: Option<&str>) -> bool {
        let nobody = server.anonymous();
        let body = json!({"username": "admin", "password": server.password});
        let mut request = nobody.http.post(nobody.url("/api/auth/login")).json(&body);
        if let Some(proto) = proto {
            request = request.header("X-Forwarded-Proto", proto);
        }
        cookie(&nobody.send(request).await.expect(200)).1.contains(&"Secure".to_owned())
    }
    let plain = Server::start().await;
    assert!(!secure(&plain, None).await);
    assert!(!secure(&plain, Some("https")).await, "only a trusted proxy is believed");
    let production = Server::start_with(|config| config.production = true).await;
    assert!(secure(&production, None).await);
    let proxied =
        Server::start_with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    assert!(secure(&proxied, Some("https")).await);
    assert!(!secure(&proxied, Some("http")).await);
    let always = Server::start_with(|config| config.secure_cookies = SecureCookies::Always).await;
    assert!(secure(&always, None).await);
    let never = Server::start_with(|config| {
        config.secure_cookies = SecureCookies::Never;
        config.production = true;
    })
    .await;
    assert!(!secure(&never, None).await);
}

#[tokio::test]
async fn a_session_lives_30_days_from_its_last_use() {
    let server = Server::start().await;
    let client = server.superadmin().await;
    let first =
        client.get("/api/auth/session").await.expect(200).data()["expirationTimestamp"].as_i64().unwrap();
    server.host().clock.advance(20 * DAY);
    let reply = client.get("/api/auth/session").await.expect(200);
    let later = reply.data()["expirationTimestamp"].as_i64().unwrap();
    assert!(later - first >= i64::try_from((20 * DAY).as_millis()).unwrap());
    assert_eq!(cookie(&reply).1[1], "Max-Age=2592000", "the browser keeps it as long as the server does");
    // At most once a day.
    assert_eq!(client.get("/api/auth/session").await.expect(200).header("set-cookie"), None);
    server.host().clock.advance(20 * DAY);
    client.get("/api/auth/session").await.expect(200);
    server.host().clock.advance(31 * DAY);
    assert_eq!(client.get("/api/auth/session").await.expect(401).message(), "Invalid session");
}

#[tokio::test]
async fn sessions_survive_a_restart_and_are_stored_as_a_hash_only() {
    let server = Server::start().await;
    let (token, _) = cookie(&login(&server.anonymous(), "admin", &server.password).await.expect(200));
    let data = server.stop().await;
    for file in std::fs::read_dir(data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }
    let server = Server::start_in(data, |_| {}).await;
    assert_eq!(session_of(&server, &token).await.expect(200).data()["username"], "admin");
}

#[tokio::test]
async fn guessing_is_slowed_down_and_nobody_is_locked_out_for_good() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    server.user(&admin, "ann", "user").await;
    for _ in 0..10 {
        login(&server.anonymous(), "admin", "wrong").await.expect(401);
    }
    let reply = login(&server.anonymous(), "admin", &server.password).await.expect(429);
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    // Another account from the same address may still log in, and who is logged in stays so.
    login(&server.anonymous(), "ann", "ann's long password").await.expect(200);
    admin.get("/api/auth/session").await.expect(200);
    server.host().clock.advance(Duration::from_secs(wait));
    login(&server.anonymous(), "admin", &server.password).await.expect(200);
}

#[tokio::test]
async fn a_success_clears_the_accounts_count_and_never_counts_itself() {
    let server = Server::start().await;
    for _ in 0..2 {
        for _ in 0..9 {
            login(&server.anonymous(), "admin", "wrong").await.expect(401);
        }
        login(&server.anonymous(), "admin", &server.password).await.expect(200);
    }
    for _ in 0..12 {
        login(&server.anonymous(), "admin", &server.password).await.expect(200);
    }
}

#[tokio::test]
async fn one_address_has_fifty_failures_whatever_the_account() {
    let server = Server::start().await;
    for n in 0..50 {
        login(&server.anonymous(), &format!("user {n}"), "wrong").await.expect(401);
    }
    login(&server.anonymous(), "admin", &server.password).await.expect(429);
}

#[tokio::test]
async fn an_old_hash_lets_in_and_is_replaced() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let old = bcrypt::hash("the password of old", 4).unwrap();
    let stored = old.clone();
    let id = ann.user;
    server.host().store.write(move |db| users::set_password_hash(db, id, &stored)).await.unwrap();
    login(&server.anonymous(), "ann", "not the password").await.expect(401);
    // Several at once: whoever replaces the hash first, all get in.
    let logins: Vec<_> = (0..4)
        .map(|_| {
            let client = server.anonymous();
            tokio::spawn(async move { login(&client, "ann", "the password of old").await.expect(200) })
        })
        .collect();
    for login in logins {
        session_of(&server, &cookie(&login.await.unwrap()).0).await.expect(200);
    }
    let row = server.host().store.read(move |db| users::get(db, id)).await.unwrap().unwrap();
    assert!(row.password_hash.expose_secret().starts_with("$argon2id$"));
    login(&server.anonymous(), "ann", "the password of old").await.expect(200);
    login(&server.anonymous(), "ann", "not the password").await.expect(401);
}
