//! What is set of a device beyond what every device has: fallback agents, the agent that runs on it, where it is looked
//! for, where packets go and what they end with.

use std::sync::mpsc;

use netignite::model::event::Event;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::support::scene::{MAC, SECRET, Scene};
use super::support::{Client, Firmware, soon, sqlite};

const PASSWORD: &str = "A1:B2:C3:D4:E5:F6";
/// The fields that only a device's owner sees.
const FIELDS: [&str; 6] =
    ["fallbackAgentIDs", "hostAgentID", "probePorts", "broadcastAddress", "secureOn", "watchInterval"];

fn path(device: i64) -> String {
    format!("/api/devices/{device}")
}

/// The body of a client that knows nothing of these fields.
fn old_body(agent: i64) -> Value {
    json!({"name": "Device", "type": "desktop", "description": "A device", "macAddress": MAC, "port": 9, "agentID": agent})
}

fn with(mut body: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

/// Of a device as it is shown, the fields that are there.
fn shown(device: &Value) -> Value {
    let there = FIELDS.iter().filter_map(|field| Some(((*field).to_owned(), device.get(field)?.clone())));
    Value::Object(there.collect())
}

async fn get(client: &Client, device: i64) -> Value {
    shown(client.get(&path(device)).await.expect(200).data())
}

#[tokio::test]
async fn options_are_stored_shown_kept_and_cleared() {
    let Scene { server: _server, admin, agent, device } = Scene::new("server").await;
    let [second, host] =
        [admin.create_agent("server", SECRET).await, admin.create_agent("server", SECRET).await];
    assert_eq!(get(&admin, device).await, json!({}), "nothing is shown where nothing is set");

    let fields = json!({"fallbackAgentIDs": [second, host], "hostAgentID": host, "probePorts": [22, 8006],
        "broadcastAddress": " 192.168.1.255\n", "secureOn": "a1-b2-c3-d4-e5-f6", "watchInterval": 30});
    admin.put(&path(device), with(old_body(agent), &fields)).await.expect(200);
    let stored = with(fields, &json!({"broadcastAddress": "192.168.1.255", "secureOn": PASSWORD}));
    assert_eq!(get(&admin, device).await, stored);
    // The same of a new device, with the ID of its own agent among the fallbacks: who is asked first is asked once.
    let new = with(old_body(agent), &with(stored.clone(), &json!({"fallbackAgentIDs": [agent]})));
    let made = admin.post("/api/devices", new).await.expect(201).id();
    assert_eq!(get(&admin, made).await["fallbackAgentIDs"], json!([agent]));

    // Lists hold no secrets.
    let list = admin.get("/api/devices").await.expect(200);
    let mut without = stored.clone();
    without.as_object_mut().unwrap().remove("secureOn");
    assert_eq!(shown(&list.data()[0]), without);

    // What an old client leaves out stays, what a page sends back whole stays too.
    admin.put(&path(device), old_body(agent)).await.expect(200);
    assert_eq!(get(&admin, device).await, stored);
    let whole = admin.get(&path(device)).await.expect(200).data().clone();
    admin.put(&path(device), whole).await.expect(200);
    assert_eq!(get(&admin, device).await, stored);
    admin.put(&path(device), with(old_body(agent), &json!({"fallbackAgentIDs": [host]}))).await.expect(200);
    assert_eq!(get(&admin, device).await["fallbackAgentIDs"], json!([host]));

    for field in FIELDS {
        admin.put(&path(device), with(old_body(agent), &json!({field: null}))).await.expect(200);
        assert_eq!(get(&admin, device).await.get(field), None, "{field}");
    }
    assert_eq!(get(&admin, device).await, json!({}));
    for (field, empty) in [("fallbackAgentIDs", json!([])), ("probePorts", json!([]))] {
        admin.put(&path(made), with(old_body(agent), &json!({field: empty}))).await.expect(200);
        assert_eq!(get(&admin, made).await.get(field), None, "{field}");
    }
}

#[tokio::test]
async fn options_are_validated() {
    let Scene { server: _server, admin, agent, device } = Scene::new("server").await;
    let cases = [
        ("fallbackAgentIDs", json!(agent), false),
        ("fallbackAgentIDs", json!([agent, agent]), false),
        ("fallbackAgentIDs", json!([1, 2, 3, 4, 5, 6]), false),
        ("fallbackAgentIDs", json!(["1"]), false),
        ("fallbackAgentIDs", json!([1.5]), false),
        ("hostAgentID", json!([agent]), false),
        ("hostAgentID", json!("1"), false),
        ("hostAgentID", json!(agent), true),
        ("probePorts", json!([1, 2, 3, 4, 65535]), true),
        ("probePorts", json!([1, 2, 3, 4, 5, 6]), false),
        ("probePorts", json!([22, 22]), false),
        ("probePorts", json!([0]), false),
        ("probePorts", json!([-1]), false),
        ("probePorts", json!([65536]), false),
        ("probePorts", json!(22), false),
        ("broadcastAddress", json!("255.255.255.255"), true),
        ("broadcastAddress", json!("0.0.0.0"), false),
        ("broadcastAddress", json!("224.0.0.1"), false),
        ("broadcastAddress", json!("ff02::1"), false),
        ("broadcastAddress", json!("host.lan"), false),
        ("broadcastAddress", json!(7), false),
        ("secureOn", json!("00:00:00:00:00:00"), true),
        ("secureOn", json!("A1:B2:C3:D4:E5"), false),
        ("secureOn", json!("secret"), false),
        ("secureOn", json!(""), false),
        ("watchInterval", json!(9), false),
        ("watchInterval", json!(10), true),
        ("watchInterval", json!(86_400), true),
        ("watchInterval", json!(86_401), false),
        ("watchInterval", json!(10.5), false),
        ("watchInterval", json!("10"), false),
    ];
    for (field, value, good) in cases {
        let body = with(old_body(agent), &json!({field: value}));
        let (created, updated) =
            (admin.post("/api/devices", body.clone()).await, admin.put(&path(device), body.clone()).await);
        if good {
            created.expect(201);
            updated.expect(200);
        } else {
            for reply in [created, updated] {
                let reply = reply.expect(400);
                assert_eq!(wrong_fields(&reply), [field], "{body}");
                assert!(field != "secureOn" || !reply.text.contains("secret\""), "{}", reply.text);
            }
        }
    }
}

#[tokio::test]
async fn agents_of_others_are_named_by_no_device() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let bob = server.user(&admin, "bob", "user").await;
    let foreign = bob.create_agent("server", SECRET).await;
    for named in [foreign, 4711, -1] {
        for fields in [json!({"fallbackAgentIDs": [agent, named]}), json!({"hostAgentID": named})] {
            let body = with(old_body(agent), &fields);
            // Admin mode changes nothing: they must be the device owner's.
            for reply in [
                admin.post("/api/devices", body.clone()).await,
                admin.put(&path(device), body.clone()).await,
                admin.put(&format!("{}?adminMode=true", path(device)), body.clone()).await,
            ] {
                assert_eq!(reply.expect(400).code(), "no_matching_agent", "{body}");
            }
        }
    }
    assert_eq!(get(&admin, device).await, json!({}));
    assert_eq!(admin.get("/api/devices").await.expect(200).data().as_array().unwrap().len(), 1);

    // For a device of bob's it is bob's agents that may be named, whoever names them.
    let bobs = bob.create_device(foreign, MAC).await;
    let path = format!("{}?adminMode=true", path(bobs));
    let fields = json!({"fallbackAgentIDs": [foreign], "hostAgentID": foreign});
    admin.put(&path, with(old_body(foreign), &fields)).await.expect(200);
    assert_eq!(get(&bob, bobs).await, fields);
    admin.put(&path, with(old_body(foreign), &json!({"hostAgentID": agent}))).await.expect(400);
}

