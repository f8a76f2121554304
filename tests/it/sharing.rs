//! Sharing: what a share lets another user reach, what it does not, and what ends it. Who may share is in `permissions`.

use std::time::Duration;

use netignite::auth::permission::Role;
use netignite::store::users::{self, NewUser};
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::scene::{MAC, ONLINE, SECRET, Scene};
use super::support::{Client, Server, soon, sqlite};

const HOUR: i64 = 3_600_000;

/// A scene with somebody whom nothing is shared with yet.
async fn scene() -> (Scene, Client) {
    let scene = Scene::new("server").await;
    let bob = scene.server.user(&scene.admin, "bob", "user").await;
    (scene, bob)
}

fn device(id: i64) -> String {
    format!("/api/devices/{id}")
}

fn shares_of_device(id: i64) -> String {
    format!("/api/devices/{id}/shares")
}

fn shares_of_agent(id: i64) -> String {
    format!("/api/agents/{id}/shares")
}

fn body(username: &str, permissions: &[&str]) -> Value {
    json!({"username": username, "permissions": permissions})
}

/// Shares and gives the share's ID.
async fn share(by: &Client, path: &str, with: &Client, permissions: &[&str]) -> i64 {
    let reply = by.post(path, body(&with.username, permissions)).await.expect(201);
    reply.data()["id"].as_i64().expect("an ID")
}

/// The IDs of the devices a user sees in the list.
async fn listed(client: &Client) -> Vec<i64> {
    let reply = client.get("/api/devices").await.expect(200);
    let devices = reply.data().as_array().expect("a list").iter();
    devices.map(|device| device["id"].as_i64().expect("an ID")).collect()
}

/// The status of what a user gets when waking a device: 503 where the agent would be asked if it were connected.
async fn wake(client: &Client, id: i64) -> u16 {
    client.post(&format!("/api/devices/{id}/wakeup"), json!({})).await.status
}

#[tokio::test]
async fn a_share_is_given_listed_and_taken_back() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let before = server.host().clock.now();
    for path in [shares_of_device(id), shares_of_agent(agent)] {
        assert_eq!(admin.get(&path).await.expect(200).data(), &json!([]));
        let expires = before + HOUR;
        let mut body = body("bob", &["wake"]);
        body["expiresAt"] = json!(expires);
        let reply = admin.post(&path, body).await.expect(201);
        assert_eq!(reply.message(), "Share created successfully");
        let created = reply.data()["created"].as_i64().unwrap();
        assert!((before..=server.host().clock.now()).contains(&created));
        let share = reply.data()["id"].as_i64().unwrap();
        let shown = json!({"id": share, "username": "bob", "permissions": ["view", "wake"], "created": created,
            "expiresAt": expires});
        assert_eq!(reply.data(), &shown);
        let reply = admin.get(&path).await.expect(200);
        assert_eq!(reply.message(), "Shares retrieved successfully.");
        assert_eq!(reply.data(), &json!([shown]));
        assert_eq!(wake(&bob, id).await, 503);

        let reply = admin.delete(&format!("{path}/{share}")).await.expect(200);
        assert_eq!(reply.message(), "Share deleted successfully");
        assert_eq!(wake(&bob, id).await, 404);
        assert_eq!(admin.get(&path).await.expect(200).data(), &json!([]));
        let reply = admin.delete(&format!("{path}/{share}")).await.expect(404);
        assert_eq!(reply.message(), "Share not found");
    }
}

