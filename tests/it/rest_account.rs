//! The account page: one's own account and, in admin mode, another's.

use netignite::store::users;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::{Client, Reply, Server};

const NEW: &str = "a new and long password";

async fn login(server: &Server, username: &str, password: &str) -> Reply {
    let body = json!({"username": username, "password": password});
    server.anonymous().post("/api/auth/login", body).await
}

fn account(username: &str) -> Value {
    json!({"username": username, "favorites": []})
}

/// A change of one's own password.
fn with_password(client: &Client, current: Option<&str>, new: &str) -> Value {
    let mut body = account(&client.username);
    body["password"] = json!(new);
    if let Some(current) = current {
        body["currentPassword"] = json!(current);
    }
    body
}

#[tokio::test]
async fn the_account_is_replaced_and_the_session_shows_it_at_once() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let agent = ann.create_agent("server", "a secret of an agent").await;
    let device = ann.create_device(agent, "AA:BB:CC:DD:EE:FF").await;
    let body = json!({"username": "anna", "favorites": [device]});
    let reply = ann.put(&format!("/api/account/{}", ann.user), body).await.expect(200);
    assert_eq!((reply.message(), reply.data()), ("User Account updated successfully", &Value::Null));
    let session = ann.get("/api/auth/session").await.expect(200);
    assert_eq!(
        (&session.data()["username"], &session.data()["favorites"]),
        (&json!("anna"), &json!([device]))
    );
    login(&server, "ann", &ann.password).await.expect(401);
    login(&server, "anna", &ann.password).await.expect(200);
}

#[tokio::test]
async fn without_admin_mode_the_path_does_not_matter() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    for path in [
        "1",
        "0",
        "-1",
        "me",
        "undefined",
        "1.5",
        "99999999999999999999",
        "1?adminMode=true",
        "x?adminMode=true",
    ] {
        ann.put(&format!("/api/account/{path}"), account("ann")).await.expect(200);
    }
    ann.put("/api/account/1?adminMode=true", account("ann the first")).await.expect(200);
    let users = admin.get("/api/admin/users").await.expect(200);
    let names: Vec<_> = users.data().as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["admin", "ann the first"]);
    admin.put("/api/account/me?adminMode=true", account("admin")).await.expect(400);
    admin.put(&format!("/api/account/{}", ann.user), account("admin")).await.expect(200);
}

#[tokio::test]
async fn fields_are_validated() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for (field, value) in [
        ("username", json!("")),
        ("username", json!("u".repeat(65))),
        ("username", json!("a\nb")),
        ("username", json!(1)),
        ("username", Value::Null),
        ("favorites", json!("")),
        ("favorites", json!(["1"])),
        ("favorites", json!([1.5])),
        ("favorites", json!([null])),
        ("favorites", json!({"0": 1})),
        ("favorites", Value::Null),
        ("password", json!("short")),
        ("password", json!("")),
        ("password", json!(12_345_678)),
        ("password", json!("p".repeat(1025))),
        ("currentPassword", json!(1)),
        ("role", json!("superadmin")),
    ] {
        let mut body = account("admin");
        body[field] = value;
        let reply = admin.put("/api/account/1", body.clone()).await.expect(400);
        assert_eq!(wrong_fields(&reply), [field], "{body}");
    }
    admin.put("/api/account/1", json!({"username": "☃".repeat(64), "favorites": []})).await.expect(200);
}

#[tokio::test]
async fn a_name_is_taken_by_others_alone() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let reply = ann.put("/api/account/2", account("admin")).await.expect(409);
    assert_eq!((reply.message(), reply.code()), ("Username is already taken", "username_taken"));
    ann.put("/api/account/2", account("ann")).await.expect(200);
    assert_eq!(ann.put("/api/account/2", account("Admin")).await.expect(409).code(), "username_taken");
    ann.put("/api/account/2", account("Ann")).await.expect(200);
}