#[tokio::test]
async fn an_agent_that_a_device_names_in_any_way_is_not_deleted() {
    let Scene { server: _server, admin, agent, device } = Scene::new("server").await;
    let other = admin.create_agent("server", SECRET).await;
    let delete = async || admin.delete(&format!("/api/agents/{other}")).await;
    let fields = json!({"fallbackAgentIDs": [other], "hostAgentID": other});
    admin.put(&path(device), with(old_body(agent), &fields)).await.expect(200);
    for field in ["fallbackAgentIDs", "hostAgentID"] {
        let refused = delete().await.expect(409);
        assert_eq!(refused.code(), "agent_in_use");
        assert!(refused.message().contains("1 device"), "{}", refused.text);
        admin.put(&path(device), with(old_body(agent), &json!({field: null}))).await.expect(200);
    }
    delete().await.expect(200);

    // A deleted device names none any more.
    let other = admin.create_agent("server", SECRET).await;
    let made = with(old_body(agent), &json!({"fallbackAgentIDs": [other], "hostAgentID": other}));
    let made = admin.post("/api/devices", made).await.expect(201).id();
    admin.delete(&path(made)).await.expect(200);
    admin.delete(&format!("/api/agents/{other}")).await.expect(200);
}

#[tokio::test]
async fn options_are_their_owners_alone() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let [ann, bob] = [server.user(&admin, "ann", "admin").await, server.user(&admin, "bob", "user").await];
    let fields = json!({"fallbackAgentIDs": [agent], "hostAgentID": agent, "probePorts": [22],
        "broadcastAddress": "192.0.2.255", "secureOn": PASSWORD, "watchInterval": 86_400});
    admin.put(&path(device), with(old_body(agent), &fields)).await.expect(200);
    for path in [format!("/api/devices/{device}/shares"), format!("/api/agents/{agent}/shares")] {
        admin.post(&path, json!({"username": "bob", "permissions": ["wake"]})).await.expect(201);
        assert_eq!(get(&bob, device).await, json!({}));
        assert_eq!(shown(&bob.get("/api/devices").await.expect(200).data()[0]), json!({}));
    }

    // An admin sees no secret of another's, and keeps it when changing the device.
    let mut without = fields.clone();
    without.as_object_mut().unwrap().remove("secureOn");
    let admins = format!("{}?adminMode=true", path(device));
    let whole = ann.get(&admins).await.expect(200).data().clone();
    assert_eq!(shown(&whole), without);
    ann.put(&admins, whole).await.expect(200);
    assert_eq!(get(&admin, device).await, fields);

    // A token sees it if it may change it.
    for (permissions, seen) in [(&["devices:read"][..], false), (&["devices:read", "devices:write"], true)] {
        let body = json!({"name": "t", "permissions": permissions});
        let token = admin.post("/api/account/tokens", body).await.expect(201).data()["token"].clone();
        let program = Client::anonymous(server.address());
        let request = program.http.get(program.url(&path(device))).bearer_auth(token.as_str().unwrap());
        let reply = program.send(request).await.expect(200);
        assert_eq!(reply.data().get("secureOn").is_some(), seen, "{permissions:?}");
    }
}