#[tokio::test]
async fn a_shared_device_is_shown_as_one_and_its_agent_is_not() {
    let (Scene { server: _server, admin, agent, device: id }, bob) = scene().await;
    let before = admin.get(&device(id)).await.expect(200);
    let bobs_agent = bob.create_agent("server", SECRET).await;
    let bobs = bob.create_device(bobs_agent, MAC).await;
    share(&admin, &shares_of_device(id), &bob, &["view"]).await;
    let mut shown = before.data().clone();
    shown["agentID"] = Value::Null;
    shown["shared"] = json!(true);
    shown["ownerName"] = json!("admin");
    shown["permissions"] = json!(["view"]);
    assert_eq!(bob.get(&device(id)).await.expect(200).data(), &shown);
    let list = bob.get("/api/devices").await.expect(200);
    let own = bob.get(&device(bobs)).await.expect(200);
    let mut listed = json!([shown, own.data()]);
    listed.as_array_mut().unwrap().iter_mut().for_each(|one| one["presence"] = Value::Null);
    let mut list = list.data().clone();
    list.as_array_mut().unwrap().iter_mut().for_each(|one| one["presence"] = Value::Null);
    assert_eq!(list, listed, "by ID");
    assert_eq!(own.data().get("shared"), None);

    // The same through a share of the agent; the greater right counts.
    share(&admin, &shares_of_agent(agent), &bob, &["wake"]).await;
    shown["permissions"] = json!(["view", "wake"]);
    assert_eq!(bob.get(&device(id)).await.expect(200).data(), &shown);
    let mut listed = shown.clone();
    listed.as_object_mut().unwrap().remove("presence");
    assert_eq!(bob.get("/api/devices").await.expect(200).data()[0], listed);
    for path in ["", "/commands/HEARTBEAT", "/secret", "/shares"] {
        let path = format!("/api/agents/{agent}{path}");
        let reply = match path.as_str() {
            p if p.ends_with("HEARTBEAT") || p.ends_with("secret") => bob.post(p, json!({})).await,
            p => bob.get(p).await,
        };
        assert_eq!(reply.expect(404).message(), "Agent not found", "{path}");
    }
    let agents = bob.get("/api/agents").await.expect(200);
    assert_eq!(agents.data().as_array().unwrap().len(), 1, "{}", agents.text);
    let status = bob.get(&format!("/api/agents/status?ids={agent}")).await.expect(200);
    assert_eq!(status.data(), &json!({}));
    // Nor can bob put a device of his own behind it.
    let new = json!({"name": "n", "type": "nas", "macAddress": MAC, "agentID": agent});
    bob.post("/api/devices", new).await.expect(400);

    // Nothing changed for the owner.
    assert_eq!(admin.get(&device(id)).await.expect(200).data(), before.data());
    let mut listed = before.data().clone();
    listed.as_object_mut().unwrap().remove("presence");
    assert_eq!(admin.get("/api/devices").await.expect(200).data(), &json!([listed]));
}

