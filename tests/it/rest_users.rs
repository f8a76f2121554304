//! User management by admins and by the superadmin.

use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::{Client, Reply, Server};

const PASSWORD: &str = "a long enough password";

fn new_user(username: &str, role: &str) -> Value {
    json!({"username": username, "password": PASSWORD, "role": role})
}

fn path(id: i64) -> String {
    format!("/api/admin/users/{id}")
}

async fn login(server: &Server, username: &str, password: &str) -> Reply {
    let body = json!({"username": username, "password": password});
    server.anonymous().post("/api/auth/login", body).await
}

/// Users without when they were made and logged in last.
fn without_times(mut users: Value) -> Value {
    let without = |user: &mut Value| {
        let user = user.as_object_mut().expect("a user");
        assert!(user.remove("createdAt").is_some() && user.remove("lastLogin").is_some());
    };
    match &mut users {
        Value::Array(all) => all.iter_mut().for_each(without),
        one => without(one),
    }
    users
}

#[tokio::test]
async fn users_are_shown_with_when_they_were_made_and_logged_in_last() {
    let server = Server::start().await;
    let clock = &server.host().clock;
    let begun = clock.now();
    let admin = server.superadmin().await;
    let id = admin.post("/api/admin/users", new_user("ann", "user")).await.expect(201).id();
    let times = async || {
        let user = admin.get(&path(id)).await.expect(200);
        let list = admin.get("/api/admin/users").await.expect(200);
        assert_eq!(&list.data()[1], user.data());
        (user.data()["createdAt"].as_i64(), user.data()["lastLogin"].as_i64())
    };
    let (created, never) = times().await;
    let created = created.expect("a time");
    assert!((begun - 60_000..=clock.now()).contains(&created));
    assert_eq!(never, None, "not logged in yet");
    login(&server, "ann", "not the password of ann").await.expect(401);
    assert_eq!(times().await, (Some(created), None));

    let before = clock.now();
    login(&server, "ann", PASSWORD).await.expect(200);
    let (same, first) = times().await;
    let first = first.expect("a time");
    assert_eq!(same, Some(created));
    assert!((before..=clock.now()).contains(&first));
    login(&server, "ann", PASSWORD).await.expect(200);
    let (_, second) = times().await;
    assert!(second >= Some(first));
    // What is sent back is passed over, and a change changes neither.
    let mut user = admin.get(&path(id)).await.expect(200).data().clone();
    (user["createdAt"], user["lastLogin"], user["role"]) = (json!(1), json!(1), json!("admin"));
    admin.put(&path(id), user).await.expect(200);
    assert_eq!(times().await, (Some(created), second));

    let list = admin.get("/api/admin/users").await.expect(200);
    assert!(list.data()[0]["createdAt"].as_i64().is_some_and(|at| at <= begun), "{}", list.text);
    assert!(list.data()[0]["lastLogin"].as_i64().is_some_and(|at| at >= begun), "{}", list.text);
    // A restart forgets nothing.
    let directory = server.stop().await;
    let server = Server::start_in(directory, |_| {}).await;
    let again = Client::login(server.address(), "admin", &admin.password).await;
    assert_eq!(again.get("/api/admin/users").await.expect(200).data()[1], list.data()[1]);
}

#[tokio::test]
async fn nobody_knows_when_users_of_the_original_server_were_made() {
    let directory = tempfile::tempdir().unwrap();
    let original = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/original.sqlite");
    std::fs::copy(original, netignite::store::database_path(directory.path())).unwrap();
    let server = Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), "admin", "123456").await;
    let list = admin.get("/api/admin/users").await.expect(200);
    let users = list.data().as_array().unwrap();
    assert!(users.iter().all(|user| user["createdAt"] == Value::Null), "{}", list.text);
    for user in users {
        assert_eq!(user["lastLogin"].is_i64(), user["username"] == "admin", "{user}");
    }
}