#[tokio::test]
async fn a_secure_on_password_is_sealed_and_outlives_its_key() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    admin.put(&path(device), with(old_body(agent), &json!({"secureOn": PASSWORD}))).await.expect(200);
    admin.post("/api/admin/secrets/rotate-key", json!({})).await.expect(200);
    assert_eq!(get(&admin, device).await, json!({"secureOn": PASSWORD}));
    let audit = admin.get("/api/admin/audit?limit=1000").await.expect(200);
    assert!(!audit.text.contains(PASSWORD), "{}", audit.text);
    let directory = server.stop().await;
    let bytes = [PASSWORD.as_bytes(), &[0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6]];
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap_or_default();
        for secret in bytes {
            assert!(!content.windows(secret.len()).any(|window| window == secret));
        }
    }

    // One that cannot be opened is lost, and nothing else is.
    let database = netignite::store::database_path(directory.path());
    sqlite::execute(&database, "UPDATE devices SET secureOn = X'00010203'").await;
    let server = super::support::Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &admin.password).await;
    assert_eq!(get(&admin, device).await, json!({}));
    admin.put(&path(device), with(old_body(agent), &json!({"secureOn": PASSWORD}))).await.expect(200);
    assert_eq!(get(&admin, device).await, json!({"secureOn": PASSWORD}));
}

#[tokio::test]
async fn whoever_listens_learns_that_a_device_changed() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let (to, from) = mpsc::channel();
    let listener = move |happened: &netignite::events::Happened| {
        if let Event::DeviceChanged { device, .. } = happened.event {
            to.send(device).unwrap();
        }
    };
    server.host().events.listen("test", listener).unwrap();
    let made = admin.create_device(agent, MAC).await;
    admin.put(&path(device), old_body(agent)).await.expect(200);
    admin.put(&path(device), json!({})).await.expect(400);
    admin.delete(&path(made)).await.expect(200);
    server.host().events.caught_up("test").await;
    assert_eq!(from.try_iter().collect::<Vec<_>>(), [made, device, made]);
}

