//! Devices: managing them, who may, waking them. Their status is in `rest_status`.

use std::time::Duration;

use netignite::store::devices::{self, DeviceKind, NewDevice};
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::wait::within;
use super::support::{Client, Firmware, Reply, Server, soon};

const SECRET: &str = "a secret of an agent";
const MAC: &str = "AA:BB:CC:DD:EE:FF";

fn body(agent: i64) -> Value {
    json!({"name": "NAS", "type": "nas", "description": "In the cellar", "macAddress": MAC, "port": 7,
        "agentID": agent})
}

fn path(id: i64) -> String {
    format!("/api/devices/{id}")
}

/// A device as lists have it: its presence is shown where one device is asked for.
fn without_presence(reply: &Reply) -> Value {
    let mut device = reply.data().clone();
    device.as_object_mut().unwrap().remove("presence").expect("a presence");
    device
}

/// A device as an adopted database may hold it: written past the API's checks.
async fn odd_device(server: &Server, owner: i64, agent: i64, mac: &str, port: i64) -> i64 {
    let device = NewDevice {
        name: "n".repeat(300),
        kind: DeviceKind::Nas,
        description: None,
        mac_address: mac.to_owned(),
        port,
        agent_id: agent,
        owner,
        address: None,
        options: Default::default(),
        secure_on: Default::default(),
    };
    server.host().store.write(move |db| devices::insert(db, &device)).await.unwrap()
}

#[tokio::test]
async fn a_device_is_created_shown_listed_changed_and_deleted() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    let reply = admin.post("/api/devices", body(agent)).await.expect(201);
    assert_eq!(reply.message(), "Device created successfully");
    let id = reply.id();

    let device = json!({"id": id, "name": "NAS", "type": "nas", "description": "In the cellar", "macAddress": MAC,
        "port": 7, "agentID": agent, "ownerID": 1});
    let reply = admin.get(&path(id)).await.expect(200);
    assert_eq!(reply.message(), "Device retrieved successfully");
    assert_eq!(without_presence(&reply), device);
    let reply = admin.get("/api/devices").await.expect(200);
    assert_eq!(reply.message(), "Devices retrieved successfully.");
    assert_eq!(reply.data(), &json!([device]));

    let other = admin.create_agent("microcontroller", SECRET).await;
    let new = json!({"name": "PC", "type": "desktop", "description": null, "macAddress": "00-11-22-33-44-5f",
        "port": 65535, "agentID": other, "address": "pc.lan"});
    let reply = admin.put(&path(id), new).await.expect(200);
    assert_eq!(reply.message(), "Device updated successfully");
    let device = json!({"id": id, "name": "PC", "type": "desktop", "description": null,
        "macAddress": "00:11:22:33:44:5F", "port": 65535, "agentID": other, "ownerID": 1, "address": "pc.lan"});
    assert_eq!(without_presence(&admin.get(&path(id)).await.expect(200)), device);

    let reply = admin.delete(&path(id)).await.expect(200);
    assert_eq!(reply.message(), "Device deleted successfully");
    for reply in [
        admin.get(&path(id)).await,
        admin.put(&path(id), body(agent)).await,
        admin.delete(&path(id)).await,
        admin.post(&format!("{}/wakeup", path(id)), json!({})).await,
    ] {
        assert_eq!(reply.expect(404).message(), "Device not found");
    }
}

