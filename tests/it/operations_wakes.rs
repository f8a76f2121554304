//! Wakes as operations, whichever call they come by; what must not be repeated; and queues of agents that share a line or
//! come back together.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::scene::{MAC, SECRET, Scene};
use super::support::wait::{until_equal, within};
use super::support::{Client, Firmware, Reply};

const PATH: &str = "/api/operations";

async fn post_with(client: &Client, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let mut request = client.http.request(Method::POST, client.url(path)).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

async fn until_state(client: &Client, id: &str, wanted: &str) -> Value {
    let path = format!("{PATH}/{id}");
    until_equal(&format!("the state of {id}"), wanted.to_owned(), async || {
        let reply = client.get(&path).await.expect(200);
        reply.data()["state"].as_str().unwrap().to_owned()
    })
    .await;
    client.get(&path).await.expect(200).data().clone()
}

fn id(reply: &Reply) -> String {
    reply.data()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_wake_until_online_has_all_that_operations_have() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let online = json!({"kind": "wake", "deviceID": scene.device, "until": "online", "timeout": 60});
    let key = [("Idempotency-Key", "the-same")];
    let first = post_with(admin, PATH, &online, &key).await.expect(202);
    let again = post_with(admin, PATH, &online, &key).await.expect(202);
    assert_eq!(id(&again), id(&first));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let mut same = online.clone();
    same["dedupe"] = json!("live");
    let same = admin.post(PATH, same).await.expect(200);
    assert_eq!(id(&same), id(&first));
    let mut now = online.clone();
    now["queue"] = json!(false);
    let refused = admin.post(PATH, now).await.expect(503);
    assert_eq!(refused.code(), "agent_offline");
    let mut soon = online.clone();
    soon["deliverWithin"] = json!(1);
    let soon = admin.post(PATH, soon).await.expect(202);
    let expired = until_state(admin, &id(&soon), "expired").await;
    assert_eq!(expired["reason"], "agent_offline");
    // A withdrawal holds, though its agent connects afterwards.
    admin.post(&format!("{PATH}/{}/cancel", id(&first)), json!({})).await.expect(200);
    let mut firmware = scene.firmware().await;
    scene.assert_nothing_more(&mut firmware).await;
    until_state(admin, &id(&first), "canceled").await;
}

#[tokio::test]
async fn a_wake_can_be_left_to_the_server() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let path = format!("/api/devices/{}/wakeup", scene.device);
    let key = ("Idempotency-Key", "a-wake");
    let offline = post_with(admin, &path, &json!({}), &[key]).await.expect(503);
    assert_eq!(offline.code(), "agent_offline");
    let left = post_with(admin, &path, &json!({}), &[("Prefer", "respond-async")]).await.expect(202);
    assert_eq!(left.data()["kind"], "wake");
    assert_eq!(left.header("location"), Some(format!("{PATH}/{}", id(&left)).as_str()));
    let firmware = scene.firmware().await;
    let serving = tokio::spawn(firmware.serve());
    until_state(admin, &id(&left), "succeeded").await;
    // A call that waits is done once under its key.
    let done = post_with(admin, &path, &json!({}), &[key]).await.expect(200);
    assert_eq!(done.data()["state"], "succeeded");
    let again = post_with(admin, &path, &json!({}), &[key]).await.expect(200);
    assert_eq!((id(&again), again.header("idempotent-replayed")), (id(&done), Some("true")));
    serving.abort();
}

#[tokio::test]
async fn a_queued_wake_takes_whichever_agent_connects_first() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let fallback = admin.create_agent("server", SECRET).await;
    let body = json!({"name": "Device", "type": "desktop", "macAddress": MAC, "port": 9, "agentID": scene.agent,
        "fallbackAgentIDs": [fallback]});
    admin.put(&format!("/api/devices/{}", scene.device), body).await.expect(200);
    let wake = admin.post(PATH, json!({"kind": "wake", "deviceID": scene.device})).await.expect(202);
    assert_eq!(wake.data()["agentID"], json!(scene.agent));
    let mut firmware = Firmware::connect(scene.server.address(), fallback, SECRET).await;
    let frame = firmware.command().await;
    assert_eq!(frame.command, "WAKEUP");
    firmware.reply_ok(&frame).await;
    let done = until_state(admin, &id(&wake), "succeeded").await;
    assert_eq!(done["agentID"], json!(fallback));
}