#[tokio::test]
async fn a_shared_device_is_asked_and_woken_through_its_owners_agent() {
    let (scene, bob) = scene().await;
    let id = scene.device;
    share(&scene.admin, &shares_of_device(id), &bob, &["view", "wake"]).await;
    let mut firmware = scene.firmware().await;
    let asked = {
        let bob = bob.clone();
        tokio::spawn(async move { bob.get("/api/devices/status").await.expect(200) })
    };
    let question = firmware.command().await;
    assert_eq!((question.command.as_str(), &question.json["address"]), ("GET_STATUS", &json!(MAC)));
    firmware.reply(&question, ONLINE).await;
    let answer = soon("the status", asked).await.unwrap();
    assert_eq!(answer.data(), &json!({id.to_string(): "online"}));

    let waking = {
        let bob = bob.clone();
        tokio::spawn(async move { bob.post(&format!("/api/devices/{id}/wakeup"), json!({})).await })
    };
    let command = firmware.command().await;
    assert_eq!((command.command.as_str(), &command.json["macAddress"]), ("WAKEUP", &json!(MAC)));
    firmware.reply_ok(&command).await;
    soon("the wake", waking).await.unwrap().expect(200);

    // What the agent says when it cannot is its owner's to read.
    for (client, words) in [(&scene.admin, true), (&bob, false)] {
        let waking = {
            let client = client.clone();
            tokio::spawn(async move { client.post(&format!("/api/devices/{id}/wakeup"), json!({})).await })
        };
        let command = firmware.command().await;
        firmware.reply(&command, r#"{"status":"ERROR","message":"eth7 is down"}"#).await;
        let reply = soon("the wake", waking).await.unwrap().expect(502);
        assert_eq!(reply.code(), "command_failed");
        assert!(reply.message().starts_with("Wakeup command failed"), "{}", reply.message());
        assert_eq!(reply.message().contains("eth7"), words, "{}", reply.message());
    }

    // With less of a share nothing is sent any more.
    share(&scene.admin, &shares_of_device(id), &bob, &["view"]).await;
    let refused = bob.post(&format!("/api/devices/{id}/wakeup"), json!({})).await.expect(403);
    assert_eq!(refused.code(), "not_shared");
    assert_eq!(
        refused.message(),
        "This device is shared with you to see it, and for nothing else. Ask its owner."
    );
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn whoever_is_shared_with_changes_nothing_and_shares_nothing_on() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let carol = server.user(&admin, "carol", "user").await;
    let given = share(&admin, &shares_of_agent(agent), &bob, &["wake"]).await;
    let mut whole = bob.get(&device(id)).await.expect(200).data().clone();
    whole["name"] = json!("bob's now");
    let shares = shares_of_device(id);
    for reply in [
        bob.put(&device(id), whole).await,
        bob.delete(&device(id)).await,
        bob.post(&shares, body("carol", &["view"])).await,
        bob.get(&shares).await,
        bob.delete(&format!("{shares}/{given}")).await,
    ] {
        let reply = reply.expect(403);
        assert_eq!(reply.code(), "not_shared");
        assert!(reply.message().contains("to see and wake it"), "{}", reply.text);
    }
    bob.post(&shares_of_agent(agent), body("carol", &["view"])).await.expect(404);
    bob.delete(&format!("{}/{given}", shares_of_agent(agent))).await.expect(404);
    // Whom nothing is shared with learns nothing.
    for reply in [carol.put(&device(id), json!({})).await, carol.get(&shares).await] {
        assert_eq!(reply.expect(404).message(), "Device not found");
    }
    assert_eq!(wake(&carol, id).await, 404);
    assert_eq!(admin.get(&device(id)).await.expect(200).data()["name"], "Device");
}

#[tokio::test]
async fn an_agents_share_covers_what_it_has_and_gets() {
    let (Scene { server: _server, admin, agent, device: id }, bob) = scene().await;
    share(&admin, &shares_of_agent(agent), &bob, &["view"]).await;
    assert_eq!(listed(&bob).await, [id]);
    let later = admin.create_device(agent, MAC).await;
    assert_eq!(listed(&bob).await, [id, later]);
    // A device that leaves the agent leaves the share, unless it is shared itself.
    let other = admin.create_agent("server", SECRET).await;
    share(&admin, &shares_of_device(id), &bob, &["view"]).await;
    for moved in [id, later] {
        let mut whole = admin.get(&device(moved)).await.expect(200).data().clone();
        whole["agentID"] = json!(other);
        admin.put(&device(moved), whole).await.expect(200);
    }
    assert_eq!(listed(&bob).await, [id]);
    bob.get(&device(later)).await.expect(404);
}

#[tokio::test]
async fn an_expired_share_ends_with_the_next_request() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let forever = admin.create_device(agent, MAC).await;
    let favorites = json!({"username": "bob", "favorites": [id, forever]});
    bob.put("/api/account/0", favorites).await.expect(200);
    let session = async || {
        let session = bob.get("/api/auth/session").await.expect(200);
        session.data()["favorites"].clone()
    };
    assert_eq!(session().await, json!([]), "foreign favourites are not shown");
    let now = server.host().clock.now();
    for path in [shares_of_device(id), shares_of_agent(agent)] {
        let mut body = body("bob", &["wake"]);
        body["expiresAt"] = json!(now + HOUR);
        admin.post(&path, body).await.expect(201);
    }
    let lasting = share(&admin, &shares_of_device(forever), &bob, &["view"]).await;
    assert_eq!(session().await, json!([id, forever]));
    server.host().clock.advance(Duration::from_millis(HOUR as u64 - 60_000));
    assert_eq!(listed(&bob).await, [id, forever]);
    assert_eq!(wake(&bob, id).await, 503);

    server.host().clock.advance(Duration::from_secs(60));
    assert_eq!(session().await, json!([forever]));
    assert_eq!(listed(&bob).await, [forever]);
    assert_eq!(wake(&bob, id).await, 404);
    bob.get(&device(id)).await.expect(404);
    assert_eq!(
        bob.get("/api/devices/status").await.expect(200).data(),
        &json!({forever.to_string(): "unknown"})
    );
    assert_eq!(admin.get(&shares_of_device(id)).await.expect(200).data(), &json!([]));
    assert_eq!(admin.get(&shares_of_device(forever)).await.expect(200).data()[0]["id"], lasting);
    // It can be given again.
    share(&admin, &shares_of_device(id), &bob, &["wake"]).await;
    assert_eq!(wake(&bob, id).await, 503);
}

