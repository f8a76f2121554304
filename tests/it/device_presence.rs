//! Whether devices are there: what status questions and the agent that runs on a device bring, and what is kept of it.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use netignite::model::event::Event;
use serde_json::{Value, json};

use super::support::scene::{MAC, SECRET, Scene};
use super::support::wait::{until, until_equal};
use super::support::{Client, Firmware, Server, soon, sqlite};
use super::wake_until::{Probe, connect, lan};

/// Asks for the status of the one device, which the agent answers with this word, or each word in its turn.
async fn look(scene: &Scene, firmware: &mut Firmware, words: &[&str]) {
    for word in words {
        let (admin, path) = (scene.admin.clone(), format!("/api/devices/status?ids={}", scene.device));
        let asked = tokio::spawn(async move { admin.get(&path).await.expect(200) });
        let question = firmware.command().await;
        assert_eq!(question.command, "GET_STATUS");
        let json = json!({"status": "OK", "message": "eth7 says so", "online": word}).to_string();
        firmware.reply(&question, &json).await;
        let reply = soon("the status", asked).await.unwrap();
        assert_eq!(reply.data()[scene.device.to_string()], **word);
    }
}

async fn transitions(server: &Server) -> Vec<String> {
    let path = netignite::store::database_path(server.data());
    sqlite::texts(
        &path,
        "SELECT state || ' ' || coalesce(method, '-') || ' ' || why FROM device_presence ORDER BY id",
    )
    .await
}

#[tokio::test]
async fn a_device_that_nobody_looked_for_is_unknown() {
    let Scene { server: _server, admin, device, .. } = Scene::new("server").await;
    let expected =
        json!({"state": "unknown", "since": null, "method": null, "checkedAt": null, "why": "never_checked"});
    assert_eq!(admin.presence(device).await, expected);
    let list = admin.get("/api/devices").await.expect(200);
    assert_eq!(list.data()[0].get("presence"), None, "one device's alone");
    let list = admin.get("/api/devices?presence=true").await.expect(200);
    assert_eq!(list.data()[0]["presence"], expected);
    admin.get("/api/devices?presence=perhaps").await.expect(400);
}

#[tokio::test]
async fn a_list_says_of_each_device_what_the_answer_about_it_says() {
    let scene = Scene::new("microcontroller").await;
    let (admin, device) = (scene.admin.clone(), scene.device);
    let mut firmware = scene.firmware().await;
    look(&scene, &mut firmware, &["online", "offline", "offline"]).await;
    admin.becomes(device, "offline").await;
    look(&scene, &mut firmware, &["online"]).await;
    admin.becomes(device, "online").await;
    // More than are read at once, none of which was looked for.
    for _ in 0..40 {
        admin.create_device(scene.agent, MAC).await;
    }
    let ann = scene.server.user(&admin, "ann", "user").await;
    admin
        .post(&format!("/api/devices/{device}/shares"), json!({"username": "ann", "permissions": ["view"]}))
        .await
        .expect(201);
    let same = async |client: &Client, path: &str, many: usize| {
        let list = client.get(path).await.expect(200);
        let list = list.data().as_array().unwrap().clone();
        assert_eq!(list.len(), many, "{path}");
        for one in &list {
            assert_eq!(one["presence"], client.presence(one["id"].as_i64().unwrap()).await, "{path}");
        }
    };
    for (client, many) in [(&admin, 41), (&ann, 1)] {
        same(client, "/api/devices?presence=true", many).await;
        same(client, "/api/devices?presence=1&limit=50&sort=name", many).await;
        same(client, "/api/devices?presence=true&state=online", 1).await;
    }
    let page = admin.get("/api/devices?presence=true&limit=2").await.expect(200);
    assert!(page.headers["link"].to_str().unwrap().contains("presence=true"), "{:?}", page.headers);

    // After a restart nothing is in memory.
    let Scene { server, .. } = scene;
    let server = Server::start_in(server.stop().await, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &admin.password).await;
    same(&admin, "/api/devices?presence=true", 41).await;
    assert_eq!(admin.get("/api/devices?presence=true").await.data()[0]["presence"]["state"], "online");
}

#[tokio::test]
async fn changes_are_stored_and_one_missed_look_is_none() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let before = scene.server.host().clock.now();
    look(&scene, &mut firmware, &["online"]).await;
    let online = scene.admin.becomes(scene.device, "online").await;
    let since = online["since"].as_i64().unwrap();
    assert!((before..=scene.server.host().clock.now()).contains(&since), "{online}");
    assert_eq!((&online["method"], &online["why"]), (&json!("icmp"), &json!("seen")));

    // What is seen without a change, and one missed look, are no changes; they are looks all the same.
    look(&scene, &mut firmware, &["online", "offline", "online", "unknown", "online", "offline"]).await;
    let still = scene.admin.presence(scene.device).await;
    assert_eq!((&still["state"], &still["since"]), (&json!("online"), &online["since"]));
    assert!(still["checkedAt"].as_i64() >= online["checkedAt"].as_i64());
    look(&scene, &mut firmware, &["offline"]).await;
    let offline = scene.admin.becomes(scene.device, "offline").await;
    assert_eq!((&offline["method"], &offline["why"]), (&Value::Null, &json!("not_seen")));
    look(&scene, &mut firmware, &["offline", "unknown", "online"]).await;
    scene.admin.becomes(scene.device, "online").await;
    look(&scene, &mut firmware, &["unknown", "unknown"]).await;
    let unknown = scene.admin.becomes(scene.device, "unknown").await;
    assert_eq!(unknown["why"], "cannot_probe");

    // A restart keeps what was stored, and no more was.
    let Scene { server, admin, device, .. } = scene;
    let server = Server::start_in(server.stop().await, |_| {}).await;
    let admin = Client::login(server.address(), "admin", &admin.password).await;
    assert_eq!(admin.presence(device).await["since"], unknown["since"]);
    let expected = ["online icmp seen", "offline - not_seen", "online icmp seen", "unknown - cannot_probe"];
    assert_eq!(transitions(&server).await, expected);
    admin.delete(&format!("/api/devices/{device}")).await.expect(200);
    assert_eq!(transitions(&server).await, [""; 0]);
}