#[tokio::test]
async fn a_user_is_created_shown_listed_changed_and_deleted() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let reply = admin.post("/api/admin/users", new_user("ann", "user")).await.expect(201);
    let id = reply.id();
    let ann = json!({"id": id, "username": "ann", "role": "user", "superadmin": false, "favorites": []});
    assert_eq!(without_times(admin.get(&path(id)).await.expect(200).data().clone()), ann);
    let list = admin.get("/api/admin/users").await.expect(200);
    let first = json!({"id": 1, "username": "admin", "role": "admin", "superadmin": true, "favorites": []});
    assert_eq!(without_times(list.data().clone()), json!([first, ann]));
    assert!(!list.text.contains("argon2") && !list.text.contains("password"));
    login(&server, "ann", PASSWORD).await.expect(200);

    let change =
        json!({"username": "anna", "role": "admin", "favorites": [3], "password": "another long password"});
    admin.put(&path(id), change).await.expect(200);
    let anna = json!({"id": id, "username": "anna", "role": "admin", "superadmin": false, "favorites": []});
    assert_eq!(without_times(admin.get(&path(id)).await.expect(200).data().clone()), anna);
    login(&server, "anna", "another long password").await.expect(200);

    assert_eq!(admin.delete(&path(id)).await.expect(200).data(), &Value::Null);
    login(&server, "anna", "another long password").await.expect(401);
    for reply in
        [admin.get(&path(id)).await, admin.put(&path(id), json!({})).await, admin.delete(&path(id)).await]
    {
        assert_eq!(reply.expect(404).message(), "User not found");
    }
    // An ID is not given again.
    assert!(admin.post("/api/admin/users", new_user("bob", "user")).await.expect(201).id() > id);
}

#[tokio::test]
async fn fields_are_validated_and_absent_ones_stay() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let reply = admin.post("/api/admin/users", json!({})).await.expect(400);
    assert_eq!(wrong_fields(&reply), ["username", "password", "role"]);
    let id = admin.post("/api/admin/users", new_user("ann", "user")).await.expect(201).id();
    for (field, value) in [
        ("username", json!("")),
        ("username", json!("u".repeat(65))),
        ("username", json!("a\u{1b}b")),
        ("password", json!("short")),
        ("password", json!(1)),
        ("role", json!("superadmin")),
        ("role", json!(1)),
    ] {
        let mut body = new_user("bob", "user");
        body[field] = value;
        for reply in
            [admin.post("/api/admin/users", body.clone()).await, admin.put(&path(id), body.clone()).await]
        {
            assert_eq!(wrong_fields(&reply.expect(400)), [field], "{body}");
        }
    }
    assert_eq!(
        wrong_fields(&admin.put(&path(id), json!({"favorites": ["1"]})).await.expect(400)),
        ["favorites"]
    );
    for superadmin in [json!(1), json!("true"), json!([true])] {
        let reply = admin.put(&path(id), json!({"superadmin": superadmin})).await.expect(400);
        assert_eq!(wrong_fields(&reply), ["superadmin"]);
    }
    let reply = admin.put(&path(id), json!({"role": "user", "superadmin": true})).await.expect(400);
    assert_eq!(wrong_fields(&reply), ["superadmin"]);
    let nothing = json!({"role": null, "superadmin": null, "password": null});
    admin.put(&path(id), nothing).await.expect(200);
    let ann = json!({"id": id, "username": "ann", "role": "user", "superadmin": false, "favorites": []});
    assert_eq!(without_times(admin.get(&path(id)).await.expect(200).data().clone()), ann);
    login(&server, "ann", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let made: Vec<_> = (0..5)
        .map(|_| {
            let admin = admin.clone();
            tokio::spawn(async move { admin.post("/api/admin/users", new_user("ann", "user")).await })
        })
        .collect();
    let mut created = 0;
    for made in made {
        let reply = made.await.unwrap();
        if reply.status == 201 {
            created += 1;
        } else {
            assert_eq!(reply.expect(409).message(), "Username is already taken");
        }
    }
    assert_eq!(created, 1);
    let id = admin.post("/api/admin/users", new_user("bob", "user")).await.expect(201).id();
    admin.put(&path(id), json!({"username": "ann"})).await.expect(409);
    admin.put(&path(id), json!({"username": "bob"})).await.expect(200);
}

#[tokio::test]
async fn users_manage_nobody() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    for query in ["", "?adminMode=true"] {
        let id = format!("{}{query}", path(ann.user));
        for reply in [
            ann.get(&format!("/api/admin/users{query}")).await,
            ann.post(&format!("/api/admin/users{query}"), new_user("bob", "user")).await,
            ann.get(&id).await,
            ann.put(&id, json!({"role": "admin"})).await,
            ann.delete(&id).await,
        ] {
            assert_eq!(reply.expect(403).code(), "forbidden");
        }
    }
}