#[tokio::test]
async fn a_favourite_may_be_shared() {
    let (Scene { server: _server, admin, agent, device: id }, bob) = scene().await;
    let given = share(&admin, &shares_of_agent(agent), &bob, &["view"]).await;
    let second = admin.create_device(agent, MAC).await;
    bob.put("/api/account/0", json!({"username": "bob", "favorites": [second, id]})).await.expect(200);
    let shown = async || {
        let session = bob.get("/api/auth/session").await.expect(200).data()["favorites"].clone();
        let devices = bob.get("/api/devices?onlyFavorites=true").await.expect(200);
        let devices: Vec<_> = devices.data().as_array().unwrap().iter().map(|d| d["id"].clone()).collect();
        (session, Value::from(devices))
    };
    assert_eq!(shown().await, (json!([second, id]), json!([id, second])));
    admin.delete(&device(second)).await.expect(200);
    assert_eq!(shown().await, (json!([id]), json!([id])));
    let other = admin.create_agent("server", SECRET).await;
    let mut whole = admin.get(&device(id)).await.expect(200).data().clone();
    whole["agentID"] = json!(other);
    admin.put(&device(id), whole.clone()).await.expect(200);
    assert_eq!(shown().await, (json!([]), json!([])));
    whole["agentID"] = json!(agent);
    admin.put(&device(id), whole).await.expect(200);
    assert_eq!(shown().await, (json!([id]), json!([id])));
    admin.delete(&format!("{}/{given}", shares_of_agent(agent))).await.expect(200);
    assert_eq!(shown().await, (json!([]), json!([])));
}

#[tokio::test]
async fn sharing_again_replaces_the_share() {
    let (Scene { server, admin, device: id, .. }, bob) = scene().await;
    let path = shares_of_device(id);
    let mut ending = body("bob", &["wake", "view"]);
    ending["expiresAt"] = json!(server.host().clock.now() + HOUR);
    let first = admin.post(&path, ending).await.expect(201);
    assert_eq!(wake(&bob, id).await, 503);
    let second = admin.post(&path, body("bob", &["view"])).await.expect(201);
    assert_eq!(second.data()["id"], first.data()["id"]);
    assert_eq!(
        (&second.data()["permissions"], &second.data()["expiresAt"]),
        (&json!(["view"]), &Value::Null)
    );
    assert_eq!(admin.get(&path).await.expect(200).data(), &json!([second.data()]));
    assert_eq!(wake(&bob, id).await, 403);
}

#[tokio::test]
async fn fields_are_validated() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let now = server.host().clock.now();
    for path in [shares_of_device(id), shares_of_agent(agent)] {
        let reply = admin.post(&path, json!({})).await.expect(400);
        assert_eq!(wrong_fields(&reply), ["username", "permissions"]);
        for (field, value) in [
            ("username", json!("")),
            ("username", json!(7)),
            ("username", json!("u".repeat(65))),
            ("permissions", json!([])),
            ("permissions", json!("view")),
            ("permissions", json!(["view", "change"])),
            ("permissions", json!(["View"])),
            ("permissions", json!(["devices:wake"])),
            ("permissions", json!([{"view": null}])),
            ("permissions", json!([null])),
            ("expiresAt", json!(now)),
            ("expiresAt", json!(0)),
            ("expiresAt", json!(i64::MAX)),
            ("expiresAt", json!("tomorrow")),
        ] {
            let mut wrong = body("bob", &["view"]);
            wrong[field] = value.clone();
            let reply = admin.post(&path, wrong).await.expect(400);
            assert_eq!(wrong_fields(&reply), [field], "{value}");
        }
        for (name, code) in
            [("nobody", "no_matching_user"), ("Bob", "no_matching_user"), ("admin", "shared_with_owner")]
        {
            let reply = admin.post(&path, body(name, &["view"])).await.expect(400);
            assert_eq!(reply.code(), code, "{name}");
            assert!(reply.message().starts_with("username "), "{}", reply.text);
        }
        for junk in ["0", "-1", "x", "1.5"] {
            admin.delete(&format!("{path}/{junk}")).await.expect(400);
        }
        assert_eq!(admin.get(&path).await.expect(200).data(), &json!([]));
    }
    assert_eq!(listed(&bob).await, [0; 0]);
    // A share is deleted where it was given, and nowhere else.
    let given = share(&admin, &shares_of_device(id), &bob, &["view"]).await;
    let other = admin.create_device(agent, MAC).await;
    admin.delete(&format!("{}/{given}", shares_of_device(other))).await.expect(404);
    admin.delete(&format!("{}/{given}", shares_of_agent(agent))).await.expect(404);
    assert_eq!(listed(&bob).await, [id]);
}

