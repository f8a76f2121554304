//! Shutting a device down through the agent that runs on it, what happened to a device, and who is asked for its status.

use serde_json::{Value, json};

use super::operations::{post_with, with};
use super::support::scene::{MAC, ONLINE, SECRET, Scene};
use super::support::wait::{until, until_equal};
use super::support::{Firmware, Reply, soon};

async fn name_agents(scene: &Scene, more: Value) {
    let mut body = json!({"name": "Device", "type": "desktop", "macAddress": MAC, "agentID": scene.agent});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    scene.admin.put(&format!("/api/devices/{}", scene.device), body).await.expect(200);
}

fn path(scene: &Scene, what: &str) -> String {
    format!("/api/devices/{}/{what}", scene.device)
}

async fn timeline(scene: &Scene, query: &str) -> Reply {
    scene.admin.get(&format!("{}{query}", path(scene, "timeline"))).await.expect(200)
}

#[tokio::test]
async fn the_agent_on_a_device_shuts_it_down() {
    let scene = Scene::new("server").await;
    let admin = scene.admin.clone();
    for what in ["shutdown", "reboot", "sleep"] {
        let refused = admin.post(&path(&scene, what), json!({})).await.expect(409);
        assert_eq!(refused.code(), "no_host_agent");
    }
    let host = admin.create_agent("server", SECRET).await;
    name_agents(&scene, json!({"hostAgentID": host})).await;
    let _other = scene.firmware().await;
    let refused = admin.post(&path(&scene, "shutdown"), json!({"queue": false})).await.expect(503);
    assert_eq!(refused.code(), "agent_offline");
    for body in [json!({"delaySeconds": 86_401}), json!({"delaySeconds": "1"}), json!({"delaySeconds": -1})] {
        admin.post(&path(&scene, "shutdown"), body).await.expect(400);
    }

    let mut hosted = Firmware::connect(scene.server.address(), host, SECRET).await;
    for (what, command) in [("shutdown", "SHUTDOWN"), ("reboot", "REBOOT"), ("sleep", "SLEEP")] {
        let request = admin.http.post(admin.url(&path(&scene, what))).header("Prefer", "wait=60");
        let sending = admin.clone();
        let asked =
            tokio::spawn(async move { sending.send(request.json(&json!({"delaySeconds": 5}))).await });
        let sent = hosted.command().await;
        assert_eq!((sent.command.as_str(), &sent.json), (command, &json!({"delaySeconds": 5})));
        hosted.reply(&sent, r#"{"status":"OK","message":"in 5 seconds"}"#).await;
        let reply = soon("the end", asked).await.unwrap().expect(200);
        let operation = reply.data();
        let expected = json!(["succeeded", command, host, scene.device, "command"]);
        let found = ["state", "command", "agentID", "deviceID", "kind"].map(|key| operation[key].clone());
        assert_eq!(json!(found), expected);
        let at = format!("/api/operations/{}", operation["id"].as_str().unwrap());
        assert_eq!(reply.header("location"), Some(at.as_str()));
    }
    let accepted = admin.post(&path(&scene, "shutdown"), json!({})).await.expect(202);
    assert_eq!(accepted.message(), "Operation accepted");
    until_equal("the audit log", 4_i64, async || {
        let audit = admin.get("/api/admin/audit?action=operation.create").await.expect(200);
        // Alike ones are one entry, which counts them.
        audit.data()["entries"].as_array().unwrap().iter().map(|entry| entry["count"].as_i64().unwrap()).sum()
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_does_not_allow_it_is_refused_with_what_to_do() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let host = admin.create_agent("server", SECRET).await;
    name_agents(&scene, json!({"hostAgentID": host})).await;
    let about = "1.0.0; commands=HEARTBEAT,WAKEUP,GET_STATUS";
    let _hosted = Firmware::connect_saying(scene.server.address(), host, SECRET, about).await;
    for refused in [
        admin.post(&path(&scene, "shutdown"), json!({})).await,
        admin.post(&path(&scene, "shutdown"), json!({"until": "offline"})).await,
        admin.command(host, "SHUTDOWN", json!({})).await,
    ] {
        let refused = refused.expect(409);
        assert_eq!(refused.code(), "command_not_supported");
        assert!(refused.message().contains("--allow SHUTDOWN"), "{}", refused.text);
    }
}

#[tokio::test]
async fn nobody_gets_last_nights_shutdown_at_breakfast() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let host = admin.create_agent("server", SECRET).await;
    name_agents(&scene, json!({"hostAgentID": host})).await;
    let within = |made: &Reply| {
        made.data()["deliverBy"].as_i64().unwrap() - made.data()["createdAt"].as_i64().unwrap()
    };
    let command = |name: &str, within: i64| json!({"kind": "command", "agentID": host, "command": name, "deliverWithin": within});
    for (what, name) in [("shutdown", "SHUTDOWN"), ("reboot", "REBOOT"), ("sleep", "SLEEP")] {
        let usual = admin.post(&path(&scene, what), json!({})).await.expect(202);
        assert_eq!(within(&usual), 60_000, "{}", usual.text);
        let longest = admin.post(&path(&scene, what), json!({"deliverWithin": 3600})).await.expect(202);
        assert_eq!(within(&longest), 3_600_000, "{}", longest.text);
        let refused = [
            admin.post(&path(&scene, what), json!({"deliverWithin": 3601})).await,
            admin.post("/api/operations", command(name, 3601)).await,
        ];
        for refused in refused {
            assert_eq!(refused.expect(400).body["errors"][0]["field"], "deliverWithin");
        }
        let direct = json!({"kind": "command", "agentID": host, "command": name});
        assert_eq!(within(&admin.post("/api/operations", direct).await.expect(202)), 60_000);
    }
    let wake =
        admin.post("/api/operations", json!({"kind": "wake", "deviceID": scene.device})).await.expect(202);
    assert_eq!(within(&wake), 300_000);
    admin.post("/api/operations", command("WAKEUP", 86_401)).await.expect(400);
    let body = json!({"kind": "wake", "deviceID": scene.device, "deliverWithin": 86_400});
    assert_eq!(within(&admin.post("/api/operations", body).await.expect(202)), 86_400_000);
    // Whoever waits for the end waits for an agent no longer than for the device, and no longer than the command may wait.
    for (what, until, seconds) in [("shutdown", "offline", 60), ("wakeup", "online", 300)] {
        for (more, expected) in [
            (json!({"timeout": 300}), seconds),
            (json!({"timeout": 10}), 10),
            (json!({"timeout": 10, "deliverWithin": 3600}), 3600),
        ] {
            let body = with(json!({"until": until}), more);
            let made = post_with(admin, &path(&scene, what), &body, &[("Prefer", "wait=0")]).await;
            assert_eq!(within(&made.expect(202)), expected * 1000, "{what} {body}");
        }
    }
}

#[tokio::test]
async fn a_device_can_be_shut_down_by_its_owner_alone() {
    let scene = Scene::new("server").await;
    let host = scene.admin.create_agent("server", SECRET).await;
    name_agents(&scene, json!({"hostAgentID": host})).await;
    let bob = scene.server.user(&scene.admin, "bob", "user").await;
    bob.post(&path(&scene, "shutdown"), json!({})).await.expect(404);
    let share = json!({"username": "bob", "permissions": ["wake"]});
    scene.admin.post(&path(&scene, "shares"), share).await.expect(201);
    assert_eq!(bob.post(&path(&scene, "shutdown"), json!({})).await.expect(403).code(), "not_shared");

    // What the agent says, and which it is, is the owner's alone.
    let mut hosted = Firmware::connect(scene.server.address(), host, SECRET).await;
    scene.admin.post(&path(&scene, "shutdown"), json!({})).await.expect(202);
    let sent = hosted.command().await;
    hosted.reply(&sent, r#"{"status":"ERROR","message":"eth7 is busy"}"#).await;
    until("the end", || async { timeline(&scene, "").await.text.contains("eth7").then_some(()) }).await;
    let seen = bob.get(&path(&scene, "timeline")).await.expect(200);
    assert!(seen.text.contains("SHUTDOWN") && !seen.text.contains("eth7"), "{}", seen.text);
    assert!(seen.text.contains(r#""agentID":null"#), "{}", seen.text);
}

#[tokio::test]
async fn what_happened_to_a_device_comes_in_pages_the_newest_first() {
    let scene = Scene::new("server").await;
    assert_eq!(timeline(&scene, "").await.data(), &json!([]));
    for query in
        ["?limit=0", "?limit=501", "?limit=x", "?cursor=x", "?cursor=1", "?cursor=1-", "?cursor=-1-1"]
    {
        scene.admin.get(&format!("{}{query}", path(&scene, "timeline"))).await.expect(400);
    }
    let mut firmware = scene.firmware().await;
    let id = scene.device;
    for word in ["online", "offline", "offline"] {
        scene.admin.post("/api/operations", json!({"kind": "wake", "deviceID": id})).await.expect(202);
        let wakeup = firmware.command().await;
        firmware.reply(&wakeup, r#"{"status":"OK","message":"sent"}"#).await;
        let (admin, path) = (scene.admin.clone(), format!("/api/devices/status?ids={id}"));
        let asked = tokio::spawn(async move { admin.get(&path).await.expect(200) });
        let question = firmware.command().await;
        let json = json!({"status": "OK", "message": "", "online": word}).to_string();
        firmware.reply(&question, &json).await;
        soon("the status", asked).await.unwrap();
    }
    let whole = until("all", || async {
        let reply = timeline(&scene, "").await;
        let settled = !reply.text.contains("running");
        (settled && reply.data().as_array().unwrap().len() == 5).then_some(reply)
    })
    .await;
    let whole = whole.data().as_array().unwrap().clone();
    let states: Vec<_> = whole.iter().filter_map(|entry| entry["presence"]["state"].as_str()).collect();
    assert_eq!(states, ["offline", "online"]);
    assert_eq!(whole.iter().filter(|entry| entry["kind"] == "operation").count(), 3);
    assert!(whole.is_sorted_by(|a, b| a["at"].as_i64() >= b["at"].as_i64()), "{whole:?}");

    let (mut pages, mut next) = (Vec::new(), Some(format!("{}?limit=2", path(&scene, "timeline"))));
    while let Some(url) = next {
        let page = scene.admin.get(&url).await.expect(200);
        pages.extend(page.data().as_array().unwrap().clone());
        next = page.header("link").map(|link| link[1..link.find('>').unwrap()].to_owned());
    }
    assert_eq!(pages, whole);
}

#[tokio::test]
async fn a_fallback_agent_is_asked_for_the_status() {
    let scene = Scene::new("server").await;
    let fallback = scene.admin.create_agent("server", SECRET).await;
    name_agents(&scene, json!({"fallbackAgentIDs": [fallback]})).await;
    let mut firmware = Firmware::connect(scene.server.address(), fallback, SECRET).await;
    for query in ["", "?ids=1"] {
        let (admin, path) = (scene.admin.clone(), format!("/api/devices/status{query}"));
        let asked = tokio::spawn(async move { admin.get(&path).await.expect(200) });
        let question = firmware.command().await;
        assert_eq!(question.command, "GET_STATUS");
        firmware.reply(&question, ONLINE).await;
        assert_eq!(soon("the status", asked).await.unwrap().data()[scene.device.to_string()], "online");
    }
}