#[tokio::test]
async fn fields_are_validated() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    let id = admin.create_device(agent, MAC).await;
    let cases = [
        ("name", json!(""), false),
        ("name", json!("☃".repeat(100)), true),
        ("name", json!("n".repeat(101)), false),
        ("type", json!("toaster"), false),
        ("type", json!(1), false),
        ("type", json!("printer"), true),
        ("type", json!("laptop"), true),
        ("type", json!("server"), true),
        ("description", Value::Null, true),
        ("description", json!(""), true),
        ("description", json!("☃".repeat(1000)), true),
        ("description", json!("d".repeat(1001)), false),
        ("macAddress", json!("aa-bb-cc-dd-ee-ff"), true),
        ("macAddress", json!("aa:bb-cc:dd-ee:ff"), false),
        ("macAddress", json!("AABBCCDDEEFF"), true),
        ("macAddress", json!("aabb.ccdd.eeff"), true),
        ("macAddress", json!("AA:BB:CC:DD:EE"), false),
        ("macAddress", json!("GG:BB:CC:DD:EE:FF"), false),
        ("macAddress", Value::Null, false),
        ("port", json!(1), true),
        ("port", json!(0), false),
        ("port", json!(65536), false),
        ("port", json!(-1), false),
        ("port", json!(9.5), false),
        ("port", json!("9"), false),
        ("port", json!(1e300), false),
        ("agentID", json!(agent.to_string()), false),
        ("agentID", Value::Null, false),
        ("address", Value::Null, true),
        ("address", json!("192.0.2.1"), true),
        ("address", json!("2001:db8::1"), true),
        ("address", json!("nas.lan"), true),
        ("address", json!("http://nas"), false),
        ("address", json!(""), false),
        ("address", json!("a".repeat(300)), false),
    ];
    for (field, value, good) in cases {
        let mut body = body(agent);
        body[field] = value;
        let (created, updated) =
            (admin.post("/api/devices", body.clone()).await, admin.put(&path(id), body.clone()).await);
        if good {
            created.expect(201);
            updated.expect(200);
        } else {
            for reply in [created, updated] {
                assert_eq!(wrong_fields(&reply.expect(400)), [field], "{body}");
            }
        }
    }
}

#[tokio::test]
async fn a_mac_address_is_stored_in_one_notation_and_the_port_is_9_by_default() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    let body = json!({"name": "n", "type": "nas", "macAddress": "0a-1b-2c-3d-4e-5f", "agentID": agent});
    let id = admin.post("/api/devices", body).await.expect(201).id();
    let device = admin.get(&path(id)).await.expect(200).data().clone();
    assert_eq!((&device["macAddress"], &device["port"]), (&json!("0A:1B:2C:3D:4E:5F"), &json!(9)));
    assert_eq!(device["description"], Value::Null);
}

#[tokio::test]
async fn an_update_keeps_a_description_and_an_address_it_does_not_name_and_null_clears_them() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    let mut full = body(agent);
    full["address"] = json!("192.0.2.7");
    let id = admin.post("/api/devices", full).await.expect(201).id();
    let mut bare = body(agent);
    bare.as_object_mut().unwrap().remove("description");
    admin.put(&path(id), bare.clone()).await.expect(200);
    let device = admin.get(&path(id)).await.expect(200).data().clone();
    assert_eq!((&device["description"], &device["address"]), (&json!("In the cellar"), &json!("192.0.2.7")));
    bare["description"] = Value::Null;
    bare["address"] = Value::Null;
    admin.put(&path(id), bare).await.expect(200);
    let device = admin.get(&path(id)).await.expect(200).data().clone();
    assert_eq!(device["description"], Value::Null);
    assert!(device.get("address").is_none());
    let reply = admin.put(&path(id), json!({})).await.expect(400);
    assert_eq!(wrong_fields(&reply), ["name", "type", "macAddress", "agentID"]);
}

#[tokio::test]
async fn rows_that_break_todays_rules_stay_editable() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    for (mac, port) in [("not a mac", 0), ("", 70_000), ("0b:0b:0b:0b:0b:0b", -3)] {
        let id = odd_device(&server, 1, agent, mac, port).await;
        let device = admin.get(&path(id)).await.expect(200).data().clone();
        assert_eq!((&device["macAddress"], &device["port"]), (&json!(mac), &json!(port)));
        let mut back = device.clone();
        back["description"] = json!("described");
        admin.put(&path(id), back.clone()).await.expect(200);
        assert_eq!(admin.get(&path(id)).await.expect(200).data(), &back);
        let mut worse = device;
        worse["port"] = json!(70_001);
        worse["macAddress"] = json!("another that is not");
        assert_eq!(wrong_fields(&admin.put(&path(id), worse).await.expect(400)), ["macAddress", "port"]);
    }
}