#[tokio::test]
async fn shares_are_bounded_for_a_thing_and_for_a_user() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let made = server.host().store.write(|db| {
        (0..100).try_for_each(|n| {
            let (username, password_hash) = (format!("user {n}"), "none".to_owned().into());
            users::insert(db, &NewUser { username, password_hash, role: Role::User, created_at: 1 }).map(drop)
        })
    });
    made.await.unwrap();
    let path = shares_of_device(id);
    for n in 0..100 {
        admin.post(&path, body(&format!("user {n}"), &["view"])).await.expect(201);
    }
    let reply = admin.post(&path, body("bob", &["view"])).await.expect(409);
    assert_eq!(reply.code(), "too_many_shares");
    assert_eq!(listed(&bob).await, [0; 0]);
    // Replacing one is none too many; another thing has its own bound; one that is taken back makes room.
    admin.post(&path, body("user 7", &["wake"])).await.expect(201);
    share(&admin, &shares_of_agent(agent), &bob, &["view"]).await;
    let first = admin.get(&path).await.expect(200).data()[0]["id"].clone();
    admin.delete(&format!("{path}/{first}")).await.expect(200);
    admin.post(&path, body("bob", &["view"])).await.expect(201);

    let data = server.stop().await;
    let database = data.path().join("db.sqlite");
    sqlite::execute(
        &database,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 998)
         INSERT INTO devices (id, name, type, macAddress, port, agentID, ownerID)
             SELECT 1000 + i, 'n', 'nas', '', 9, 1, 1 FROM n;
         INSERT INTO shares (deviceID, userID, mayWake, created)
             SELECT devices.id, users.id, 0, 0 FROM devices, users
             WHERE devices.id > 1000 AND users.username = 'bob'",
    )
    .await;
    let password = admin.password.clone();
    let server = Server::start_in(data, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &password).await;
    let free = admin.create_device(agent, MAC).await;
    let reply = admin.post(&shares_of_device(free), body("bob", &["view"])).await.expect(409);
    assert_eq!(reply.code(), "too_many_shares");
    let reply = admin.post(&shares_of_device(free), body("user 7", &["view"])).await.expect(201);
    assert_eq!(reply.data()["username"], "user 7");
}

#[tokio::test]
async fn shares_go_with_the_device_the_agent_and_the_user() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let carol = server.user(&admin, "carol", "user").await;
    let (other, spare) = (admin.create_agent("server", SECRET).await, admin.create_device(agent, MAC).await);
    for with in [&bob, &carol] {
        for path in
            [shares_of_device(id), shares_of_device(spare), shares_of_agent(other), shares_of_agent(agent)]
        {
            share(&admin, &path, with, &["view"]).await;
        }
    }
    admin.delete(&device(spare)).await.expect(200);
    admin.delete(&format!("/api/agents/{other}")).await.expect(200);
    admin.delete(&format!("/api/admin/users/{}", carol.user)).await.expect(200);
    assert_eq!(listed(&bob).await, [id]);
    let database = server.stop().await;
    let left = "SELECT coalesce('device ' || deviceID, 'agent ' || agentID) || ' ' || userID FROM shares ORDER BY id";
    let left = sqlite::texts(&database.path().join("db.sqlite"), left).await;
    assert_eq!(left, [format!("device {id} {}", bob.user), format!("agent {agent} {}", bob.user)]);
}