#[tokio::test]
async fn only_the_superadmin_grants_takes_and_edits_admins() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let (carol, dave) =
        (server.user(&superadmin, "carol", "admin").await, server.user(&superadmin, "dave", "admin").await);
    // An admin manages users.
    let bob = carol.post("/api/admin/users", new_user("bob", "user")).await.expect(201).id();
    carol.put(&path(bob), json!({"username": "bobby", "role": "user"})).await.expect(200);
    carol.delete(&path(bob)).await.expect(200);
    // And no admins.
    let forbidden = [
        carol.post("/api/admin/users", new_user("eve", "admin")).await,
        carol.put(&path(ann.user), json!({"role": "admin"})).await,
        carol.put(&path(dave.user), json!({"username": "x"})).await,
        carol.put(&path(dave.user), json!({"role": "user"})).await,
        carol.put(&path(dave.user), json!({"password": PASSWORD})).await,
        carol.delete(&path(dave.user)).await,
        carol.put(&path(1), json!({"password": PASSWORD})).await,
        carol.delete(&path(1)).await,
        // Not even themselves, as far as the role goes.
        carol.put(&path(carol.user), json!({"role": "user"})).await,
        carol.delete(&path(carol.user)).await,
    ];
    for (n, reply) in forbidden.into_iter().enumerate() {
        assert_eq!(reply.status, 403, "{n}: {}", reply.text);
    }
    carol.put(&path(carol.user), json!({"username": "carola"})).await.expect(200);
    // The superadmin does all of it.
    superadmin.post("/api/admin/users", new_user("eve", "admin")).await.expect(201);
    superadmin.put(&path(dave.user), json!({"role": "user"})).await.expect(200);
    dave.get("/api/admin/users").await.expect(403);
    superadmin.put(&path(ann.user), json!({"role": "admin"})).await.expect(200);
    ann.get("/api/admin/users").await.expect(200);
    superadmin.delete(&path(carol.user)).await.expect(200);
}

#[tokio::test]
async fn the_last_superadmin_stays() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    assert_eq!(superadmin.delete(&path(1)).await.expect(409).code(), "last_superadmin");
    assert_eq!(superadmin.put(&path(1), json!({"role": "user"})).await.expect(409).code(), "last_superadmin");
    superadmin.put(&path(1), json!({"role": "admin"})).await.expect(200);
    // Still the superadmin, not a mere admin.
    superadmin.post("/api/admin/users", new_user("eve", "admin")).await.expect(201);
}

#[tokio::test]
async fn who_owns_something_is_not_deleted() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let agent = ann.create_agent("server", "a secret of an agent").await;
    let mut devices = Vec::new();
    for _ in 0..2 {
        devices.push(ann.create_device(agent, "AA:BB:CC:DD:EE:FF").await);
    }
    let reply = admin.delete(&path(ann.user)).await.expect(409);
    assert_eq!(reply.code(), "user_owns_things");
    assert!(reply.message().contains("1 agent and 2 devices"), "{}", reply.message());
    ann.get("/api/auth/session").await.expect(200);
    for device in devices {
        admin.delete(&format!("/api/devices/{device}?adminMode=true")).await.expect(200);
    }
    admin.delete(&format!("/api/agents/{agent}?adminMode=true")).await.expect(200);
    admin.delete(&path(ann.user)).await.expect(200);
}

#[tokio::test]
async fn a_deletion_and_a_new_password_end_the_users_sessions() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (ann, bob) = (server.user(&admin, "ann", "user").await, server.user(&admin, "bob", "user").await);
    admin.delete(&path(ann.user)).await.expect(200);
    assert_eq!(ann.get("/api/auth/session").await.expect(401).message(), "Invalid session");
    admin.put(&path(bob.user), json!({"password": PASSWORD})).await.expect(200);
    assert_eq!(bob.get("/api/agents").await.expect(401).message(), "Invalid session");
    login(&server, "bob", PASSWORD).await.expect(200);
    admin.get("/api/auth/session").await.expect(200);
}

#[tokio::test]
async fn what_a_role_allows_changes_at_once() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let carol = server.user(&superadmin, "carol", "admin").await;
    carol.get("/api/admin/users").await.expect(200);
    superadmin.put(&path(carol.user), json!({"role": "user"})).await.expect(200);
    carol.get("/api/admin/users").await.expect(403);
    assert_eq!(carol.get("/api/auth/session").await.expect(200).data()["role"], "user");
    superadmin.put(&path(carol.user), json!({"role": "admin"})).await.expect(200);
    carol.get("/api/admin/users").await.expect(200);
}

#[tokio::test]
async fn an_own_new_password_needs_the_current_one_here_too() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let reply = admin.put(&path(1), json!({"password": PASSWORD})).await.expect(400);
    assert_eq!(reply.code(), "current_password_required");
    let other = Client::login(server.address(), "admin", &server.password).await;
    let body = json!({"password": PASSWORD, "currentPassword": server.password});
    admin.put(&path(1), body).await.expect(200);
    admin.get("/api/auth/session").await.expect(200);
    other.get("/api/auth/session").await.expect(401);
}