#[tokio::test]
async fn a_device_needs_an_agent_of_its_owner() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let (ann, bob) =
        (server.user(&superadmin, "ann", "user").await, server.user(&superadmin, "bob", "user").await);
    let (anns, bobs) = (ann.create_agent("server", SECRET).await, bob.create_agent("server", SECRET).await);
    let id = ann.create_device(anns, MAC).await;
    for agent in [bobs, 4711, 0, -1] {
        for reply in [ann.post("/api/devices", body(agent)).await, ann.put(&path(id), body(agent)).await] {
            let reply = reply.expect(400);
            assert_eq!(reply.message(), "No matching agent found for the given AgentID");
        }
    }
    // Admin mode makes no difference: what counts is the device's owner, for a new one the caller.
    let adminly = format!("{}?adminMode=true", path(id));
    superadmin.put(&adminly, body(bobs)).await.expect(400);
    superadmin.put(&adminly, body(anns)).await.expect(200);
    superadmin.post("/api/devices?adminMode=true", body(anns)).await.expect(400);
    let own = superadmin.create_agent("server", SECRET).await;
    superadmin.put(&adminly, body(own)).await.expect(400);
    assert_eq!(ann.get(&path(id)).await.expect(200).data()["agentID"], anns);
}

#[tokio::test]
async fn only_favorites_are_listed_when_asked_for() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let agent = ann.create_agent("server", SECRET).await;
    let (first, second) = (ann.create_device(agent, MAC).await, ann.create_device(agent, MAC).await);
    let favorites = |query: &'static str| {
        let ann = ann.clone();
        async move {
            let reply = ann.get(&format!("/api/devices{query}")).await.expect(200);
            reply.data().as_array().unwrap().iter().map(|d| d["id"].as_i64().unwrap()).collect::<Vec<_>>()
        }
    };
    assert_eq!(favorites("?onlyFavorites=true").await, Vec::<i64>::new());
    ann.put("/api/account/0", json!({"username": "ann", "favorites": [second, 4711]})).await.expect(200);
    assert_eq!(favorites("?onlyFavorites=true").await, [second]);
    assert_eq!(favorites("?onlyFavorites=false").await, [first, second]);
    assert_eq!(favorites("").await, [first, second]);
    ann.delete(&path(second)).await.expect(200);
    assert_eq!(favorites("?onlyFavorites=true").await, Vec::<i64>::new());
    assert_eq!(ann.get("/api/auth/session").await.expect(200).data()["favorites"], json!([]));
}

/// Every way to a device of somebody else.
async fn reach(client: &Client, id: i64, agent: i64, query: &str) -> Vec<u16> {
    let device = format!("{}{query}", path(id));
    vec![
        client.get(&device).await.status,
        client.put(&device, body(agent)).await.status,
        client.post(&format!("{}/wakeup{query}", path(id)), json!({})).await.status,
        client.delete(&device).await.status,
    ]
}

#[tokio::test]
async fn nobody_reaches_anothers_device_and_admins_only_in_admin_mode() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let (ann, bob) =
        (server.user(&superadmin, "ann", "user").await, server.user(&superadmin, "bob", "user").await);
    let carol = server.user(&superadmin, "carol", "admin").await;
    let agent = ann.create_agent("server", SECRET).await;
    let id = ann.create_device(agent, MAC).await;
    for client in [&bob, &carol, &superadmin] {
        assert_eq!(reach(client, id, agent, "").await, [404; 4]);
        assert_eq!(client.get("/api/devices").await.expect(200).data(), &json!([]));
        assert_eq!(client.get(&format!("/api/devices/status?ids={id}")).await.expect(200).data(), &json!({}));
    }
    assert_eq!(reach(&bob, id, agent, "?adminMode=true").await, [404; 4]);
    assert_eq!(reach(&carol, id, agent, "?adminMode=yes").await, [404; 4]);
    let (anothers, nobodys) = (bob.get(&path(id)).await, bob.get(&path(4711)).await);
    assert_eq!(anothers.text_without_id(), nobodys.text_without_id());
    let status = carol.get("/api/devices/status?adminMode=true").await.expect(200);
    assert_eq!(status.data(), &json!({id.to_string(): "unknown"}));
    assert_eq!(reach(&carol, id, agent, "?adminMode=true").await, [200, 200, 503, 200]);
    ann.get(&path(id)).await.expect(404);
}