#[tokio::test]
async fn a_token_reaches_what_is_shared_with_its_user() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let second = admin.create_device(agent, MAC).await;
    let token = async |wanted: Value| {
        let reply = bob.post("/api/account/tokens", wanted).await;
        (reply.status, reply.code().to_owned(), reply.data()["token"].as_str().unwrap_or_default().to_owned())
    };
    let restricted = json!({"name": "n", "permissions": ["devices:read", "devices:wake"], "deviceIDs": [id]});
    let (status, code, _) = token(restricted.clone()).await;
    assert_eq!((status, code.as_str()), (400, "no_matching_device"));
    let given = share(&admin, &shares_of_agent(agent), &bob, &["wake"]).await;
    let (_, _, restricted) = token(restricted).await;
    let (_, _, reading) = token(json!({"name": "n", "permissions": ["devices:read"]})).await;
    let anonymous = server.anonymous();
    let call = async |token: &str, method: reqwest::Method, path: String| {
        anonymous.send(anonymous.http.request(method, anonymous.url(&path)).bearer_auth(token)).await
    };
    let (get, post) = (reqwest::Method::GET, reqwest::Method::POST);
    let list = call(&reading, get.clone(), "/api/devices".into()).await.expect(200);
    assert_eq!(list.data().as_array().unwrap().len(), 2);
    call(&reading, post.clone(), format!("{}/wakeup", device(id))).await.expect(403);
    let list = call(&restricted, get.clone(), "/api/devices".into()).await.expect(200);
    assert_eq!((list.data().as_array().unwrap().len(), &list.data()[0]["id"]), (1, &json!(id)));
    call(&restricted, post.clone(), format!("{}/wakeup", device(id))).await.expect(503);
    for (method, path) in
        [(post.clone(), format!("{}/wakeup", device(second))), (get.clone(), device(second))]
    {
        call(&restricted, method, path).await.expect(404);
    }
    admin.delete(&format!("{}/{given}", shares_of_agent(agent))).await.expect(200);
    for token in [&reading, &restricted] {
        call(token, get.clone(), device(id)).await.expect(404);
    }
}

#[tokio::test]
async fn sharing_is_in_the_audit_log() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let ada = server.user(&admin, "ada", "admin").await;
    let given = share(&admin, &shares_of_device(id), &bob, &["view"]).await;
    let path = format!("{}?adminMode=true", shares_of_agent(agent));
    ada.post(&shares_of_agent(agent), body("bob", &["wake"])).await.expect(404);
    ada.post(&path, body("admin", &["wake"])).await.expect(400);
    share(&ada, &path, &bob, &["wake"]).await;
    admin.delete(&format!("{}/{given}", shares_of_device(id))).await.expect(200);
    let data = server.stop().await;
    let entries = "SELECT actorName || ' ' || action || ' ' || target || ' ' || targetID || ' ' || targetName || ': ' || detail
                FROM audit WHERE action LIKE 'share.%' AND outcome = 'done' ORDER BY id";
    let user = bob.user;
    let expected = [
        format!("admin share.create device {id} Device: with user {user}: view"),
        format!("ada share.create agent {agent} Agent: with user {user}: view and wake"),
        format!("admin share.delete device {id} Device: with user {user}"),
    ];
    assert_eq!(sqlite::texts(&data.path().join("db.sqlite"), entries).await, expected);
}

#[tokio::test]
async fn an_agents_share_covers_its_owners_devices_alone() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let carol = server.user(&admin, "carol", "user").await;
    let carols = carol.create_device(carol.create_agent("server", SECRET).await, MAC).await;
    share(&admin, &shares_of_agent(agent), &bob, &["wake"]).await;
    // As the original server let carol do.
    let password = bob.password.clone();
    let data = server.stop().await;
    let moved = format!("UPDATE devices SET agentID = {agent} WHERE id = {carols}");
    sqlite::execute(&data.path().join("db.sqlite"), &moved).await;
    let server = Server::start_in(data, |_| {}).await;
    let bob = Client::login(server.address(), "bob", &password).await;
    assert_eq!(listed(&bob).await, [id]);
    bob.get(&device(carols)).await.expect(404);
    assert_eq!(wake(&bob, carols).await, 404);
}