#[tokio::test]
async fn a_stored_name_that_breaks_todays_rules_may_stay() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let (id, odd) = (ann.user, "a\tn".repeat(40));
    let name = odd.clone();
    let rename = move |db: &netignite::store::Conn| {
        let user = users::get(db, id)?.unwrap();
        users::update(db, &users::UserRow { username: name, ..user })
    };
    server.host().store.write(rename).await.unwrap();
    ann.put("/api/account/2", account(&odd)).await.expect(200);
    assert_eq!(
        wrong_fields(&ann.put("/api/account/2", account(&format!("{odd}!"))).await.expect(400)),
        ["username"]
    );
}

#[tokio::test]
async fn favorites_that_are_unknown_or_anothers_are_kept_and_not_shown() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (ann, bob) = (server.user(&admin, "ann", "user").await, server.user(&admin, "bob", "user").await);
    let bobs = bob
        .create_device(bob.create_agent("server", "bob's good old secret").await, "AA:BB:CC:DD:EE:01")
        .await;
    let agent = ann.create_agent("server", "ann's good old secret").await;
    let own = ann.create_device(agent, "AA:BB:CC:DD:EE:02").await;
    let next = own + 1;
    let favorites = json!([bobs, own, next, 4711, -5]);
    ann.put("/api/account/2", json!({"username": "ann", "favorites": favorites})).await.expect(200);
    let shown = |client: Client| async move {
        client.get("/api/auth/session").await.expect(200).data()["favorites"].clone()
    };
    assert_eq!(shown(ann.clone()).await, json!([own]));
    let user = admin.get(&format!("/api/admin/users/{}", ann.user)).await.expect(200);
    assert_eq!(user.data()["favorites"], json!([own]));
    // It was kept: the device comes, and is a favourite.
    assert_eq!(ann.create_device(agent, "AA:BB:CC:DD:EE:03").await, next);
    assert_eq!(shown(ann).await, json!([own, next]));
}

#[tokio::test]
async fn odd_stored_favorites_read_as_the_integers_among_them() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", "a secret of an agent").await;
    let device = admin.create_device(agent, "AA:BB:CC:DD:EE:FF").await;
    for (stored, shown) in [
        (String::new(), json!([])),
        ("null".to_owned(), json!([])),
        (format!("{{\"a\":{device}}}"), json!([])),
        (format!("[\"{device}\",null,{device},{{}},{device}.5]"), json!([device])),
    ] {
        let sql = "UPDATE users SET favorites = ?1 WHERE id = 1";
        let value = stored.clone();
        server.host().store.write(move |db| db.execute(sql, [value])).await.unwrap();
        server.host().accounts.forget(1);
        let session = admin.get("/api/auth/session").await.expect(200);
        assert_eq!(session.data()["favorites"], shown, "{stored}");
        let listed = admin.get("/api/devices?onlyFavorites=true").await.expect(200);
        assert_eq!(listed.data().as_array().unwrap().len(), shown.as_array().unwrap().len());
    }
}

#[tokio::test]
async fn a_new_password_of_ones_own_needs_the_current_one() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let reply = ann.put("/api/account/2", with_password(&ann, None, NEW)).await.expect(400);
    assert_eq!(reply.code(), "current_password_required");
    let reply = ann.put("/api/account/2", with_password(&ann, Some("wrong"), NEW)).await.expect(400);
    assert_eq!(reply.code(), "wrong_password");
    login(&server, "ann", &ann.password).await.expect(200);
    ann.put("/api/account/2", with_password(&ann, Some(&ann.password), NEW)).await.expect(200);
    login(&server, "ann", &ann.password).await.expect(401);
    login(&server, "ann", NEW).await.expect(200);
    // Also for an admin, by whichever door.
    let mut body = account("admin");
    body["password"] = json!(NEW);
    for path in ["/api/account/1", "/api/account/1?adminMode=true", "/api/admin/users/1"] {
        let reply = admin.put(path, body.clone()).await.expect(400);
        assert_eq!(reply.code(), "current_password_required", "{path}");
    }
    // A null password is none.
    let mut body = account("ann");
    body["password"] = Value::Null;
    ann.put("/api/account/2", body).await.expect(200);
    login(&server, "ann", NEW).await.expect(200);
}

