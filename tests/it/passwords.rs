//! What a new password must be, whoever gives it to whom.

use netignite::store::users;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::{Client, Server};

/// What no new password may be, with the username `margarethe`.
const WEAK: [&str; 8] = [
    "123456789",    // too short
    "ééééééééé",    // too short, in characters
    "1234567890",   // common
    "Password123",  // common as it is written
    "PASSWORD123",  // common in another case
    "1Q2W3E4R5T6Y", // common in another case
    "margarethe",   // the name
    "MargaretHe",   // the name in another case
];

/// Ten characters, each of several bytes.
const SHORTEST: &str = "☃é☃é☃é☃é☃é";

#[tokio::test]
async fn every_door_refuses_a_weak_password_and_loses_nothing() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let user = server.user(&admin, "margarethe", "user").await;
    for weak in WEAK {
        let own = json!({"username": "margarethe", "favorites": [], "password": weak,
            "currentPassword": user.password});
        let new = json!({"username": "margarethe", "password": weak, "role": "user"});
        assert_refused(&admin.post("/api/admin/users", new).await.expect(400).body, weak);
        let path = format!("/api/admin/users/{}", user.user);
        assert_refused(&admin.put(&path, json!({"password": weak})).await.expect(400).body, weak);
        assert_refused(&user.put("/api/account/me", own).await.expect(400).body, weak);
    }
    // The old password still is the one, and the session was not ended.
    user.get("/api/auth/session").await.expect(200);
    Client::login(server.address(), "margarethe", &user.password).await;
    let own = json!({"username": "margarethe", "favorites": [], "password": SHORTEST,
        "currentPassword": user.password});
    user.put("/api/account/me", own).await.expect(200);
    Client::login(server.address(), "margarethe", SHORTEST).await;
}

#[track_caller]
fn assert_refused(body: &Value, weak: &str) {
    assert_eq!(body["code"], "invalid_payload");
    assert_eq!(body["errors"][0]["field"], "password", "{body}");
    assert!(!body.to_string().contains(weak), "it shows the password: {body}");
}

#[tokio::test]
async fn a_new_name_counts_as_the_name() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let path = format!("/api/admin/users/{}", server.user(&admin, "ann", "user").await.user);
    let body = json!({"username": "ann-of-green-gables", "password": "Ann-of-Green-Gables"});
    assert_eq!(wrong_fields(&admin.put(&path, body).await.expect(400)), ["password"]);
    assert_eq!(admin.get(&path).await.expect(200).data()["username"], "ann");
}

#[tokio::test]
async fn a_weak_password_of_old_logs_in_and_is_hashed_anew() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let user = server.user(&admin, "margarethe", "user").await.user;
    for (n, weak) in WEAK.into_iter().enumerate() {
        let old = bcrypt::hash(weak, 4).unwrap();
        server.host().store.write(move |db| users::set_password_hash(db, user, &old)).await.unwrap();
        for _ in 0..2 {
            Client::login(server.address(), "margarethe", weak).await;
        }
        let row = server.host().store.read(move |db| users::get(db, user)).await.unwrap().unwrap();
        let hash = secrecy::ExposeSecret::expose_secret(&row.password_hash).to_owned();
        assert!(hash.starts_with("$argon2id$"), "{n}");
    }
}