#[tokio::test]
async fn the_agent_on_a_device_is_the_best_evidence() {
    let scene = Scene::new("server").await;
    let (admin, device) = (&scene.admin, scene.device);
    let host = admin.create_agent("server", SECRET).await;
    let body = json!({"name": "Device", "type": "desktop", "macAddress": MAC, "agentID": scene.agent, "hostAgentID": host});
    admin.put(&format!("/api/devices/{device}"), body).await.expect(200);
    let (to, from) = mpsc::channel();
    let listener = move |happened: &netignite::events::Happened| {
        if let Event::DevicePresence { device, owner, presence } = &happened.event {
            to.send((*device, *owner, presence.state.word())).unwrap();
        }
    };
    scene.server.host().events.listen("test", listener).unwrap();

    let mut firmware = scene.firmware().await;
    let hosted = Firmware::connect(scene.server.address(), host, SECRET).await;
    let online = admin.becomes(device, "online").await;
    assert_eq!((&online["method"], &online["why"]), (&json!("host_agent"), &json!("host_agent")));
    look(&scene, &mut firmware, &["offline", "offline", "offline"]).await;
    assert_eq!(admin.presence(device).await["state"], "online", "its own agent is connected");

    // It is gone: the device is looked for.
    drop(hosted);
    let question = firmware.command().await;
    assert_eq!((question.command.as_str(), &question.json["macAddress"]), ("PROBE", &json!(MAC)));
    firmware.reply(&question, r#"{"status":"ERROR","message":"Unknown command"}"#).await;
    // Old firmware is asked in the old way.
    let question = firmware.command().await;
    assert_eq!((question.command.as_str(), &question.json["address"]), ("GET_STATUS", &json!(MAC)));
    assert_eq!(admin.presence(device).await["state"], "online", "not yet");
    firmware.reply(&question, r#"{"status":"OK","message":"","online":"offline"}"#).await;
    admin.becomes(device, "offline").await;

    let _hosted = Firmware::connect(scene.server.address(), host, SECRET).await;
    admin.becomes(device, "online").await;
    // What is shown is passed on once it is stored, which may be a moment later.
    let mut heard = Vec::new();
    until("three changes", || {
        heard.extend(from.try_iter());
        std::future::ready((heard.len() >= 3).then_some(()))
    })
    .await;
    assert_eq!(heard, [(device, 1, "online"), (device, 1, "offline"), (device, 1, "online")]);
}

#[tokio::test]
async fn a_host_agent_that_is_connected_already_proves_its_device_at_once() {
    let scene = Scene::new("server").await;
    let (admin, device) = (&scene.admin, scene.device);
    let _hosted = scene.firmware().await;
    let body = json!({"name": "Device", "type": "desktop", "macAddress": MAC, "agentID": scene.agent});
    let path = format!("/api/devices/{device}");
    let mut with_host = body.clone();
    with_host["hostAgentID"] = json!(scene.agent);
    admin.put(&path, with_host.clone()).await.expect(200);
    admin.becomes(device, "online").await;
    let made = admin.post("/api/devices", with_host).await.expect(201).id();
    admin.becomes(made, "online").await;
    // Who sees the device sees that.
    let bob = scene.server.user(admin, "bob", "user").await;
    let share = json!({"username": "bob", "permissions": ["view"]});
    admin.post(&format!("/api/devices/{device}/shares"), share).await.expect(201);
    assert_eq!(bob.presence(device).await["method"], "host_agent");
}

#[tokio::test]
async fn one_look_of_an_operation_that_missed_a_device_is_no_change_either() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let lan = lan(Some(Duration::ZERO), Probe::Answers);
    lan.lock().woken = Some(Instant::now());
    let _agent = connect(&server, agent, &lan).await;
    let status = format!("/api/devices/status?ids={device}");
    admin.get(&status).await.expect(200);
    admin.becomes(device, "online").await;
    for (misses, then) in [(1, "online"), (2, "offline")] {
        lan.lock().boots_after = None;
        let wake = json!({"kind": "wake", "deviceID": device, "until": "online"});
        let wake = admin.post("/api/operations", wake).await.expect(202);
        let path = format!("/api/operations/{}", wake.data()["id"].as_str().unwrap());
        until("the looks", || async {
            let trail = admin.get(&path).await.expect(200).data()["trail"].clone();
            let looks = trail.as_array().unwrap().iter().filter(|entry| entry["event"] == "looked");
            (looks.count() >= misses).then_some(())
        })
        .await;
        assert_eq!(admin.presence(device).await["state"], "waking", "as long as the operation goes on");
        // Should it look once more before it is withdrawn, it sees the device.
        lan.lock().boots_after = Some(Duration::ZERO).filter(|_| misses == 1);
        admin.post(&format!("{path}/cancel"), json!({})).await;
        until("the end of the wake", || async {
            (admin.presence(device).await["state"] != "waking").then_some(())
        })
        .await;
        assert_eq!(admin.presence(device).await["state"], then, "{misses}");
    }
    let states = async || {
        let stored = transitions(&server).await;
        stored.iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = ["online", "waking", "online", "waking", "offline"].map(str::to_owned).to_vec();
    until_equal("what is stored", expected, states).await;
}