#[tokio::test]
async fn guessing_the_current_password_is_slowed_down() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    for _ in 0..10 {
        ann.put("/api/account/2", with_password(&ann, Some("wrong"), NEW)).await.expect(400);
    }
    let reply = ann.put("/api/account/2", with_password(&ann, Some(&ann.password), NEW)).await.expect(429);
    assert!(reply.header("retry-after").is_some());
    // What needs no password still works.
    ann.put("/api/account/2", account("ann")).await.expect(200);
}

#[tokio::test]
async fn a_password_change_ends_all_other_sessions() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let other = Client::login(server.address(), "ann", &ann.password).await;
    ann.put("/api/account/2", with_password(&ann, Some(&ann.password), NEW)).await.expect(200);
    assert_eq!(other.get("/api/auth/session").await.expect(401).message(), "Invalid session");
    ann.get("/api/auth/session").await.expect(200);
    admin.get("/api/auth/session").await.expect(200);
}

#[tokio::test]
async fn the_first_admins_credentials_file_goes_with_its_password() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let file = server.data().join("initial_admin_credentials");
    let ann = server.user(&admin, "ann", "user").await;
    ann.put("/api/account/2", with_password(&ann, Some(&ann.password), NEW)).await.expect(200);
    admin.put("/api/account/1", account("admin")).await.expect(200);
    assert!(file.exists(), "that password still works");
    admin.put("/api/account/1", with_password(&admin, Some(&server.password), NEW)).await.expect(200);
    assert!(!file.exists());
    login(&server, "admin", NEW).await.expect(200);
}

#[tokio::test]
async fn the_role_is_ignored_unless_the_caller_may_grant_it() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let carol = server.user(&superadmin, "carol", "admin").await;
    let role = |client: Client| async move {
        client.get("/api/auth/session").await.expect(200).data()["role"].clone()
    };
    for (client, wanted, stays) in
        [(&ann, "admin", "user"), (&ann, "nonsense", "user"), (&carol, "user", "admin")]
    {
        let body = json!({"username": client.username, "favorites": [], "role": wanted});
        client.put("/api/account/0", body).await.expect(200);
        assert_eq!(role(client.clone()).await, stays);
    }
    let body = json!({"username": "ann", "favorites": [], "role": "admin"});
    carol.put(&format!("/api/account/{}?adminMode=true", ann.user), body.clone()).await.expect(200);
    assert_eq!(role(ann.clone()).await, "user");
    superadmin.put(&format!("/api/account/{}?adminMode=true", ann.user), body).await.expect(200);
    assert_eq!(role(ann.clone()).await, "admin");
    // The superadmin sends their own session object back as it is, and cannot step down as the last.
    let session = superadmin.get("/api/auth/session").await.expect(200).data().clone();
    superadmin.put("/api/account/1", session).await.expect(200);
    let body = json!({"username": "admin", "favorites": [], "role": "user"});
    assert_eq!(superadmin.put("/api/account/1", body).await.expect(409).code(), "last_superadmin");
    let user = json!({"username": "ann", "favorites": [], "role": "user"});
    superadmin.put(&format!("/api/account/{}?adminMode=true", ann.user), user).await.expect(200);
    assert_eq!(role(ann).await, "user");
}

#[tokio::test]
async fn in_admin_mode_an_admin_changes_users_and_the_superadmin_everyone() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let (carol, dave) =
        (server.user(&superadmin, "carol", "admin").await, server.user(&superadmin, "dave", "admin").await);
    let of = |client: &Client| format!("/api/account/{}?adminMode=true", client.user);
    // No current password is asked for another's account, and all its sessions end.
    let mut body = account("ann");
    body["password"] = json!(NEW);
    carol.put(&of(&ann), body).await.expect(200);
    ann.get("/api/auth/session").await.expect(401);
    login(&server, "ann", NEW).await.expect(200);
    for admin in [&superadmin, &dave] {
        let mut body = account("taken over");
        body["password"] = json!(NEW);
        assert_eq!(carol.put(&of(admin), body).await.expect(403).code(), "forbidden");
    }
    login(&server, "dave", &dave.password).await.expect(200);
    superadmin.put(&of(&dave), account("dave the admin")).await.expect(200);
    carol.put(&of(&carol), account("carol the admin")).await.expect(200);
    superadmin.put("/api/account/4711?adminMode=true", account("nobody")).await.expect(404);
}