#[tokio::test]
async fn whoever_a_share_is_with_sees_and_removes_it() {
    let (Scene { server, admin, agent, device: id }, bob) = scene().await;
    let carol = server.user(&admin, "carol", "user").await;
    let now = server.host().clock.now();
    let ending = json!({"username": "bob", "permissions": ["wake"], "expiresAt": now + HOUR});
    let of_device = admin.post(&shares_of_device(id), ending).await.expect(201).data()["id"].clone();
    let of_agent = share(&admin, &shares_of_agent(agent), &bob, &["view"]).await;
    let of_carol = share(&admin, &shares_of_device(id), &carol, &["view"]).await;
    let given = bob.get("/api/shares").await.expect(200);
    let shown = given.data().as_array().unwrap();
    assert_eq!(shown.len(), 2, "one's own alone: {shown:?}");
    let first = json!({"id": of_device, "type": "device", "sharedID": id, "sharedName": "Device",
        "ownerName": "admin", "username": "bob", "permissions": ["view", "wake"],
        "created": shown[0]["created"], "expiresAt": now + HOUR});
    assert_eq!(shown[0], first);
    let second = (&shown[1]["type"], &shown[1]["sharedID"], &shown[1]["sharedName"]);
    assert_eq!(second, (&json!("agent"), &Value::Null, &Value::Null), "the agent stays its owner's");
    assert_eq!(
        admin.get("/api/shares").await.expect(200).data(),
        &json!([]),
        "nothing is shared with the admin"
    );
    assert_eq!(admin.get("/api/shares?adminMode=true").await.expect(200).data().as_array().unwrap().len(), 3);

    for (who, share) in [(&bob, json!(of_carol)), (&carol, of_device.clone()), (&bob, json!(4711))] {
        who.delete(&format!("/api/shares/{share}")).await.expect(404);
    }
    bob.delete(&format!("/api/shares/{of_device}")).await.expect(200);
    assert_eq!(
        (wake(&bob, id).await, listed(&bob).await),
        (403, vec![id]),
        "the agent's share lets bob see it"
    );
    bob.delete(&format!("/api/shares/{of_agent}")).await.expect(200);
    assert_eq!((wake(&bob, id).await, listed(&bob).await), (404, vec![]));
    bob.delete(&format!("/api/shares/{of_agent}")).await.expect(404);
    // Whose it is takes it back the same way.
    admin.delete(&format!("/api/shares/{of_carol}")).await.expect(200);
    assert_eq!(listed(&carol).await, [0; 0]);
    // An expired one is none.
    let mut ending = body("bob", &["view"]);
    ending["expiresAt"] = json!(now + HOUR);
    let expired = admin.post(&shares_of_device(id), ending).await.expect(201).data()["id"].clone();
    server.host().clock.advance(Duration::from_millis(HOUR as u64));
    assert_eq!(bob.get("/api/shares").await.expect(200).data(), &json!([]));
    bob.delete(&format!("/api/shares/{expired}")).await.expect(404);

    let data = server.stop().await;
    let entries =
        "SELECT actorName || ' ' || action || ' ' || target || ' ' || targetName || ': ' || detail FROM audit
                WHERE action IN ('share.decline', 'share.delete') ORDER BY id";
    let expected = [
        "bob share.decline device Device: by user 1".to_owned(),
        "bob share.decline agent Agent: by user 1".to_owned(),
        format!("admin share.delete device Device: with user {}", carol.user),
    ];
    assert_eq!(sqlite::texts(&data.path().join("db.sqlite"), entries).await, expected);
}

#[tokio::test]
async fn one_sharer_uses_up_no_others_room() {
    let (Scene { server, admin, .. }, bob) = scene().await;
    let (ann, carol) = (server.user(&admin, "ann", "user").await, server.user(&admin, "carol", "user").await);
    let (anns, carols) =
        (ann.create_agent("server", SECRET).await, carol.create_agent("server", SECRET).await);
    let own = ann.user;
    let devices = ann.create_device(anns, MAC).await;
    let bobs = bob.user;
    let furnished = server.host().store.write(move |db| {
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)
             INSERT INTO devices (id, name, type, macAddress, port, agentID, ownerID)
                 SELECT 10000 + i, 'n', 'nas', '', 9, ?1, ?2 FROM n",
            [anns, own],
        )?;
        db.execute(
            "INSERT INTO shares (deviceID, userID, mayWake, created)
                 SELECT id, ?1, 0, 0 FROM devices WHERE id > 10001 AND id < 11001",
            [bobs],
        )
    });
    furnished.await.unwrap();
    ann.post(&shares_of_device(10_001), body("bob", &["view"])).await.expect(201);
    let refused = ann.post(&shares_of_device(11_001), body("bob", &["view"])).await.expect(409);
    assert_eq!(refused.code(), "too_many_shares");
    // What is shared already can be changed, others have room, and so has ann with others.
    ann.post(&shares_of_device(10_001), body("bob", &["wake"])).await.expect(201);
    ann.post(&shares_of_device(devices), body("carol", &["view"])).await.expect(201);
    let carols = carol.create_device(carols, MAC).await;
    share(&carol, &shares_of_device(carols), &bob, &["view"]).await;
    assert_eq!(bob.get("/api/shares").await.expect(200).data().as_array().unwrap().len(), 1001);
}