/// Wakes a device while its agent answers with `json`.
async fn woken(client: &Client, agent: &mut Firmware, id: i64, json: &str) -> Reply {
    let waking = client.clone();
    let asked = tokio::spawn(async move { waking.post(&format!("{}/wakeup", path(id)), json!({})).await });
    let command = agent.command().await;
    assert_eq!((command.command.as_str(), &command.json), ("WAKEUP", &json!({"macAddress": MAC, "port": 7})));
    agent.reply(&command, json).await;
    soon("the answer", asked).await.unwrap()
}

#[tokio::test]
async fn a_wakeup_reaches_the_agent_and_tells_what_came_of_it() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent_id = admin.create_agent("microcontroller", SECRET).await;
    let id = admin.post("/api/devices", body(agent_id)).await.expect(201).id();
    let wake = format!("{}/wakeup", path(id));
    let reply = admin.post(&wake, json!({})).await.expect(503);
    assert_eq!((reply.code(), reply.message()), ("agent_offline", "Agent is offline"));

    let mut agent = Firmware::connect(server.address(), agent_id, SECRET).await;
    let reply = woken(&admin, &mut agent, id, r#"{"status":"OK","message":"sent"}"#).await.expect(200);
    assert_eq!((reply.message(), reply.data()), ("Wakeup command sent", &Value::Null));
    let reply =
        woken(&admin, &mut agent, id, r#"{"status":"ERROR","message":"no network"}"#).await.expect(502);
    assert_eq!((reply.code(), reply.message()), ("command_failed", "Wakeup command failed: no network"));
    let reply = woken(&admin, &mut agent, id, "[]").await.expect(502);
    assert_eq!(reply.code(), "bad_reply");

    let waking = admin.clone();
    let asked = tokio::spawn(async move { waking.post(&wake, json!({})).await });
    agent.command().await;
    let limit = Duration::from_secs(15);
    let reply = within(limit, "the time-out", asked).await.unwrap().expect(504);
    assert_eq!(reply.code(), "agent_timeout");
}

#[tokio::test]
async fn what_cannot_be_woken_is_said_to_be_so() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    let mut connected = Firmware::connect(server.address(), agent, SECRET).await;
    let cases = [
        ("not a mac", 9, "no_mac_address"),
        (MAC, 0, "no_port"),
        (MAC, 70_000, "no_port"),
        (MAC, -1, "no_port"),
    ];
    for (mac, port, code) in cases {
        let id = odd_device(&server, 1, agent, mac, port).await;
        let reply = admin.post(&format!("{}/wakeup", path(id)), json!({})).await.expect(409);
        assert_eq!(reply.code(), code, "{}", reply.text);
    }
    let id = admin.post("/api/devices", body(agent)).await.expect(201).id();
    woken(&admin, &mut connected, id, r#"{"status":"OK","message":"the first it hears"}"#).await.expect(200);
}

#[tokio::test]
async fn nothing_goes_through_an_agent_that_is_not_the_devices_owners() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let bob = server.user(&superadmin, "bob", "user").await;
    let anns = ann.create_agent("server", SECRET).await;
    let id = ann.post("/api/devices", body(anns)).await.expect(201).id();
    // As the original allowed it: the device's agent turns out to be another's.
    let owner = bob.user;
    let sql = "UPDATE agents SET ownerID = ?2 WHERE id = ?1";
    server.host().store.write(move |db| db.execute(sql, [anns, owner])).await.unwrap();
    let mut connected = Firmware::connect(server.address(), anns, SECRET).await;

    let shown = ann.get(&path(id)).await.expect(200).data().clone();
    assert_eq!(shown["agentID"], anns);
    ann.put(&path(id), shown).await.expect(200);
    for (client, query) in [(&ann, ""), (&superadmin, "?adminMode=true")] {
        let reply = client.post(&format!("{}/wakeup{query}", path(id)), json!({})).await.expect(503);
        assert_eq!(reply.code(), "agent_offline");
        let reply = client.get(&format!("/api/devices/status{query}")).await.expect(200);
        assert_eq!(reply.data(), &json!({id.to_string(): "unknown"}));
    }
    // The first thing the agent hears comes from its owner.
    let own = bob.post("/api/devices", body(anns)).await.expect(201).id();
    woken(&bob, &mut connected, own, r#"{"status":"OK","message":"sent"}"#).await.expect(200);
}