#[tokio::test]
async fn what_may_not_be_repeated_is_not() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let mut firmware = scene.firmware().await;
    let body = json!({"kind": "command", "agentID": scene.agent, "command": "REBOOT"});
    let reboot = admin.post(PATH, body).await.expect(202);
    assert_eq!(reboot.data()["maxAttempts"], 1);
    assert_eq!(firmware.command().await.command, "REBOOT");
    firmware.vanish();
    let lost = until_state(admin, &id(&reboot), "timed_out").await;
    assert_eq!(lost["reason"], "connection_lost");
    let mut firmware = scene.firmware().await;
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn another_users_operation_is_withdrawn_in_admin_mode() {
    let scene = Scene::new("server").await;
    let bob = scene.server.user(&scene.admin, "bob", "user").await;
    let agent = bob.create_agent("server", SECRET).await;
    let body = json!({"kind": "command", "agentID": agent, "command": "REBOOT"});
    let cancel = format!("{PATH}/{}/cancel", id(&bob.post(PATH, body).await.expect(202)));
    scene.admin.post(&cancel, json!({})).await.expect(404);
    let canceled = scene.admin.post(&format!("{cancel}?adminMode=true"), json!({})).await.expect(200);
    assert_eq!(canceled.data()["state"], "canceled");
    assert_eq!(bob.post(&cancel, json!({})).await.code(), "operation_ended");
}

#[tokio::test]
async fn where_a_device_is_woken_may_be_said_what_may_be_said_of_every_operation() {
    let scene = Scene::new("server").await;
    let path = format!("/api/devices/{}/wakeup", scene.device);
    let later = [("Prefer", "respond-async")];
    for until in ["sent", "online"] {
        let mut body = json!({"until": until, "deliverWithin": 86_400, "maxAttempts": 7, "dedupe": "live"});
        let made = post_with(&scene.admin, &path, &body, &later).await.expect(202);
        let within = made.data()["deliverBy"].as_i64().unwrap() - made.data()["createdAt"].as_i64().unwrap();
        assert_eq!((within, &made.data()["maxAttempts"]), (86_400_000, &json!(7)), "{}", made.text);
        let same = post_with(&scene.admin, &path, &body, &later).await.expect(200);
        assert_eq!(id(&same), id(&made), "{until}");
        body["queue"] = json!(false);
        body["dedupe"] = Value::Null;
        let refused = post_with(&scene.admin, &path, &body, &later).await.expect(503);
        assert_eq!(refused.code(), "agent_offline");
        for (field, bad) in [("deliverWithin", json!(86_401)), ("maxAttempts", json!(0)), ("queue", json!(1))]
        {
            let refused = post_with(&scene.admin, &path, &json!({"until": until, field: bad}), &later)
                .await
                .expect(400);
            assert_eq!(refused.body["errors"][0]["field"], field, "{}", refused.text);
        }
    }
}

#[tokio::test]
async fn direct_calls_and_queued_ones_share_the_line() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let direct = scene.wake_mac("AA:BB:CC:DD:EE:01");
    let first = firmware.command().await;
    assert_eq!(first.json["macAddress"], "AA:BB:CC:DD:EE:01");
    let queued = scene.admin.post(PATH, json!({"kind": "wake", "deviceID": scene.device})).await.expect(202);
    scene.assert_nothing_more(&mut firmware).await;
    until_state(&scene.admin, &id(&queued), "queued").await;
    firmware.reply_ok(&first).await;
    direct.answer().await.expect(200);
    let second = firmware.command().await;
    assert_eq!(second.json["macAddress"], MAC);
    let direct = scene.ask("192.0.2.1");
    scene.assert_nothing_more(&mut firmware).await;
    firmware.reply_ok(&second).await;
    until_state(&scene.admin, &id(&queued), "succeeded").await;
    let third = firmware.command().await;
    assert_eq!(third.command, "GET_STATUS");
    firmware.reply_ok(&third).await;
    direct.answer().await.expect(200);
}

#[tokio::test]
async fn agents_that_come_back_together_are_worked_off_while_others_are_answered() {
    let Scene { server, admin, .. } = Scene::new("server").await;
    let mut agents = Vec::new();
    for _ in 0..80 {
        agents.push(admin.create_agent("microcontroller", SECRET).await);
    }
    let wanted = agents.iter().flat_map(|agent| [1, 2, 3].map(|port| (*agent, port)));
    let making = wanted.map(|(agent, port)| {
        let payload = json!({"macAddress": MAC, "port": port});
        let body = json!({"kind": "command", "agentID": agent, "command": "WAKEUP", "payload": payload});
        async { admin.post(PATH, body).await.expect(202) }
    });
    futures_util::stream::iter(making).buffer_unordered(16).collect::<Vec<_>>().await;
    let address = server.address();
    for agent in agents {
        tokio::spawn(async move { Firmware::connect(address, agent, SECRET).await.serve().await });
    }
    within(Duration::from_secs(60), "the end of all", async {
        let live = format!("{PATH}?state=live&limit=1");
        while within(Duration::from_secs(5), "an answer", admin.get(&live)).await.expect(200).data()
            != &json!([])
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let done = admin.get(&format!("{PATH}?state=succeeded&limit=500")).await.expect(200);
    assert_eq!(done.data().as_array().unwrap().len(), 240);
    server.stop().await;
}