#[tokio::test]
async fn the_first_connected_agent_wakes_as_the_device_says() {
    let scene = Scene::new("server").await;
    let (admin, device) = (&scene.admin, scene.device);
    let [second, third] =
        [admin.create_agent("server", SECRET).await, admin.create_agent("server", SECRET).await];
    let fields =
        json!({"fallbackAgentIDs": [second, third], "broadcastAddress": "192.0.2.255", "secureOn": PASSWORD});
    admin.put(&path(device), with(old_body(scene.agent), &fields)).await.expect(200);
    let offline = scene.wake().answer().await.expect(503);
    assert_eq!((offline.code(), offline.message()), ("agent_offline", "Agent is offline"));

    let expected =
        json!({"macAddress": MAC, "port": 9, "broadcastAddress": "192.0.2.255", "secureOn": PASSWORD});
    let mut connected = Vec::new();
    for agent in [third, second, scene.agent] {
        let mut firmware = Firmware::connect(scene.server.address(), agent, SECRET).await;
        let waking = scene.wake();
        let command = firmware.command().await;
        assert_eq!((command.command.as_str(), &command.json), ("WAKEUP", &expected));
        firmware.reply_ok(&command).await;
        waking.answer().await.expect(200);
        connected.push(firmware);
    }

    // Whom it is shared with wakes it in the same way and learns none of it.
    let bob = scene.server.user(admin, "bob", "user").await;
    let share = json!({"username": "bob", "permissions": ["wake"]});
    admin.post(&format!("{}/shares", path(device)), share).await.expect(201);
    let waking = tokio::spawn(async move { bob.post(&format!("{}/wakeup", path(device)), json!({})).await });
    let command = connected[2].command().await;
    assert_eq!(command.json, expected);
    connected[2].reply(&command, r#"{"status":"ERROR","message":"eth7 is down"}"#).await;
    let refused = soon("the wake", waking).await.unwrap().expect(502);
    assert!(!refused.text.contains("eth7") && !refused.text.contains(PASSWORD), "{}", refused.text);

    // Without its password it would not wake: whoever asks learns why.
    let database = netignite::store::database_path(scene.server.data());
    sqlite::execute(&database, "UPDATE devices SET secureOn = X'00010203'").await;
    assert_eq!(scene.wake().answer().await.expect(409).code(), "no_secure_on");
}

#[tokio::test]
async fn a_device_that_is_woken_again_is_woken_as_it_is_by_then() {
    let scene = Scene::new("server").await;
    let (admin, device) = (&scene.admin, scene.device);
    let bob = scene.server.user(admin, "bob", "user").await;
    let mut firmware = Firmware::connect(scene.server.address(), scene.agent, SECRET).await;
    let mut woken = async |client: &Client| {
        let client = client.clone();
        let waking =
            tokio::spawn(async move { client.post(&format!("{}/wakeup", path(device)), json!({})).await });
        let command = firmware.command().await;
        firmware.reply_ok(&command).await;
        soon("the wake", waking).await.unwrap().expect(200);
        command.json
    };
    let refused = async |client: &Client, status| {
        client.post(&format!("{}/wakeup", path(device)), json!({})).await.expect(status);
    };
    for port in [9, 7, 40_000, 9] {
        admin.put(&path(device), with(old_body(scene.agent), &json!({"port": port}))).await.expect(200);
        for _ in 0..3 {
            assert_eq!(woken(admin).await, json!({"macAddress": MAC, "port": port}));
            refused(&bob, 404).await;
        }
    }
    let share = json!({"username": "bob", "permissions": ["wake"]});
    let shares = format!("{}/shares", path(device));
    let share = admin.post(&shares, share).await.expect(201).data()["id"].clone();
    for client in [&bob, admin, &bob] {
        woken(client).await;
    }
    admin.delete(&format!("{shares}/{share}")).await.expect(200);
    refused(&bob, 404).await;
    woken(admin).await;
    admin.delete(&path(device)).await.expect(200);
    refused(admin, 404).await;
}
